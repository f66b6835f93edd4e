import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid, type SharedDruid } from '../../../tooling/shared-druid.js';
import {
  and,
  DruidSource,
  equals,
  isNull,
  like,
  not,
  range,
  virtualColumn,
  type ReadPath,
} from '../src/index.js';
import { append, compactDay } from './support/ingest.js';
import { TestJob, type TestCheckpoint } from './support/test-job.js';

const columns = { __time: 'timestamp', origin: 'string', flights: 'long', delay: 'double' } as const;
const dimensions = ['origin', { type: 'long', name: 'flights' }, { type: 'double', name: 'delay' }];

const paths = ['direct', 'broker'] as const satisfies readonly ReadPath[];

let nextFlight = 0;

/** Rows of a day whose `flights` number them through. */
function flights(day: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      t: Date.UTC(2024, 0, day) + ((i * 7919) % 86_400) * 1000,
      origin: i % 7 === 0 ? null : `o${i % 5}`,
      flights: nextFlight++,
      delay: i / 4,
    }),
  );
}

describe.skipIf(!requireRealServers())('DruidSource against a real Druid', () => {
  let cluster: SharedDruid;
  let druid: DruidClient;
  let jobs: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    cluster = await sharedDruid();
    druid = new DruidClient({ url: cluster.url });
    await Promise.all([
      append(druid, 'delays', [...flights(1, 20_000), ...flights(2, 3000)], {
        dimensions,
        maxRowsPerSegment: 6000,
      }),
      append(druid, 'growing', flights(1, 300), { dimensions }),
      append(
        druid,
        'kinds',
        [
          `{"t":"2024-01-01","tags":["a","b"],"big":9007199254740993,"ratio":"NaN","list":[1,null,9007199254740995],"nested":{"a":[1]}}`,
          `{"t":"2024-01-02","tags":"solo","big":-5,"ratio":"-Infinity","list":[],"nested":null}`,
          `{"t":"2024-01-03","tags":null,"big":null,"ratio":null,"list":null,"nested":{"b":"c"}}`,
        ],
        {
          dimensions: [
            'tags',
            { type: 'long', name: 'big' },
            { type: 'double', name: 'ratio' },
            { type: 'auto', name: 'list', castToType: 'ARRAY<LONG>' },
            { type: 'json', name: 'nested' },
          ],
        },
      ),
    ]);
    await append(druid, 'delays', flights(1, 2000), { dimensions });
  });

  afterEach(async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    jobs = [];
  });

  afterAll(async () => {
    druid?.close();
  });

  /** How to reach the cluster over a path. */
  const over = (path: ReadPath) => ({ druid, path });

  function start<Row>(
    source: ConstructorParameters<typeof TestJob<Row>>[0],
    options: { parallelism?: number; restored?: TestCheckpoint } = {},
  ): TestJob<Row> {
    const job = new TestJob<Row>(source, { ...options, clock: systemClock });
    jobs.push(job);
    return job;
  }

  const summary = (rows: readonly { flights: number | null }[]) => ({
    count: rows.length,
    distinct: new Set(rows.map((row) => row.flights)).size,
    sum: rows.reduce((sum, row) => sum + (row.flights ?? 0), 0),
  });

  async function sqlSummary(dataSource: string, where = 'TRUE') {
    const [row] = await druid.sql.query<{ n: number; s: number }>(
      `SELECT COUNT(*) AS n, SUM(flights) AS s FROM "${dataSource}" WHERE ${where}`,
    );
    return { count: row?.n, distinct: row?.n, sum: row?.s };
  }

  it.each([
    [1, 'direct', 'smile'],
    [3, 'direct', 'json'],
    [1, 'broker', 'smile'],
    [3, 'broker', 'json'],
  ] as const)(
    'reads what SQL counts, over %i readers and several segments (%s, %s)',
    async (parallelism, path, format) => {
      const source = new DruidSource({ ...over(path), format, dataSource: 'delays', columns });
      const job = start(source, { parallelism });
      await job.run(undefined, 1000);
      expect(summary(job.rows())).toEqual(await sqlSummary('delays'));
      expect(job.released.length).toBeGreaterThanOrEqual(5);
    },
  );

  it('finds the data servers by itself, and reads every segment there', async () => {
    const paths: string[] = [];
    const source = new DruidSource({
      druid,
      dataSource: 'delays',
      columns,
      openDataServer: (url) => {
        expect(url).toContain(String(cluster.ports.historical));
        return new DruidClient({ url, hooks: { onEnd: ({ operation }) => void paths.push(operation) } });
      },
    });
    const job = start(source);
    await job.run(undefined, 1000);
    expect(paths).toEqual(job.released.map(() => 'native scan query'));
    expect(summary(job.rows())).toEqual(await sqlSummary('delays'));
  });

  it('is told by a data server that it lacks a segment', async () => {
    const historical = new DruidClient({ url: cluster.urls.historical });
    const segments = [{ itvl: '2024-01-01/2024-01-02', ver: '1999-01-01', part: 0 }];
    let missing: unknown;
    const scan = historical.native.scan(
      { dataSource: 'delays', segments, columns: ['__time'] },
      { onResponse: ({ context }) => (missing = context?.missingSegments) },
    );
    for await (const { rows } of scan) expect(rows).toEqual([]);
    historical.close();
    expect(missing).toMatchObject([{ ver: '1999-01-01', part: 0 }]);
  });

  it.each(paths)('pushes filter and interval down and agrees with SQL about them (%s)', async (path) => {
    const filter = and(
      not(isNull('origin')),
      range('delay', { gte: 100, lt: 3000.5 }),
      not(equals('origin', 'o3')),
    );
    const interval = { start: '2024-01-01T06:00:00Z', end: '2024-01-02T05:00:00Z' };
    const job = start(new DruidSource({ ...over(path), dataSource: 'delays', columns, filter, interval }), {
      parallelism: 2,
    });
    await job.run(undefined, 1000);
    const where = `origin IS NOT NULL AND delay >= 100 AND delay < 3000.5 AND origin <> 'o3'
      AND __time >= TIMESTAMP '2024-01-01 06:00:00' AND __time < TIMESTAMP '2024-01-02 05:00:00'`;
    expect(summary(job.rows())).toEqual(await sqlSummary('delays', where));
    expect(job.emitted.length).toBeGreaterThan(100);
  });

  it.each(paths)(
    'reads virtual columns, and proves what a filter on them lets through (%s)',
    async (path) => {
      const source = new DruidSource({
        ...over(path),
        dataSource: 'delays',
        columns: { flights: 'long', left: 'long', label: 'string', ratio: 'double' },
        virtualColumns: [
          virtualColumn.expression('left', 'flights % 1000', 'LONG'),
          virtualColumn.expression('label', "concat(origin, '-', flights)", 'STRING'),
          virtualColumn.expression('ratio', 'delay / 4', 'DOUBLE'),
        ],
        filter: and(range('left', { lt: 10 }), like('label', 'o1-%')),
      });
      const job = start(source, { parallelism: 2 });
      await job.run(undefined, 1000);
      const expected = await druid.sql.query(
        `SELECT flights, MOD(flights, 1000) AS "left", origin || '-' || flights AS label, delay / 4 AS ratio
       FROM delays WHERE origin = 'o1' AND MOD(flights, 1000) < 10`,
      );
      expect(expected.length).toBeGreaterThan(20);
      const byFlight = (a: unknown, b: unknown) =>
        (a as { flights: number }).flights - (b as { flights: number }).flights;
      expect(job.rows().sort(byFlight)).toEqual(expected.sort(byFlight));
    },
  );

  it('reads fields of nested data and chosen values of a multi-value column as virtual columns', async () => {
    const source = new DruidSource({
      druid,
      dataSource: 'kinds',
      columns: { word: 'string', chosen: 'string' },
      virtualColumns: [
        virtualColumn.nestedField('word', 'nested', '$.b', 'STRING'),
        { type: 'mv-filtered', name: 'chosen', delegate: 'tags', values: ['b', 'solo'] },
      ],
    });
    const job = start(source);
    await job.run();
    expect(job.rows()).toEqual([
      { word: null, chosen: 'b' },
      { word: null, chosen: 'solo' },
      { word: 'c', chosen: null },
    ]);
  });

  it.each(paths)('takes the first rows only, the same with any number of readers (%s)', async (path) => {
    const options = { ...over(path), dataSource: 'delays', columns, filter: not(equals('origin', 'o3')) };
    const all = start(new DruidSource(options));
    await all.run(undefined, 1000);
    const first = start(new DruidSource({ ...options, limit: 9000 }), { parallelism: 3 });
    await first.run(undefined, 1000);
    expect(summary(first.rows())).toEqual(summary(all.rows().slice(0, 9000)));
    const bytes = (job: TestJob<unknown>) =>
      job.metrics.reduce((sum, { registry }) => sum + (registry.value('operator_numBytesIn') as number), 0);
    expect(bytes(first)).toBeLessThan(0.7 * bytes(all));
  });

  it.each(paths)(
    'resumes in the middle of a segment, again and again, with every row once (%s)',
    async (path) => {
      const source = new DruidSource({
        ...over(path),
        dataSource: 'delays',
        columns,
        batchSize: 500,
        maxBufferedRows: 1000,
      });
      const rows: { flights: number | null }[] = [];
      let restored: TestCheckpoint | undefined;
      for (let round = 1; ; round++) {
        const job = start(source, { parallelism: (round % 3) + 1, ...(restored && { restored }) });
        await job.run(() => job.emitted.length >= 2900, 77);
        restored = job.checkpoint();
        rows.push(...job.rows());
        const { isEnded } = job;
        await job.stop();
        if (isEnded) break;
        expect(round).toBeLessThan(20);
      }
      expect(summary(rows)).toEqual(await sqlSummary('delays'));
    },
  );

  it.each([
    ['direct', 'smile'],
    ['direct', 'json'],
    ['broker', 'smile'],
  ] as const)('reads every kind of column exactly (%s, %s)', async (path, format) => {
    const kinds = {
      __time: 'timestamp',
      tags: 'string[]',
      big: 'long',
      ratio: 'double',
      list: 'long[]',
      nested: 'json',
    } as const;
    const job = start(
      new DruidSource({ ...over(path), format, dataSource: 'kinds', columns: kinds, int64: 'bigint' }),
    );
    await job.run();
    expect(job.rows()).toEqual([
      {
        __time: Date.UTC(2024, 0, 1),
        tags: ['a', 'b'],
        big: 9007199254740993n,
        ratio: Number.NaN,
        list: [1n, null, 9007199254740995n],
        nested: { a: [1] },
      },
      { __time: Date.UTC(2024, 0, 2), tags: ['solo'], big: -5n, ratio: -Infinity, list: [], nested: null },
      { __time: Date.UTC(2024, 0, 3), tags: null, big: null, ratio: null, list: null, nested: { b: 'c' } },
    ]);
    const rounded = start(
      new DruidSource({ ...over(path), format, dataSource: 'kinds', columns: { big: 'long' } }),
    );
    await expect(rounded.run()).rejects.toMatchObject({ code: 'DRUID_SOURCE_RECORD' });
  });

  it('refuses wrong columns and unknown datasources at the start', async () => {
    const wrong = start(
      new DruidSource({ druid, dataSource: 'delays', columns: { flights: 'string', nope: 'long' } }),
    );
    await expect(wrong.run()).rejects.toThrow(/'flights' is BIGINT.*'nope' does not exist/);
    const unknown = start(new DruidSource({ druid, dataSource: 'nothing', columns }));
    await expect(unknown.run()).rejects.toThrow(/'nothing' does not exist/);
  });

  it('goes on with new segments, not with compactions of old ones, across a restart', async () => {
    const source = new DruidSource({
      ...over('auto'),
      dataSource: 'growing',
      columns,
      mode: { unbounded: { pollIntervalMs: 500 } },
    });
    const first = start(source, { parallelism: 2 });
    await first.run(() => first.emitted.length >= 300);
    await append(druid, 'growing', flights(1, 200), { dimensions });
    await first.run(() => first.emitted.length >= 500);
    const restored = first.checkpoint();
    const before = first.rows();
    await first.stop();
    await append(druid, 'growing', flights(1, 50), { dimensions }); // compacted before anybody has seen it
    await compactDay(druid, 'growing', '2024-01-01/2024-01-02');
    const second = start(source, { parallelism: 1, restored });
    await second.run(() => second.emitted.length >= 50);
    await append(druid, 'growing', flights(2, 40), { dimensions });
    await append(druid, 'growing', flights(1, 10), { dimensions });
    await second.run(() => second.emitted.length >= 100);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      second.poll(0, 100);
    }
    expect(summary([...before, ...second.rows()])).toEqual(await sqlSummary('growing'));
  });
});
