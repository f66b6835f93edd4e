import { silentLogger, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  DruidSqlChangesSource,
  DruidSqlSource,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
} from '../../src/index.js';
import { FakeSql } from '../support/fake-sql.js';
import { TestJob } from '../support/test-job.js';

const hourMs = 3_600_000;
const dayMs = Date.UTC(2024, 0, 1);
const columns = { __time: 'timestamp not null', added: 'long' } as const;

let druid: FakeSql;
let client: DruidClient;

beforeEach(async () => {
  druid = await FakeSql.start({ __time: 'TIMESTAMP', added: 'BIGINT' });
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
});

afterEach(async () => {
  client.close();
  await druid.stop();
});

/** Rows at these hours of the day. */
function addRows(...hours: number[]): void {
  druid.answer = ({ parameters }) => {
    const [start, end] = parameters.map(Number) as [number, number];
    const times = hours.map((hour) => dayMs + hour * hourMs).filter((time) => start <= time && time < end);
    return { rows: times.map((time) => [new Date(time).toISOString(), (time - dayMs) / hourMs]) };
  };
}

const byHours = (order: 'any' | 'total', extra: { columns?: { added: 'long' } } = {}) =>
  new DruidSqlSource({
    druid: client,
    query: ({ condition }) => sql`SELECT __time, added FROM edits WHERE ${condition} ORDER BY __time`,
    interval: { start: dayMs, end: dayMs + 6 * hourMs },
    splitMs: hourMs,
    columns,
    order,
    ...extra,
  });

it.each(['any', 'total'] as const)(
  'comes to the end of each range, with rows or without (%s)',
  async (order) => {
    addRows(0, 5);
    const job = new TestJob<unknown, SqlSplit, SqlEnumeratorState>(byHours(order));
    await job.run();
    await job.stop();
    expect(job.advanced).toEqual([1, 2, 3, 4, 5, 6].map((hour) => dayMs + hour * hourMs - 1));
  },
);

it('does not move for rows without a time', async () => {
  addRows(0);
  const job = new TestJob<unknown, SqlSplit, SqlEnumeratorState>(
    byHours('any', { columns: { added: 'long' } }),
  );
  await job.run();
  await job.stop();
  expect(job.emitted).toHaveLength(1);
  expect(job.advanced).toEqual([]);
});

it('says once that times lie before their ranges, and by how much', async () => {
  druid.answer = () => ({ rows: [[new Date(dayMs).toISOString(), 1]] }); // in the first range, not in the others
  const warnings: unknown[] = [];
  const logger = {
    ...silentLogger,
    warn: (message: string, fields: unknown) => void warnings.push(message, fields),
  };
  const job = new TestJob<unknown, SqlSplit, SqlEnumeratorState>(byHours('any'), { logger });
  await job.run();
  await job.stop();
  expect(job.emitted).toHaveLength(6);
  expect(warnings).toEqual([
    expect.stringContaining('let the watermark lag'),
    { column: '__time', split: '2024-01-01T01:00:00.000Z/2024-01-01T02:00:00.000Z', beforeRangeMs: hourMs },
  ]);
});

it('lets a timer go off in an empty stretch, before the next row', async () => {
  addRows(0, 5);
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const seen: string[] = [];
  env
    .fromSource(
      byHours('any'),
      WatermarkStrategy.forMonotonousTimestamps<{ added: number | null }>(),
      'edits',
    )
    .keyBy(() => 'all')
    .process(() => ({
      processElement: (row, context) => {
        seen.push(`row ${row.added}`);
        if (seen.length === 1) context.timers.registerEventTimeTimer(dayMs + 3 * hourMs);
      },
      onTimer: () => void seen.push('timer'),
    }))
    .addSink({ emit: () => undefined });
  await env.execute('edits');
  expect(seen).toEqual(['row 0', 'timer', 'row 5']);
});

it('goes on with each poll that finds no change', async () => {
  druid.answer = () => ({ rows: [[new Date(dayMs).toISOString(), 1]] });
  const job = new TestJob<SqlChange<{ added: number | null }>, SqlSplit, SqlEnumeratorState>(
    new DruidSqlChangesSource({
      druid: client,
      query: 'SELECT __time, added FROM edits',
      columns: { added: 'long' },
      key: ['added'],
      pollIntervalMs: 1000,
    }),
  );
  await job.run(() => job.advanced.length >= 3);
  await job.stop();
  const [{ timestamp = 0 } = {}] = job.emitted;
  const waits = job.advanced.slice(0, 3).map((ms, i) => ms - (job.advanced[i - 1] ?? timestamp));
  expect(waits).toEqual([1000, 2000, 4000]);
});
