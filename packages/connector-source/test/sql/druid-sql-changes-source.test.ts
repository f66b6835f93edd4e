import { DruidClient } from '@millrace/druid-client';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidSqlChangesSource,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
} from '../../src/index.js';
import { FakeSql } from '../support/fake-sql.js';
import { HastyClock, TestJob, type TestCheckpoint } from '../support/test-job.js';

const columns = { page: 'string', added: 'long' } as const;
interface Row {
  page: string | null;
  added: number | null;
}
type Job = TestJob<SqlChange<Row>, SqlSplit, SqlEnumeratorState>;
type Checkpoint = TestCheckpoint<SqlSplit, SqlEnumeratorState>;

let druid: FakeSql;
let client: DruidClient;
let totals: Record<string, number>;
let jobs: Job[];

beforeEach(async () => {
  druid = await FakeSql.start({ page: 'VARCHAR', added: 'BIGINT' });
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
  totals = {};
  jobs = [];
  druid.answer = () => ({ rows: Object.entries(totals) });
});

afterEach(async () => {
  await Promise.all(jobs.map((job) => job.stop()));
  client.close();
  await druid.stop();
});

const base = {
  query: 'SELECT page, SUM(added) AS added FROM edits GROUP BY 1',
  columns,
  pollIntervalMs: 1000,
} as const;
const source = (extra: { maxKeys?: number; key?: readonly [string] } = {}) =>
  new DruidSqlChangesSource({ druid: client, key: ['page'], ...base, ...extra });

function start(
  options?: ConstructorParameters<typeof TestJob<SqlChange<Row>, SqlSplit, SqlEnumeratorState>>[1],
  of = source(),
): Job {
  const job = new TestJob<SqlChange<Row>, SqlSplit, SqlEnumeratorState>(of, options);
  jobs.push(job);
  return job;
}

/** Runs until the next `count` polls have been answered and what they found is emitted. */
async function polls(job: Job, count: number): Promise<void> {
  const target = druid.queries.length + count + 1; // the next is only sent after everything is emitted
  await job.run(() => druid.queries.length >= target);
}

const upsert = (page: string, added: number): SqlChange<Row> => ({ kind: 'upsert', row: { page, added } });
const deletion = (page: string, added: number): SqlChange<Row> => ({ kind: 'delete', row: { page, added } });

it('emits all rows, then those that are new, changed or gone, with the time of asking', async () => {
  totals = { a: 1, b: 2, c: 3 };
  const job = start({ parallelism: 2 });
  await polls(job, 2);
  expect(job.rows()).toEqual([upsert('a', 1), upsert('b', 2), upsert('c', 3)]);
  totals = { b: 2, c: 30, d: 4 };
  await polls(job, 2);
  expect(job.rows().slice(3)).toEqual([upsert('c', 30), upsert('d', 4), deletion('a', 1)]);
  const [first, ...others] = job.emitted.map(({ timestamp }) => timestamp as number);
  expect(others.every((time, i) => time >= (i === 0 ? (first as number) : (others[i - 1] as number)))).toBe(
    true,
  );
  expect(others.at(-1)).toBeGreaterThan(first as number);
  const sums = ['numUpserts', 'numDeletes', 'knownRows'].map((name) =>
    job.metrics.reduce((sum, { registry }) => sum + (registry.value(`operator_${name}`) ?? NaN), 0),
  );
  expect(sums).toEqual([5, 1, 3]);
  expect([job.poll(0, 1), job.poll(1, 1)].sort()).toEqual(['end', 'wait']); // one polls; the other does not hold event time back
});

it('says the same whatever is killed when, and at whatever parallelism (invariant 1)', async () => {
  const table = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.integer({ min: 0, max: 2 }));
  const round = fc.record({
    table,
    parallelism: fc.integer({ min: 1, max: 2 }),
    emitted: fc.integer({ min: 0, max: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 5 }), table, async (rounds, last) => {
      const seen = new Map<string | null, number | null>();
      let restored: Checkpoint | undefined;
      const apply = (job: Job): void => {
        for (const { kind, row } of job.rows()) {
          if (kind === 'upsert') {
            expect(seen.get(row.page)).not.toBe(row.added); // no repetition
            seen.set(row.page, row.added);
          } else {
            expect(seen.get(row.page)).toBe(row.added);
            seen.delete(row.page);
          }
        }
      };
      for (const { table: next, parallelism, emitted } of rounds) {
        totals = next;
        const job = start({ parallelism, ...(restored && { restored }) });
        const before = druid.queries.length;
        await job.run(() => job.emitted.length >= emitted || druid.queries.length > before + 1, 1);
        restored = job.checkpoint();
        apply(job);
        await job.stop();
      }
      totals = last;
      const job = start({ ...(restored && { restored }) });
      await polls(job, 1);
      apply(job);
      await job.stop();
      expect(seen).toEqual(new Map(Object.entries(last)));
    }),
    { numRuns: 25 },
  );
});

it('takes no row for gone because a result broke off (invariant 2)', async () => {
  totals = { a: 1, b: 2, c: 3 };
  const job = start();
  await polls(job, 1);
  let breaks = 0;
  druid.answer = () => ({ rows: Object.entries(totals), ...(++breaks <= 3 && { breakAfter: 1 }) });
  await polls(job, 5);
  expect(job.rows()).toHaveLength(3);
});

it('polls no more while its changes are not read, and ever less while there are none (invariant 3)', async () => {
  totals = { a: 1, b: 2 };
  const clock = new HastyClock();
  const times: number[] = [];
  druid.answer = () => {
    times.push(clock.now());
    return { rows: Object.entries(totals) };
  };
  const job = start({ clock });
  while (job.poll(0, 1) !== 'more') await job.breathe();
  for (let i = 0; i < 30; i++) await job.breathe();
  expect(druid.queries).toHaveLength(1);
  await job.run(() => times.length >= 8);
  const waits = times.slice(1).map((time, i) => time - (times[i] as number));
  expect(waits).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  totals = { a: 2, b: 2 };
  const before = times.length;
  await job.run(() => times.length >= before + 3);
  expect(times.slice(1).map((time, i) => time - (times[i] as number))).toContain(1000);
});

it('cancels its query when the job ends', async () => {
  druid.answer = () => new Promise(() => undefined);
  const job = start();
  while (druid.queries.length === 0) await job.breathe();
  await job.stop();
  while (druid.cancelled === 0) await job.breathe();
  expect(druid.cancelled).toBe(1);
});

it('fails when there are more rows than it may keep, rows of one key, or rows that do not fit', async () => {
  totals = { a: 1, b: 2, c: 3 };
  await expect(start({}, source({ maxKeys: 2 })).run()).rejects.toThrow(/more than 2 rows.*maxKeys/);
  druid.answer = () => ({
    rows: [
      ['a', 1],
      ['a', 2],
    ],
  });
  await expect(start().run()).rejects.toMatchObject({ code: 'DRUID_SOURCE_RECORD' });
  const strict = new DruidSqlChangesSource({
    ...{ druid: client, query: base.query, pollIntervalMs: 10 },
    schema: z.object({ page: z.string(), added: z.number().min(5) }),
    key: ['page', 'added'],
  });
  await expect(start({}, strict).run()).rejects.toThrow(
    /Row 0 of 'statement' does not fit the schema: added/,
  );
});

it('deletes a row whose new values do not fit, so that what the stream was told never outlives it', async () => {
  const aside: unknown[] = [];
  const upToFive = new DruidSqlChangesSource({
    ...{ druid: client, query: base.query, pollIntervalMs: 10, key: ['page'] as const },
    schema: z.object({ page: z.string(), added: z.number().max(5) }),
    onInvalidRow: ({ row }) => void aside.push(row['added']),
  });
  totals = { a: 1 };
  let job = start({}, upToFive);
  await polls(job, 1);
  totals = { a: 9, b: 8 };
  await polls(job, 2);
  const restored = job.checkpoint();
  const changes = [...job.emitted];
  await job.stop();
  job = start({ restored }, upToFive);
  await polls(job, 1);
  totals = { b: 2 };
  await polls(job, 2);
  const told = [...changes, ...job.emitted].map(({ row: { kind, row } }) => [kind, row.page, row.added]);
  expect(told).toEqual([
    ['upsert', 'a', 1],
    ['delete', 'a', 1],
    ['upsert', 'b', 2],
  ]);
  expect(aside).toEqual([9, 8]);
});

it('refuses options that cannot work, and a checkpoint of another key', async () => {
  const bad = (options: object) => () =>
    new DruidSqlChangesSource({ druid: client, key: ['page'], ...base, ...options } as never);
  expect(bad({ key: [] })).toThrow(/'key' is empty/);
  expect(bad({ key: ['user'] })).toThrow(/'key' names 'user'/);
  expect(bad({ pollIntervalMs: 0 })).toThrow(/'pollIntervalMs' is 0/);
  expect(bad({ maxPollIntervalMs: 10 })).toThrow(/'maxPollIntervalMs' is 10/);
  const job = start();
  await polls(job, 1);
  const restored = job.checkpoint();
  expect(() => start({ restored }, source({ key: ['added'] }))).toThrow(/another statement/);
});
