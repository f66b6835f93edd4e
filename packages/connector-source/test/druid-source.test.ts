import { DruidClient } from '@millrace/druid-client';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DruidSource, equals, type DruidSourceMode, type RejectedRow } from '../src/index.js';
import { epochMs } from '../src/druid-source-options.js';
import { FakeDruid, type FakeRow } from './support/fake-druid.js';
import { TestJob, type TestCheckpoint } from './support/test-job.js';

const columns = { __time: 'timestamp', page: 'string', added: 'long' } as const;
const sqlTypes = { __time: 'TIMESTAMP', page: 'VARCHAR', added: 'BIGINT', score: 'DOUBLE' };

let druid: FakeDruid;
let client: DruidClient;
let job: TestJob<unknown> | undefined;
let nextId = 0;

beforeEach(async () => {
  nextId = 0;
  druid = await FakeDruid.start(sqlTypes);
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
});

afterEach(async () => {
  await job?.stop();
  job = undefined;
  client.close();
  await druid.stop();
});

/** `count` rows of a day, ordered by time; `added` is unique over the whole test. */
function rowsOf(day: number, count: number): FakeRow[] {
  return Array.from({ length: count }, (_, i) => ({
    __time: Date.UTC(2024, 0, day) + Math.floor((i * 86_400_000) / count),
    page: i % 5 === 0 ? null : `p${i % 3}`,
    added: nextId++,
    score: i / 2,
  }));
}

function idsOf(rows: readonly unknown[]): number[] {
  return rows.map((row) => (row as { added: number }).added).sort((a, b) => a - b);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function sourceOf(
  extra: {
    filter?: ReturnType<typeof equals>;
    interval?: { start: string; end: string };
    mode?: DruidSourceMode;
  } = {},
) {
  return new DruidSource({
    druid: client,
    dataSource: 'edits',
    columns,
    batchSize: 7,
    maxBufferedRows: 20,
    ...extra,
  });
}

function start<Row>(
  source: ConstructorParameters<typeof TestJob<Row>>[0],
  options?: ConstructorParameters<typeof TestJob<Row>>[1],
): TestJob<Row> {
  const started = new TestJob<Row>(source, options);
  job = started as TestJob<unknown>;
  return started;
}

describe('bounded reading', () => {
  it.each([1, 2, 3, 4])(
    'emits every row once over %i readers, typed and with __time as timestamp',
    async (parallelism) => {
      for (let day = 1; day <= 6; day++) druid.addSegment(day, rowsOf(day, 50 + day));
      const run = start(sourceOf(), { parallelism });
      await run.run();
      expect(idsOf(run.rows())).toEqual(upTo(nextId));
      expect(run.emitted.every(({ row, timestamp }) => row.__time === timestamp)).toBe(true);
      expect(run.released).toHaveLength(6);
    },
  );

  it('reads nothing but ends when the interval touches no segment', async () => {
    druid.addSegment(1, rowsOf(1, 5));
    const run = start(sourceOf({ interval: { start: '2025-01-01', end: '2025-01-02' } }), { parallelism: 2 });
    await run.run();
    expect(run.emitted).toEqual([]);
  });

  it('leaves overshadowed segments and tombstones out', async () => {
    druid.addSegment(1, rowsOf(1, 5));
    druid.addSegment(1, [{ added: 99 }], { version: '2020', isOvershadowed: true });
    druid.addSegment(2, [], { shardSpec: { type: 'tombstone', partitionNum: 0, partitions: 0 } });
    const run = start(sourceOf());
    await run.run();
    expect(idsOf(run.rows())).toEqual(upTo(5));
  });

  it('reads of a segment that newer ones replaced in part only the rest', async () => {
    const twoDays = { start: '2024-01-01T00:00:00.000Z', end: '2024-01-04T00:00:00.000Z', version: '2023' };
    druid.addSegment(1, rowsOf(1, 5), twoDays);
    druid.addSegment(1, [...rowsOf(2, 3), ...rowsOf(3, 4)], { ...twoDays, partition: 1 });
    druid.addSegment(2, rowsOf(2, 6), { shardSpec: { type: 'numbered', partitionNum: 0, partitions: 1 } });
    druid.addSegment(3, [], { shardSpec: { type: 'tombstone', partitionNum: 0, partitions: 1 } });
    const run = start(sourceOf());
    await run.run();
    expect(idsOf(run.rows())).toEqual([...upTo(5), 12, 13, 14, 15, 16, 17]);
  });

  it('asks Druid for the declared columns, the filter and the cut of the interval only', async () => {
    druid.addSegment(1, rowsOf(1, 24));
    druid.addSegment(2, rowsOf(2, 24));
    druid.addSegment(3, rowsOf(3, 24));
    const filter = equals('page', 'p1');
    const run = start(
      sourceOf({ filter, interval: { start: '2024-01-01T12:00:00', end: '2024-01-03T00:00:00Z' } }),
    );
    await run.run();
    expect(druid.scans).toHaveLength(2);
    expect(druid.scans[0]).toMatchObject({
      columns: ['__time', 'page', 'added'],
      filter,
      batchSize: 7,
      intervals: { segments: [{ itvl: '2024-01-01T12:00:00.000Z/2024-01-02T00:00:00.000Z', part: 0 }] },
    });
    expect(druid.scans[1]?.intervals.segments[0]?.itvl).toBe(
      '2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z',
    );
    const expected = druid.segments
      .flatMap((segment) => segment.rows)
      .filter(
        (row) =>
          row['page'] === 'p1' &&
          (row['__time'] as number) >= Date.UTC(2024, 0, 1, 12) &&
          (row['__time'] as number) < Date.UTC(2024, 0, 3),
      );
    expect(idsOf(run.rows())).toEqual(idsOf(expected));
  });

  it('stamps records with __time when it is not among the columns, and keeps it out of the row', async () => {
    druid.addSegment(1, rowsOf(1, 2));
    const run = start(new DruidSource({ druid: client, dataSource: 'edits', columns: { added: 'long' } }));
    await run.run();
    expect(run.emitted.map(({ row, timestamp }) => [row, timestamp])).toEqual([
      [{ added: 0 }, Date.UTC(2024, 0, 1)],
      [{ added: 1 }, Date.UTC(2024, 0, 1, 12)],
    ]);
  });

  it('stops reading the socket while the buffer is full', async () => {
    const wide = 'x'.repeat(2000);
    druid.addSegment(
      1,
      rowsOf(1, 20_000).map((row) => ({ ...row, page: wide })),
    );
    const run = start(sourceOf());
    while (run.poll(0, 1) !== 'more') await run.breathe();
    for (let i = 0; i < 50; i++) await run.breathe();
    expect(druid.rowsSent).toBeLessThan(10_000);
    await run.run();
    expect(run.emitted).toHaveLength(20_000);
  });
});

describe('the proof of completeness', () => {
  it('finds a segment that the Broker silently leaves out, and reads it when it is back', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30));
    let failures = 3;
    druid.onQuery = () => {
      segment.isAvailable = failures-- <= 0;
      return undefined;
    };
    const run = start(sourceOf());
    await run.run();
    expect(idsOf(run.rows())).toEqual(upTo(30));
  });

  it('fails, naming the segment, when rows stay away although Druid reports no error', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30), { numRows: 31 });
    const run = start(sourceOf());
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_INCOMPLETE',
      message: expect.stringContaining(segment.id) as string,
      details: { expected: 31, delivered: 30, reason: 'shortfall' },
    });
  });

  it('fails when a segment yields more rows than it holds', async () => {
    druid.addSegment(1, rowsOf(1, 30), { numRows: 29 });
    await expect(start(sourceOf()).run()).rejects.toMatchObject({ details: { reason: 'surplus' } });
  });

  it('fails when a count contradicts num_rows, before it emits anything', async () => {
    druid.addSegment(1, rowsOf(1, 30), { numRows: 31 });
    const run = start(sourceOf({ filter: equals('page', 'p1') }));
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_INCOMPLETE',
      details: { reason: 'contradiction' },
    });
    expect(run.emitted).toEqual([]);
  });

  it('says so when a segment was dropped for good', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30));
    druid.onQuery = () => {
      Object.assign(segment, { isAvailable: false, isPublished: false });
      return undefined;
    };
    await expect(start(sourceOf()).run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_SEGMENT_GONE',
      retryable: false,
      message: expect.stringContaining(segment.id) as string,
    });
  });

  it('reads on at its pinned version while a replaced segment is still served', async () => {
    const old = druid.addSegment(1, rowsOf(1, 40));
    const run = start(sourceOf());
    await run.run(() => run.emitted.length > 5, 3);
    Object.assign(old, { isOvershadowed: true, isPublished: false });
    druid.addSegment(1, [{ __time: Date.UTC(2024, 0, 1), page: 'new', added: 1000 }], { version: '2024-07' });
    await run.run();
    expect(idsOf(run.rows())).toEqual(upTo(40));
  });

  it('does not take a filtered read for complete when the segment was missing', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30));
    // Gone for the scan only: present whenever somebody asks before or after it.
    druid.onQuery = (query) => {
      segment.isAvailable = query.queryType !== 'scan';
      queueMicrotask(() => (segment.isAvailable = true));
      return undefined;
    };
    const run = start(sourceOf({ filter: equals('page', 'p1') }));
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_INCOMPLETE',
      details: { reason: 'shortfall', delivered: 0 },
    });
    expect(run.emitted).toEqual([]);
  });

  it('accepts that a filter matches nothing, proven by one count', async () => {
    druid.addSegment(1, rowsOf(1, 30));
    const run = start(sourceOf({ filter: equals('page', 'nobody') }));
    await run.run();
    expect(run.emitted).toEqual([]);
    expect(druid.queries.map((query) => query.queryType)).toEqual(['timeseries']);
  });

  it('counts for itself where num_rows is unknown', async () => {
    druid.addSegment(1, rowsOf(1, 30), { numRows: 0 });
    const run = start(sourceOf());
    await run.run();
    expect(run.emitted).toHaveLength(30);
    expect(druid.queries.map((query) => query.queryType)).toEqual(['timeseries', 'scan']);
  });

  it('waits for a segment that only a real-time task serves', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30), { isRealtime: true, numRows: 12 });
    const run = start(sourceOf());
    for (let i = 0; i < 20; i++) {
      run.poll(0, 10);
      await run.breathe();
    }
    expect(druid.queries).toEqual([]);
    Object.assign(segment, { isRealtime: false, numRows: 30 });
    await run.run();
    expect(run.emitted).toHaveLength(30);
  });

  it('gives up on a segment that stays unloaded, with the next step', async () => {
    druid.addSegment(1, rowsOf(1, 3));
    druid.addSegment(2, rowsOf(2, 3), { isAvailable: false });
    const run = start(
      new DruidSource({ druid: client, dataSource: 'edits', columns, availabilityTimeoutMs: 60_000 }),
    );
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_INCOMPLETE',
      message: expect.stringContaining('load rules') as string,
    });
  });

  it('resumes after a truncated answer at the first missing row', async () => {
    druid.addSegment(1, rowsOf(1, 100));
    const breaks = [10, 0, 25];
    druid.onQuery = () => {
      const afterRows = breaks.shift();
      return afterRows === undefined ? undefined : { kind: 'truncate', afterRows };
    };
    const run = start(sourceOf());
    await run.run();
    expect(idsOf(run.rows())).toEqual(upTo(100));
    expect(druid.scans.map((scan) => scan.offset ?? 0)[0]).toBe(0);
    expect(druid.scans.length).toBe(4);
  });

  it('ends in a retryable error when every attempt breaks off', async () => {
    druid.addSegment(1, rowsOf(1, 100));
    druid.onQuery = () => ({ kind: 'status', status: 503 });
    await expect(start(sourceOf()).run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_READ',
      retryable: true,
    });
    expect(druid.scans).toHaveLength(6);
  });

  it('does not repeat what Druid refuses as wrong', async () => {
    druid.addSegment(1, rowsOf(1, 100));
    druid.onQuery = () => ({ kind: 'status', status: 400 });
    await expect(start(sourceOf()).run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_READ',
      retryable: false,
    });
    expect(druid.scans).toHaveLength(1);
  });
});

describe('restoring', () => {
  it('continues inside a split without repeating or losing a row', async () => {
    druid.addSegment(1, rowsOf(1, 100));
    const first = start(sourceOf());
    await first.run(() => first.emitted.length >= 33, 11);
    const checkpoint = first.checkpoint();
    const before = first.rows();
    await first.stop();
    const second = start(sourceOf(), { restored: checkpoint });
    await second.run();
    expect(idsOf([...before, ...second.rows()])).toEqual(upTo(100));
    expect(druid.scans.at(-1)?.offset).toBe(before.length);
  });

  it('reads what the first run pinned, not what has been published since', async () => {
    druid.addSegment(1, rowsOf(1, 10));
    druid.addSegment(2, rowsOf(2, 10));
    const first = start(sourceOf());
    await first.run(() => first.emitted.length >= 3, 3);
    const checkpoint = first.checkpoint();
    const before = first.rows();
    await first.stop();
    druid.addSegment(3, rowsOf(3, 10));
    const second = start(sourceOf(), { restored: checkpoint });
    await second.run();
    expect(idsOf([...before, ...second.rows()])).toEqual(upTo(20));
  });

  it('refuses a checkpoint of another filter or interval', async () => {
    druid.addSegment(1, rowsOf(1, 10));
    const first = start(sourceOf());
    await first.run(() => first.emitted.length >= 3, 3);
    const checkpoint = first.checkpoint();
    expect(() => start(sourceOf({ filter: equals('page', 'p1') }), { restored: checkpoint })).toThrow(
      expect.objectContaining({ code: 'DRUID_SOURCE_CONFIG' }) as Error,
    );
  });

  it('is exactly once under any schedule of polls, checkpoints, crashes and rescaling', async () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('poll' as const),
          reader: fc.nat(3),
          max: fc.integer({ min: 1, max: 40 }),
        }),
      },
      { weight: 4, arbitrary: fc.constant({ kind: 'settle' as const }) },
      { weight: 4, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('crash' as const),
          parallelism: fc.integer({ min: 1, max: 4 }),
        }),
      },
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.array(step, { minLength: 15, maxLength: 60, size: 'max' }),
        fc.boolean(),
        fc.boolean(),
        async (days, steps, isFiltered, isFlaky) => {
          nextId = 0;
          druid.segments.length = 0;
          days.forEach((count, i) => druid.addSegment(i + 1, rowsOf(i + 1, count)));
          let queries = 0;
          druid.onQuery = () =>
            isFlaky && queries++ % 3 === 1 ? { kind: 'truncate', afterRows: queries % 11 } : undefined;
          const source = sourceOf(isFiltered ? { filter: equals('page', 'p1') } : {});
          let run = start(source, { parallelism: 2 });
          let durable: { checkpoint: TestCheckpoint | undefined; rows: unknown[] } = {
            checkpoint: undefined,
            rows: [],
          };
          let base: unknown[] = [];
          for (const action of steps) {
            if (action.kind === 'poll') run.poll(action.reader % run.readers.length, action.max);
            else if (action.kind === 'settle') await run.settle();
            else if (action.kind === 'checkpoint')
              durable = { checkpoint: run.checkpoint(), rows: [...base, ...run.rows()] };
            else {
              await run.stop();
              base = durable.rows;
              run = start(source, {
                parallelism: action.parallelism,
                ...(durable.checkpoint && { restored: durable.checkpoint }),
              });
            }
          }
          await run.run();
          const wanted = druid.segments
            .flatMap((s) => s.rows)
            .filter((row) => !isFiltered || row['page'] === 'p1');
          expect(idsOf([...base, ...run.rows()])).toEqual(idsOf(wanted));
          await run.stop();
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('rows', () => {
  it('keeps 64-bit integers exact in every mode', async () => {
    druid.addSegment(1, [{ __time: Date.UTC(2024, 0, 1), page: 'a', added: 9007199254740993n }]);
    const asBigint = start(new DruidSource({ druid: client, dataSource: 'edits', columns, int64: 'bigint' }));
    await asBigint.run();
    expect(asBigint.rows()).toEqual([{ __time: Date.UTC(2024, 0, 1), page: 'a', added: 9007199254740993n }]);
    const asString = start(new DruidSource({ druid: client, dataSource: 'edits', columns, int64: 'string' }));
    await asString.run();
    expect(asString.rows()[0]?.added).toBe('9007199254740993');
    await expect(start(sourceOf()).run()).rejects.toMatchObject({ code: 'DRUID_SOURCE_RECORD' });
  });

  it('validates rows with a zod schema and hands misfits to onInvalidRow', async () => {
    druid.addSegment(1, rowsOf(1, 10));
    const rejected: RejectedRow[] = [];
    const schema = z.object({
      page: z.string().transform((page) => page.toUpperCase()),
      added: z.number(),
      score: z.number(),
    });
    const run = start(
      new DruidSource({
        druid: client,
        dataSource: 'edits',
        schema,
        onInvalidRow: (row) => void rejected.push(row),
      }),
    );
    await run.run();
    expect(run.rows()[0]).toEqual({ page: 'P1', added: 1, score: 0.5 });
    expect(run.emitted).toHaveLength(8);
    expect(rejected.map(({ position }) => position)).toEqual([0, 5]);
    expect(rejected[0]?.row).toEqual({ page: null, added: 0, score: 0 });
  });

  it('sets no row aside because of a schema that fails itself', async () => {
    druid.addSegment(1, rowsOf(1, 10));
    const added = z.number().refine((n) => Promise.resolve(n >= 0));
    const run = start(
      new DruidSource({
        druid: client,
        dataSource: 'edits',
        schema: z.object({ added }),
        onInvalidRow: () => undefined,
      }),
    );
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_RECORD',
      message: expect.stringContaining('Promise') as string,
    });
  });

  it('stops at the first misfit by default', async () => {
    druid.addSegment(1, rowsOf(1, 10));
    const schema = z.object({ page: z.string() });
    const run = start(new DruidSource({ druid: client, dataSource: 'edits', schema }));
    await expect(run.run()).rejects.toMatchObject({ code: 'DRUID_SOURCE_RECORD', details: { position: 0 } });
  });
});

describe('errors at the start', () => {
  it('names a datasource that does not exist and the next step', async () => {
    const run = start(new DruidSource({ druid: client, dataSource: 'edist', columns }));
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_SCHEMA',
      message: expect.stringMatching(/'edist' does not exist.*Check the name/) as string,
    });
  });

  it('names columns that do not exist or have another type', async () => {
    druid.addSegment(1, rowsOf(1, 1));
    const run = start(
      new DruidSource({ druid: client, dataSource: 'edits', columns: { pgae: 'string', score: 'long' } }),
    );
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_SCHEMA',
      message: expect.stringMatching(
        /'pgae' does not exist; 'score' is DOUBLE and cannot be read as 'long'/,
      ) as string,
    });
    expect(druid.queries).toEqual([]);
  });

  it.each([
    ['an empty interval', { interval: { start: '2024-01-02', end: '2024-01-02' } }, /interval/],
    ['an interval that is no time', { interval: { start: 'soon', end: 'later' } }, /interval/],
    ['a batch size of 0', { batchSize: 0 }, /batchSize/],
    ['a fraction', { maxBufferedRows: 1.5 }, /maxBufferedRows/],
  ])('refuses %s', (_name, extra, message) => {
    expect(() => new DruidSource({ druid: client, dataSource: 'edits', columns, ...extra })).toThrow(message);
  });

  it.each(['2024-01-01T12:00', '2024-01-01 12:00', '2024-01-01T12:00:00.000Z'])(
    'takes %s for a moment in UTC wherever it runs',
    (text) => {
      const before = process.env['TZ'];
      try {
        process.env['TZ'] = 'America/New_York';
        expect(epochMs(text)).toBe(Date.UTC(2024, 0, 1, 12));
      } finally {
        if (before === undefined) delete process.env['TZ'];
        else process.env['TZ'] = before;
      }
    },
  );

  it('refuses a timestamp that is not __time', () => {
    expect(
      () => new DruidSource({ druid: client, dataSource: 'edits', columns: { when: 'timestamp' } }),
    ).toThrow(/when/);
  });
});

describe('unbounded reading', () => {
  const mode: DruidSourceMode = { unbounded: { pollIntervalMs: 1000 } };

  it('waits for the datasource, then reads each new segment once, across a restart', async () => {
    const first = start(sourceOf({ mode }), { parallelism: 2 });
    for (let i = 0; i < 20; i++) await first.run(() => true).then(() => first.breathe());
    druid.addSegment(1, rowsOf(1, 30));
    await first.run(() => first.emitted.length >= 30);
    druid.addSegment(1, rowsOf(1, 20));
    await first.run(() => first.emitted.length >= 40);
    const checkpoint = first.checkpoint();
    const before = first.rows();
    await first.stop();
    druid.addSegment(2, rowsOf(2, 10));
    const second = start(sourceOf({ mode }), { parallelism: 3, restored: checkpoint });
    await second.run(() => before.length + second.emitted.length >= 60);
    for (let i = 0; i < 30; i++) await second.breathe();
    await second.run(() => true);
    expect(idsOf([...before, ...second.rows()])).toEqual(upTo(60));
    expect(second.isEnded).toBe(false);
  });

  it('does not repeat compacted data and reads what is appended afterwards', async () => {
    const old = [druid.addSegment(1, rowsOf(1, 30)), druid.addSegment(1, rowsOf(1, 20))];
    const run = start(sourceOf({ mode }));
    await run.run(() => run.emitted.length >= 50);
    for (const segment of old) segment.isOvershadowed = true;
    const version = '2024-07-01T00:00:00.000Z';
    druid.addSegment(
      1,
      old.flatMap((s) => s.rows),
      { version, isCompacted: true, shardSpec: { type: 'numbered', partitionNum: 0, partitions: 1 } },
    );
    druid.addSegment(1, rowsOf(1, 5), {
      version,
      shardSpec: { type: 'numbered', partitionNum: 1, partitions: 1 },
    });
    await run.run(() => run.emitted.length >= 55);
    for (let i = 0; i < 30; i++) await run.breathe();
    expect(idsOf(run.rows())).toEqual(upTo(55));
  });

  it('stops at replaced data by default', async () => {
    const old = druid.addSegment(1, rowsOf(1, 30));
    const run = start(sourceOf({ mode }));
    await run.run(() => run.emitted.length >= 30);
    old.isOvershadowed = true;
    druid.addSegment(1, rowsOf(1, 30), {
      version: '2024-07',
      shardSpec: { type: 'numbered', partitionNum: 0, partitions: 1 },
    });
    await expect(run.run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_REPLACED',
      message: expect.stringContaining('onReplaced') as string,
    });
  });
});
