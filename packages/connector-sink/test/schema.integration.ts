import { randomUUID } from 'node:crypto';
import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { dataSchemaOf } from '../src/commit/ingestion-spec.js';
import { checkDatasource, type DatasourceCheckOptions } from '../src/druid/datasource-check.js';
import { druidSchema, type DruidSchema } from '../src/schema/druid-schema.js';
import { RowEncoder } from '../src/schema/row-encoder.js';
import { DruidSink } from '../src/index.js';
import { SinkJob, temporaryDirectory, type Flight } from './support/sink-harness.js';

let client: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
});
afterAll(() => client?.close());

const query = (sql: string) =>
  client.sql.query(sql, { rowFormat: 'array', int64: 'bigint', context: { sqlStringifyArrays: false } });

/** Rows of `records`, as spool files hold them. */
function linesOf<T>(schema: DruidSchema<T>, records: readonly T[]): string {
  const encoder = new RowEncoder(schema);
  const row = { text: '', time: 0 };
  return records
    .map((record) => {
      expect(encoder.encode(record, row)).toBeUndefined();
      return `${row.text}}\n`;
    })
    .join('');
}

async function append(dataSchema: { readonly dataSource: string }, data: string): Promise<void> {
  const spec = {
    dataSchema,
    ioConfig: {
      type: 'index_parallel',
      inputSource: { type: 'inline', data },
      inputFormat: { type: 'json' },
      appendToExisting: true,
    },
    tuningConfig: {
      type: 'index_parallel',
      partitionsSpec: { type: 'dynamic' },
      maxParseExceptions: 0,
      logParseExceptions: true,
    },
  };
  const context = { useConcurrentLocks: true };
  // With an id of its own a submission is repeated when its answer is lost, or is 500, as a busy Derby makes it.
  const id = `schema_${randomUUID()}`;
  const { taskId } = await client.tasks.submit({ type: 'index_parallel', id, context, spec });
  const { statusCode, errorMsg } = await client.tasks.waitFor(taskId);
  expect(statusCode, errorMsg ?? '').toBe('SUCCESS');
  await client.datasources.waitUntilQueryable(dataSchema.dataSource);
}

const write = <T>(schema: DruidSchema<T>, records: readonly T[]) =>
  append(dataSchemaOf(schema, null), linesOf(schema, records));

interface Reading {
  at: bigint;
  words: (string | null)[] | null;
  counts: readonly (number | bigint | null)[] | null;
  values: (number | null)[] | null;
  tags: string[] | null;
  detail: { a?: unknown } | null;
  items: { sku: string; n: number }[] | null;
  id: bigint | null;
}

const readings = druidSchema<Reading>()({
  dataSource: 'schema_readings',
  timestamp: { field: 'at', unit: 'nanos', truncate: true },
  dimensions: {
    words: 'array<string>',
    counts: 'array<long>',
    values: 'array<double>',
    tags: 'string[]',
    detail: 'json',
    items: 'json',
    id: 'long',
  },
  segmentGranularity: 'month',
});

const empty = { words: null, counts: null, values: null, tags: null, detail: null, items: null, id: null };
const at = 981_173_106_789_123_456n;

const full: Reading = {
  at,
  words: ['z', 'a', null, 'z', ''],
  counts: [2n ** 63n - 1n, null, -(2n ** 63n), 7],
  values: [0.1, null, 1, 2 ** 63, 1e300, -5],
  tags: ['b', 'a', 'b'],
  detail: { a: { b: [1, 2.5, null, 'x', { c: true }], big: 2n ** 63n - 1n, e: {}, huge: 2 ** 64 } },
  items: [{ sku: 'é"', n: 1 }],
  id: 2n ** 63n - 1n,
};

const patience = {
  clock: systemClock,
  signal: new AbortController().signal,
  unavailableTimeoutMs: 10_000,
};
const check = (schema: DruidSchema<never>, options?: DatasourceCheckOptions) =>
  checkDatasource(client, dataSchemaOf(schema, null), patience, options);

describe('columns of a real Druid', () => {
  it('hold arrays, JSON, nulls and 64-bit integers as they were written', async () => {
    await check(readings);
    // Nulls first: what Druid makes of columns without a value must not look like another type.
    await write(readings, [{ at, ...empty }]);
    await check(readings);
    await write(readings, [
      { ...full, at: at + 1_000_000n },
      {
        at: at + 2_000_000n,
        words: [],
        counts: [],
        values: [],
        tags: [],
        detail: {},
        items: [],
        id: -(2n ** 63n),
      },
    ]);
    // To SQL, columns of nothing but nulls are text for a while after the first values.
    await check(readings);
    const rows = () =>
      query(
        `SELECT TIMESTAMP_TO_MILLIS("__time"), "words", "counts", "values", "tags", TO_JSON_STRING("detail"), TO_JSON_STRING("items"), "id"
       FROM "schema_readings" ORDER BY "__time"`,
      );
    await expect.poll(rows, { timeout: 20_000, interval: 200 }).toEqual([
      [981_173_106_789n, null, null, null, null, null, null, null],
      [
        981_173_106_790n,
        full.words,
        [2n ** 63n - 1n, null, -(2n ** 63n), 7n],
        full.values,
        '["b","a","b"]',
        '{"a":{"b":[1,2.5,null,"x",{"c":true}],"big":9223372036854775807,"e":{},"huge":1.8446744073709552E19}}',
        '[{"sku":"é\\"","n":1}]',
        full.id,
      ],
      // A multi-value column has no empty list.
      [981_173_106_791n, [], [], [], null, '{}', '[]', -(2n ** 63n)],
    ]);
    await check(readings);
  });

  it('that have got another type while a job runs take its rows all the same; its next start says what differs', async () => {
    interface Visit {
      at: number;
      ms: number;
      ids: number[];
    }
    const visits = druidSchema<Visit>()({
      dataSource: 'schema_visits',
      timestamp: { field: 'at', unit: 'seconds' },
      dimensions: { ms: 'long', ids: 'array<long>' },
      segmentGranularity: 'day',
    });
    await write(visits, [{ at: 1, ms: 1, ids: [1] }]);
    // Somebody else's rows.
    const { dimensionsSpec, ...dataSchema } = dataSchemaOf(visits, null);
    expect(dimensionsSpec.dimensions).toHaveLength(2);
    const dimensions = [
      { type: 'double', name: 'ms' },
      { type: 'auto', name: 'ids', castToType: 'ARRAY<STRING>' },
    ];
    const theirs = { ...dataSchema, dimensionsSpec: { dimensions } };
    await append(theirs, '{"__time":2000,"ms":1.5,"ids":["x"]}\n');
    await write(visits, [{ at: 3, ms: 3, ids: [3] }]);
    await expect
      .poll(() => check(visits).then(() => 'none', String), { timeout: 20_000, interval: 200 })
      .toContain(
        "Datasource 'schema_visits' exists with other column types: 'ms' is DOUBLE, the schema says BIGINT; 'ids' is of several types",
      );
    expect(await query('SELECT TIMESTAMP_TO_MILLIS("__time"), "ms" FROM "schema_visits" ORDER BY 1')).toEqual(
      [
        [1000n, 1],
        [2000n, 1.5],
        [3000n, 3],
      ],
    );
    const messages: string[] = [];
    const log = (message: string) => void messages.push(message);
    const logger = { debug: log, info: log, warn: log, error: log };
    await check(visits, { onConflict: 'warn', logger });
    expect(messages).toEqual([
      'The datasource has other column types than the schema; rows are written all the same',
    ]);
  });
});

describe('rows that are rolled up before they leave the process', () => {
  interface Visit {
    at: number;
    page: string | null;
    user: string;
    ms: number | bigint | null;
    ratio: number | null;
  }
  const visitSchema = (dataSource: string) =>
    druidSchema<Visit>()({
      dataSource,
      timestamp: 'at',
      dimensions: { page: 'string' },
      metrics: {
        visits: { type: 'count' },
        float_sum: { type: 'floatSum', field: 'ratio' },
        ms_sum: { type: 'longSum', field: 'ms' },
        ms_min: { type: 'longMin', field: 'ms' },
        ms_max: { type: 'longMax', field: 'ms' },
        ratio_sum: { type: 'doubleSum', field: 'ratio' },
        ratio_min: { type: 'doubleMin', field: 'ratio' },
        ratio_max: { type: 'doubleMax', field: 'ratio' },
        users: { type: 'thetaSketch', field: 'user' },
        users_hll: { type: 'HLLSketchBuild', field: 'user' },
      },
      rollup: true,
      queryGranularity: 'day',
      segmentGranularity: 'month',
    });

  it('give what Druid makes of all records by itself', async () => {
    const records = Array.from({ length: 2_000 }, (_, index): Visit => {
      const n = (index * 7_919) % 2_003;
      return {
        at: Date.UTC(2001, 0, 25) + n * 600_000,
        page: n % 4 === 0 ? null : `p${n % 4}`,
        user: `u${n % 10}`,
        ms: n % 5 === 0 ? null : n % 11 === 0 ? 2n ** 62n + BigInt(n) : n - 1_000,
        // Sums of eighths are exact in any order, also in 32 bits.
        ratio: n % 3 === 0 ? null : (n - 500) / 8,
      };
    });
    const committed: number[] = [];
    const sink = new DruidSink<Visit>({
      druid: client,
      schema: visitSchema('schema_visits_summed'),
      spoolDirectory: await temporaryDirectory(),
      preAggregate: { maxRows: 200 },
      onCommit: ({ rows }) => committed.push(rows),
    });
    const job = new SinkJob(sink as unknown as DruidSink<Flight>, { clock: systemClock });
    const committer = await job.committer();
    const [half, rest] = [records.slice(0, 1_000), records.slice(1_000)] as unknown as [Flight[], Flight[]];
    await Promise.all([
      job.checkpoint(1, half, rest).then((requests) => committer.commit(requests)),
      write(visitSchema('schema_visits_all'), records),
    ]);
    const rows = (dataSource: string) =>
      query(
        `SELECT TIMESTAMP_TO_MILLIS("__time"), "page", SUM("visits"), SUM("ms_sum"), MIN("ms_min"), MAX("ms_max"), SUM("ratio_sum"),
           MIN("ratio_min"), MAX("ratio_max"), SUM("float_sum"), APPROX_COUNT_DISTINCT_DS_THETA("users"), APPROX_COUNT_DISTINCT_DS_HLL("users_hll")
         FROM "${dataSource}" GROUP BY 1, 2 ORDER BY 1, 2`,
      );
    const summed = await rows('schema_visits_summed');
    expect(summed).toEqual(await rows('schema_visits_all'));
    expect(summed.length).toBeGreaterThan(8);
    // A user who comes twice does not make another row.
    const written = committed.reduce((a, b) => a + b, 0);
    expect(written).toBeLessThan(records.length * 0.8);
    expect(await query('SELECT SUM("visits"), SUM("__rows") FROM "schema_visits_summed"')).toEqual([
      [2_000n, BigInt(written)],
    ]);
  });
});
