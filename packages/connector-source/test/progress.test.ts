import { DruidClient, sql } from '@millrace/druid-client';
import { afterEach, expect, it } from 'vitest';
import {
  DruidSource,
  DruidSqlChangesSource,
  DruidSqlSource,
  DruidStatementSource,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
  type StatementEnumeratorState,
  type StatementSplit,
} from '../src/index.js';
import { FakeDruid } from './support/fake-druid.js';
import { FakeSql } from './support/fake-sql.js';
import { FakeStatements } from './support/fake-statements.js';
import { HastyClock, TestJob } from './support/test-job.js';

const atMs = Date.UTC(2024, 0, 1);
const columns = { __time: 'timestamp', n: 'long' } as const;
const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What is known of the whole, and what is left of it, over enumerator and readers. */
function progressOf(job: Pick<TestJob<unknown>, 'enumeratorMetrics' | 'metrics'>) {
  const of = (name: string) => job.enumeratorMetrics.registry.value(`operator_${name}`);
  const open = (name: string) =>
    job.metrics.reduce((sum, { registry }) => sum + (registry.value(`operator_${name}`) ?? NaN), 0);
  return {
    splits: [of('splitsTotal'), (of('splitsPending') ?? NaN) + open('splitsOpen')],
    rows: [of('rowsTotal'), (of('rowsPending') ?? NaN) + open('rowsOpen')],
  };
}

async function fakeDruid(segments: number): Promise<FakeDruid> {
  const druid = await FakeDruid.start({ __time: 'TIMESTAMP', n: 'BIGINT' });
  closing.push(() => druid.stop());
  for (let day = 1; day <= segments; day++) addSegment(druid, day);
  return druid;
}

function addSegment(druid: FakeDruid, day: number): void {
  const rows = Array.from({ length: 10 }, (_, n) => ({ __time: Date.UTC(2024, 0, day) + n, n }));
  druid.addSegment(day, rows);
}

it('of segments is what is left of all rows, across a restart with other readers', async () => {
  const druid = await fakeDruid(4);
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    columns,
    batchSize: 3,
    maxBufferedRows: 3,
  });
  const first = new TestJob(source);
  closing.push(() => first.stop());
  await first.run(() => first.emitted.length >= 13, 1);
  expect(progressOf(first)).toEqual({ splits: [4, 3], rows: [40, 27] });
  const restored = first.checkpoint();
  await first.stop();
  const second = new TestJob(source, { parallelism: 2, restored });
  closing.push(() => second.stop());
  await second.run(() => second.emitted.length >= 7, 1);
  expect(progressOf(second).rows).toEqual([40, 40 - 13 - second.emitted.length]);
  await second.run();
  expect(progressOf(second)).toEqual({ splits: [4, 0], rows: [40, 0] });
});

it('of an unbounded read counts what is found, and tells when Druid was last asked', async () => {
  const druid = await fakeDruid(1);
  const clock = new HastyClock();
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    columns,
    mode: { unbounded: { pollIntervalMs: 1000 } },
  });
  const job = new TestJob(source, { clock });
  closing.push(() => job.stop());
  await job.run(() => job.emitted.length >= 10);
  addSegment(druid, 2);
  await job.run(() => job.emitted.length >= 20);
  await job.run(() => progressOf(job).splits[1] === 0);
  expect(progressOf(job)).toEqual({ splits: [2, 0], rows: [20, 0] });
  const of = (name: string) => job.enumeratorMetrics.registry.value(`operator_${name}`);
  expect(of('segmentsWaiting')).toBe(0);
  expect(of('numFailedPolls')).toBe(0);
  expect(of('pollAgeMs')).toBeLessThanOrEqual(1000);
});

it('of ranges counts them, and no rows', async () => {
  const druid = await FakeSql.start({ __time: 'TIMESTAMP', n: 'BIGINT' });
  const client = new DruidClient({ url: druid.url });
  closing.push(
    () => druid.stop(),
    () => client.close(),
  );
  druid.answer = ({ parameters }) => ({ rows: [[new Date(Number(parameters[0])).toISOString(), 1]] });
  const source = new DruidSqlSource({
    druid: client,
    query: ({ condition }) => sql`SELECT __time, n FROM edits WHERE ${condition}`,
    interval: { start: atMs, end: atMs + 3500 },
    splitMs: 1000,
    columns: { __time: 'timestamp', n: 'long' },
    maxBufferedRows: 1,
  });
  const job = new TestJob<unknown, SqlSplit, SqlEnumeratorState>(source);
  closing.push(() => job.stop());
  expect(progressOf(job).splits).toEqual([4, 4]);
  await job.run(() => job.released.length >= 2, 1);
  expect(progressOf(job)).toEqual({ splits: [4, 2], rows: [undefined, NaN] });
  await job.run();
  expect(progressOf(job).splits).toEqual([4, 0]);
});

it('of pages is what is left of the result, once there is one', async () => {
  const druid = await FakeStatements.start({ __time: ['TIMESTAMP', 'LONG'], n: ['BIGINT', 'LONG'] });
  const client = new DruidClient({ url: druid.url });
  closing.push(
    () => druid.stop(),
    () => client.close(),
  );
  druid.pages = [3, 2].map((size) => Array.from({ length: size }, (_, n) => ({ __time: atMs, n })));
  const source = new DruidStatementSource({ druid: client, query: 'SELECT 1', columns, maxBufferedRows: 1 });
  const job = new TestJob<unknown, StatementSplit, StatementEnumeratorState>(source);
  closing.push(() => job.stop());
  expect(progressOf(job).rows[0]).toBeUndefined();
  await job.run(() => job.emitted.length >= 2, 1);
  expect(progressOf(job)).toEqual({ splits: [2, 2], rows: [5, 3] });
  await job.run();
  expect(progressOf(job)).toEqual({ splits: [2, 0], rows: [5, 0] });
});

it('of polled changes is the age of the result that was told last', async () => {
  const druid = await FakeSql.start({ __time: 'TIMESTAMP', n: 'BIGINT' });
  const client = new DruidClient({ url: druid.url });
  closing.push(
    () => druid.stop(),
    () => client.close(),
  );
  druid.answer = () => ({ rows: [[new Date(atMs).toISOString(), 1]] });
  const source = new DruidSqlChangesSource({
    druid: client,
    query: 'SELECT 1',
    columns: { n: 'long' },
    key: ['n'],
    pollIntervalMs: 1000,
  });
  const job = new TestJob<SqlChange<{ n: number | null }>, SqlSplit, SqlEnumeratorState>(source);
  closing.push(() => job.stop());
  const lag = () => job.metrics[0]?.registry.value('operator_readLagMs');
  expect(lag()).toBeUndefined();
  await job.run(() => job.advanced.length >= 2);
  expect(lag()).toBe(job.clock.now() - (job.advanced.at(-1) as number));
});
