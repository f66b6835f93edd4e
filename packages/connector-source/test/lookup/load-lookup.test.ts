import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { StreamExecutionEnvironment, type LogFields, type RuntimeContext } from '@millrace/core-stream';
import { CollectingSink, ManualClock, TestMetrics, turn, until } from '@millrace/core-stream/testing';
import { DruidClient } from '@millrace/druid-client';
import { afterAll, beforeEach, beforeAll, expect, it } from 'vitest';
import {
  DruidSourceConfigError,
  DruidSourceError,
  loadLookup,
  type LoadLookupOptions,
} from '../../src/index.js';

/** The answers of a Coordinator and a Broker about the lookup `countries`. */
let definition: object | undefined;
let rows: [string, string | null][];
let isDown: boolean;
let requests: string[];
let server: Server;
let druid: DruidClient;

const ofMap = (version: string, map: object) => ({ version, lookupExtractorFactory: { type: 'map', map } });

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    request.resume();
    if (isDown) response.writeHead(400).end('{"error":"down"}');
    else if (path.startsWith('/druid/v2/sql')) {
      const lines = [['k', 'v'], ['STRING', 'STRING'], ['VARCHAR', 'VARCHAR'], ...rows].map((row) =>
        JSON.stringify(row),
      );
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${lines.join('\n')}\n\n`);
    } else if (path.endsWith('/lookups/config/__default')) response.writeHead(200).end('["planets"]');
    else if (definition === undefined) response.writeHead(404).end('{"error":"no such lookup"}');
    else response.writeHead(200).end(JSON.stringify(definition));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  druid = new DruidClient({ url: `http://127.0.0.1:${port}`, sleep: () => Promise.resolve() });
});

beforeEach(() => {
  definition = ofMap('v1', { fi: 'Finland', de: 'Germany' });
  rows = [];
  isDown = false;
  requests = [];
});

afterAll(async () => {
  druid.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const name = 'countries';

/** One subtask, driven by hand. */
function subtask(options: Partial<LoadLookupOptions> = {}) {
  const clock = new ManualClock(1000);
  const metrics = new TestMetrics(clock);
  const warnings: { message: string; fields: LogFields | undefined }[] = [];
  const logger = { warn: (message: string, fields?: LogFields) => warnings.push({ message, fields }) };
  const context = { clock, metrics: metrics.group, logger } as unknown as RuntimeContext;
  const lookup = loadLookup({ druid, name, refreshMs: 100, maxAgeMs: 250, ...options });
  const process = lookup.map((code: string, names) => names.get(code))(context);
  const get = (code: string) => {
    const collected: (string | undefined)[] = [];
    process.processElement(code, undefined as never, { collect: (value) => collected.push(value) });
    return collected[0];
  };
  const count = (metric: string) => metrics.registry.value(`operator_lookup_${metric}`);
  return {
    clock,
    warnings,
    get,
    count,
    open: async () => process.open?.(context),
    close: async () => process.close?.(),
    /** Lets the next reading begin and end. */
    async refresh() {
      const before = clock.pending;
      clock.advance(100);
      await until(() => clock.pending === before);
    },
  };
}

async function failureOf(doing: Promise<unknown>): Promise<DruidSourceError> {
  const error = await doing.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (DruidSourceError.is(error)) return error;
  throw new Error(`not an error of this package: ${String(error)}`);
}

it('is there before the first record of a job', async () => {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const sink = new CollectingSink<string>();
  const countries = loadLookup({ druid, name });
  env
    .fromCollection(['fi', 'xx'])
    .process(countries.map((code: string, names) => names.get(code) ?? `${code}?`))
    .sinkTo(sink);
  await env.execute('countries');
  expect(sink.values).toEqual(['Finland', 'xx?']);
});

it('invariants 1 and 3: reads again after the interval, and takes over a new map as a whole', async () => {
  const { get, count, refresh, open, close, clock } = subtask();
  await open();
  expect([get('fi'), get('de'), get('se')]).toEqual(['Finland', 'Germany', undefined]);
  definition = ofMap('v2', { fi: 'Suomi', se: 7, no: null });
  expect(get('fi')).toBe('Finland');
  await refresh();
  expect(['fi', 'de', 'se', 'no'].map(get)).toEqual(['Suomi', undefined, '7', undefined]);
  expect([count('entries'), count('readings'), count('failedReadings')]).toEqual([2, 1, 0]);
  clock.advance(40);
  expect(count('ageMs')).toBe(40);
  await close();
});

it('takes the entries of a lookup that is defined elsewhere from SQL', async () => {
  definition = { version: 'v1', lookupExtractorFactory: { type: 'cachedNamespace' } };
  rows = [
    ['fi', 'Finland'],
    ['xx', null],
  ];
  const { get, count, open, close } = subtask();
  await open();
  expect([get('fi'), get('xx'), count('entries')]).toEqual(['Finland', undefined, 1]);
  await close();
});

it('does not ask the Coordinator where it may not', async () => {
  rows = [['fi', 'Finland']];
  const { get, open, close } = subtask({ via: 'sql' });
  await open();
  expect(get('fi')).toBe('Finland');
  expect(requests).toEqual(['/druid/v2/sql']);
  await close();
});

it('invariant 2: keeps the map while readings fail, says so, and fails once it is too old', async () => {
  const { get, count, warnings, refresh, open, close } = subtask();
  await open();
  isDown = true;
  await refresh();
  await refresh();
  expect(get('fi')).toBe('Finland');
  expect(count('failedReadings')).toBe(2);
  expect(warnings.map(({ fields }) => fields?.['ageMs'])).toEqual([100, 200]);
  await refresh();
  expect(() => get('fi')).toThrow(/300 ms old, more than maxAgeMs allows \(250\)/);
  isDown = false;
  await refresh();
  expect(get('fi')).toBe('Finland');
  await close();
});

it('invariant 4: nothing waits or runs once it is closed', async () => {
  const { clock, open, close } = subtask();
  await open();
  expect(clock.pending).toBe(1);
  clock.advance(100);
  await close();
  const seen = requests.length;
  clock.advance(1000);
  await turn();
  expect(clock.pending).toBe(0);
  expect(requests.length).toBe(seen);
});

it('refuses a lookup that is not there, and one that is too large', async () => {
  const large = subtask({ maxEntries: 1 });
  expect(await failureOf(large.open())).toMatchObject({ code: 'DRUID_SOURCE_RECORD' });
  await large.close();
  rows = [
    ['fi', 'Finland'],
    ['de', 'Germany'],
  ];
  const rowsTooMany = subtask({ maxEntries: 1, via: 'sql' });
  expect((await failureOf(rowsTooMany.open())).message).toContain("Raise 'maxEntries'");
  await rowsTooMany.close();
  for (const via of ['auto', 'sql'] as const) {
    const justFits = subtask({ maxEntries: 2, via });
    await justFits.open();
    await justFits.close();
  }
  definition = undefined;
  const missing = subtask();
  const failure = await failureOf(missing.open());
  expect(failure).toMatchObject({ code: 'DRUID_SOURCE_SCHEMA' });
  expect(failure.message).toContain("no lookup 'countries' in tier '__default'. It has there: planets");
  await missing.close();
  isDown = true;
  const down = subtask();
  expect(await failureOf(down.open())).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: false });
  await down.close();
});

it.each([{ name: '' }, { via: 'http' }, { refreshMs: 0 }, { maxAgeMs: 1.5 }, { maxEntries: -1 }])(
  'refuses %j',
  (options) => {
    expect(() => loadLookup({ druid, name, ...options } as LoadLookupOptions)).toThrow(
      DruidSourceConfigError,
    );
  },
);
