import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { druidRoutes, DruidSink } from '../src/index.js';
import {
  FIRST_DAY,
  SinkJob,
  flights,
  flightSchema,
  temporaryDirectory,
  type Flight,
} from './support/sink-harness.js';

let client: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
});
afterAll(() => client?.close());

describe('Spool files with a real Druid', () => {
  it('are read compressed, by datasource, with the dead letters of the same checkpoint', async () => {
    const sink = new DruidSink<Flight>({
      druid: client,
      schema: druidRoutes<Flight>()({
        route: ({ origin }) => (origin === 'SFO' ? 'one' : 'two'),
        schemas: { one: flightSchema('spool_one'), two: flightSchema('spool_two') },
      }),
      deadLetters: { dataSource: 'spool_letters' },
      compression: 'gzip',
      inlineMaxBytes: 300,
      spoolDirectory: await temporaryDirectory(),
    });
    const job = new SinkJob(sink, { clock: systemClock });
    const committer = await job.committer();
    // Enough for several chunks in one file.
    const rows = Array.from({ length: 30_000 }, (_, index): Flight => ({
      date: FIRST_DAY + index * 1_000,
      origin: index % 10 === 0 ? 'LAX' : 'SFO',
      delay: index === 7 ? 0.5 : index,
    }));
    await committer.commit(await job.checkpoint(1, rows));
    const found = await Promise.all(
      ['spool_one', 'spool_two'].map((dataSource) =>
        client.sql.query(`SELECT COUNT(*), SUM("delay"), SUM("delay" * "delay") FROM "${dataSource}"`, {
          rowFormat: 'array',
        }),
      ),
    );
    const sums = (wanted: readonly Flight[]) => {
      const delays = wanted.map(({ delay }) => delay ?? 0);
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      return [[delays.length, sum(delays), sum(delays.map((delay) => delay ** 2))]];
    };
    expect(found).toEqual([
      sums(rows.filter(({ origin, delay }) => origin === 'SFO' && delay !== 0.5)),
      sums(rows.filter(({ origin }) => origin === 'LAX')),
    ]);
    expect(
      await client.sql.query('SELECT "dataSource", "column", "reason", "record" FROM "spool_letters"'),
    ).toEqual([
      {
        dataSource: 'spool_one',
        column: 'delay',
        reason: '0.5 is not an integer',
        record: JSON.stringify(rows[7]),
      },
    ]);
  });

  it('are read on, compressed, where a broken connection has left off', async () => {
    const ranges: (string | undefined)[] = [];
    const cutFirst = (message: unknown) => {
      const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
      if (request.method !== 'GET' || !request.url?.endsWith('.ndjson.gz')) return;
      if (ranges.push(request.headers.range) > 1) return;
      let sent = 0;
      const write = response.write.bind(response) as (chunk: Buffer) => boolean;
      response.write = ((chunk: Buffer) => {
        sent += chunk.length;
        if (sent < 500_000) return write(chunk);
        response.destroy();
        return false;
      }) as typeof response.write;
    };
    subscribe('http.server.request.start', cutFirst);
    onTestFinished(() => void unsubscribe('http.server.request.start', cutFirst));
    const options = { druid: client, schema: flightSchema('spool_cut'), compression: 'gzip' } as const;
    const job = new SinkJob(
      new DruidSink<Flight>({ ...options, spoolDirectory: await temporaryDirectory() }),
      {
        clock: systemClock,
      },
    );
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(200_000));
    expect(requests[0]?.committable.bytes).toBeGreaterThan(1_000_000);
    await committer.commit(requests);
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges[1]).toMatch(/^bytes=\d{5,}-/);
    expect(
      await client.sql.query('SELECT COUNT(*), MIN("__time"), MAX("__time") FROM "spool_cut"', {
        rowFormat: 'array',
        context: { sqlTimeZone: 'UTC' },
      }),
    ).toEqual([
      [200_000, new Date(FIRST_DAY).toISOString(), new Date(FIRST_DAY + 199_999_000).toISOString()],
    ]);
  });
});
