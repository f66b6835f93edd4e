import { OutputTag, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidSource,
  DruidSqlChangesSource,
  DruidSqlSource,
  DruidStatementSource,
  type InvalidRow,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
  type StatementEnumeratorState,
  type StatementSplit,
} from '../src/index.js';
import { FakeDruid } from './support/fake-druid.js';
import { FakeSql } from './support/fake-sql.js';
import { FakeStatements } from './support/fake-statements.js';
import { TestJob } from './support/test-job.js';

const invalid = new OutputTag<InvalidRow>('invalid rows');
const schema = z.object({ __time: z.number(), n: z.number().max(2) });
const atMs = Date.UTC(2024, 0, 1);
const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function fakeDruid(): Promise<FakeDruid> {
  const druid = await FakeDruid.start({ __time: 'TIMESTAMP', n: 'BIGINT' });
  closing.push(() => druid.stop());
  druid.addSegment(
    1,
    Array.from({ length: 5 }, (_, n) => ({ __time: atMs + n, n })),
  );
  return druid;
}

async function fakeSql(rows: readonly number[]): Promise<{ druid: FakeSql; client: DruidClient }> {
  const druid = await FakeSql.start({ __time: 'TIMESTAMP', n: 'BIGINT' });
  const client = new DruidClient({ url: druid.url });
  closing.push(
    () => druid.stop(),
    () => client.close(),
  );
  druid.answer = () => ({ rows: rows.map((n) => [new Date(atMs + n).toISOString(), n]) });
  return { druid, client };
}

const expected = (splitId: string) =>
  [3, 4].map((n) => ({
    tag: 'invalid rows',
    value: {
      splitId,
      position: n,
      row: { __time: atMs + n, n },
      message: expect.stringMatching(/n: .*Correct (?!.*onInvalidRow)/) as string, // nothing about setting it aside
    },
    timestamp: atMs + n,
  }));

it('of segments are records of a side output, with time and number', async () => {
  const druid = await fakeDruid();
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    schema,
    onInvalidRow: invalid,
  });
  const job = new TestJob(source);
  closing.push(() => job.stop());
  await job.run();
  expect(job.aside).toEqual(expected(job.released[0] as string));
  expect(job.metrics[0]?.registry.value('operator_numInvalidRows')).toBe(2);
});

it('may be bare values that do not fit their column', async () => {
  const druid = await FakeDruid.start({ __time: 'TIMESTAMP', tag: 'VARCHAR' });
  closing.push(() => druid.stop());
  druid.addSegment(1, [
    { __time: atMs, tag: 'a' },
    { __time: atMs + 1, tag: ['a', 'b'] },
  ]);
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    columns: { tag: 'string' },
    onInvalidRow: invalid,
  });
  const job = new TestJob(source);
  closing.push(() => job.stop());
  await job.run();
  expect(job.rows()).toEqual([{ tag: 'a' }]);
  expect(job.aside).toMatchObject([
    { value: { position: 1, row: [['a', 'b'], atMs + 1] }, timestamp: atMs + 1 },
  ]);
});

it('of statements and ranges are records of a side output', async () => {
  const { client } = await fakeSql([0, 1, 2, 3, 4]);
  const source = new DruidSqlSource({ druid: client, query: 'SELECT 1', schema, onInvalidRow: invalid });
  const job = new TestJob<unknown, SqlSplit, SqlEnumeratorState>(source);
  closing.push(() => job.stop());
  await job.run();
  expect(job.rows()).toHaveLength(3);
  expect(job.aside).toEqual(expected('statement'));
});

it('of pages are records of a side output', async () => {
  const druid = await FakeStatements.start({ __time: ['TIMESTAMP', 'LONG'], n: ['BIGINT', 'LONG'] });
  const client = new DruidClient({ url: druid.url });
  closing.push(
    () => druid.stop(),
    () => client.close(),
  );
  druid.pages = [Array.from({ length: 5 }, (_, n) => ({ __time: atMs + n, n }))];
  const source = new DruidStatementSource({
    druid: client,
    query: 'SELECT 1',
    schema,
    onInvalidRow: invalid,
  });
  const job = new TestJob<unknown, StatementSplit, StatementEnumeratorState>(source);
  closing.push(() => job.stop());
  await job.run();
  expect(job.aside).toEqual(expected('page-0'));
});

it('of polled results go aside once; they are no change, nor is their end', async () => {
  const { druid, client } = await fakeSql([1, 3]);
  const source = new DruidSqlChangesSource({
    druid: client,
    query: 'SELECT 1',
    schema,
    key: ['n'],
    pollIntervalMs: 1000,
    onInvalidRow: invalid,
  });
  const job = new TestJob<SqlChange<{ n: number }>, SqlSplit, SqlEnumeratorState>(source);
  closing.push(() => job.stop());
  await job.run(() => druid.queries.length >= 4);
  druid.answer = () => ({ rows: [] });
  await job.run(() => job.emitted.length >= 2);
  expect(job.rows().map(({ kind, row: { n } }) => [kind, n])).toEqual([
    ['upsert', 1],
    ['delete', 1],
  ]);
  expect(job.aside).toHaveLength(1);
});

it('reach a sink of their own in a job', async () => {
  const druid = await fakeDruid();
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    schema,
    onInvalidRow: invalid,
  });
  const [rows, dead]: [number[], InvalidRow[]] = [[], []];
  const stream = env.fromSource(source, WatermarkStrategy.noWatermarks(), 'edits');
  stream.addSink({ emit: ({ n }) => void rows.push(n) });
  stream.getSideOutput(invalid).addSink({ emit: (row) => void dead.push(row) });
  const result = await env.execute('edits');
  expect(rows).toEqual([0, 1, 2]);
  expect(dead.map(({ position }) => position)).toEqual([3, 4]);
  expect(result.operators.find(({ name }) => name.includes('edits'))?.sideOutputs).toEqual({
    'invalid rows': 2,
  });
});
