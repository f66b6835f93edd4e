/** The README's example of a schema registry, against one that knows its requests. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KafkaDeserializer, KafkaSerializer } from '../../src/index.js';
import { contextOf } from '../support/kafka.js';
import { registryDeserializer, registrySerializer } from './schema-registry.js';

type Order = Readonly<Record<string, unknown>>;

/** A schema here is the list of a record's fields, and a record its values: enough to need the right one. */
const encodeWith = (fields: readonly string[]) => (order: Order) =>
  Buffer.from(JSON.stringify(fields.map((field) => order[field])));
const decodeWith =
  (schema: string) =>
  (bytes: Buffer): Order => {
    const values = JSON.parse(bytes.toString()) as unknown[];
    return Object.fromEntries((JSON.parse(schema) as string[]).map((field, n) => [field, values[n]]));
  };

describe('the example of a schema registry', () => {
  /** By id, from 41 on; all of one subject, whose versions begin at 1. */
  const schemas: string[] = [];
  let registry: Server;
  let subjectUrl: string;
  beforeAll(async () => {
    registry = createServer((request, response) => {
      const [, version] = /^\/subjects\/orders-value\/versions(?:\/(\d+))?$/.exec(request.url ?? '') ?? [];
      const answer = (body: unknown) => response.end(JSON.stringify(body));
      if (request.method === 'POST') {
        let body = '';
        request.on('data', (chunk) => (body += String(chunk)));
        request.on('end', () => {
          const { schema } = JSON.parse(body) as { schema: string };
          if (!schemas.includes(schema)) schemas.push(schema);
          answer({ id: 41 + schemas.indexOf(schema) });
        });
      } else if (version === undefined) answer(schemas.map((_, n) => n + 1));
      else answer({ id: 40 + Number(version), schema: schemas[Number(version) - 1] });
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    const { port } = registry.address() as AddressInfo;
    subjectUrl = `http://127.0.0.1:${port}/subjects/orders-value`;
  });
  afterAll(() => new Promise((resolve) => registry.close(resolve)));

  const prepared = (hook: KafkaSerializer<Order> | KafkaDeserializer<Order>) =>
    (hook as { prepare(context: unknown): Promise<unknown> }).prepare(contextOf());
  const serializer = (...fields: string[]) =>
    prepared(
      registrySerializer<Order>(
        'orders',
        subjectUrl,
        { schemaType: 'JSON', schema: JSON.stringify(fields) },
        encodeWith(fields),
      ),
    ) as Promise<(order: Order) => { value: Buffer }>;
  const deserializer = () =>
    prepared(registryDeserializer(subjectUrl, decodeWith)) as Promise<(record: { value: Buffer }) => Order>;

  it('decodes each record by the schema that it was written with', async () => {
    const older = await serializer('id');
    const newer = await serializer('amount', 'id');
    const again = await serializer('id');
    const decode = await deserializer();
    const order = { id: 'a', amount: 3 };
    expect(older(order).value.subarray(0, 5)).toEqual(Buffer.from([0, 0, 0, 0, 41]));
    expect(again(order)).toEqual(older(order));
    expect([decode(older(order)), decode(newer(order))]).toEqual([{ id: 'a' }, order]);
    const latest = await serializer('note');
    expect(() => decode(latest(order))).toThrow('its schema 43 came after the start of the job');
    expect(() => decode({ value: Buffer.from('{}') })).toThrow('does not begin');
  });

  it('is in the README as it runs here', () => {
    const code = readFileSync(join(import.meta.dirname, 'schema-registry.ts'), 'utf8');
    expect(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')).toContain(code);
  });
});
