import { StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DruidSqlChangesSource,
  DruidSqlSource,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
} from '../../src/index.js';
import { append } from '../support/ingest.js';
import { TestJob } from '../support/test-job.js';

const dimensions = ['page', { type: 'long', name: 'added' }];
const hourMs = 3_600_000;

let embedded: EmbeddedDruid;
let druid: DruidClient;

const edits = (day: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ t: Date.UTC(2024, 0, day) + i * 60_000, page: `p${i % 3}`, added: i }),
  );

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  await append(druid, 'edits', [...edits(1, 1440), ...edits(2, 720)], { dimensions });
});

afterAll(async () => {
  druid.close();
  await embedded.stop();
});

it('reads an aggregate hour by hour in a job, and no row is late without any lag of the watermark', async () => {
  const source = new DruidSqlSource({
    druid,
    query: ({ condition }) =>
      sql`SELECT FLOOR(__time TO HOUR) AS "hour", page, SUM(added) AS added FROM edits WHERE ${condition} GROUP BY 1, 2`,
    interval: { start: '2024-01-01', end: '2024-01-03' },
    splitMs: 4 * hourMs,
    columns: { hour: 'timestamp not null', page: 'string', added: 'long not null' },
    timeColumn: 'hour',
  });
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const seen: { hour: number; page: string | null; added: number }[] = [];
  let late = 0;
  env
    .fromSource(source, WatermarkStrategy.forBoundedOutOfOrderness<(typeof seen)[number]>(1), 'edits')
    .setParallelism(2)
    .process(() => ({
      processElement: (row, context, out) => {
        seen.push(row);
        if ((context.timestamp as number) <= context.currentWatermark) late++;
        out.collect(row);
      },
    }))
    .setParallelism(1)
    .addSink({ emit: () => undefined });
  await env.execute('aggregate');
  const expected = await druid.sql.query(
    'SELECT FLOOR(__time TO HOUR) AS "hour", page, SUM(added) AS added FROM edits GROUP BY 1, 2',
    { columns: { hour: 'timestamp not null', page: 'string', added: 'long not null' } },
  );
  const sorted = (rows: typeof seen) => rows.map((row) => JSON.stringify(row)).sort();
  expect(sorted(seen)).toEqual(sorted(expected));
  expect(seen).toHaveLength(36 * 3);
  expect(late).toBe(0);
});

it('reads an ordered statement in pieces, killed in the middle', async () => {
  const source = new DruidSqlSource({
    druid,
    query: sql`SELECT __time, page, added FROM edits WHERE page = ${'p1'} ORDER BY __time`,
    columns: { __time: 'timestamp not null', page: 'string', added: 'long' },
    order: 'total',
    maxBufferedRows: 100,
  });
  const first = new TestJob(source);
  await first.run(() => first.emitted.length >= 250, 50);
  const second = new TestJob(source, { restored: first.checkpoint() });
  await first.stop();
  await second.run();
  await second.stop();
  const expected = await druid.sql.query(`SELECT added FROM edits WHERE page = 'p1' ORDER BY __time`);
  expect([...first.rows(), ...second.rows()].map(({ added }) => ({ added }))).toEqual(expected);
});

it('tells what an ingestion changed', async () => {
  const source = new DruidSqlChangesSource({
    druid,
    query: 'SELECT page, COUNT(*) AS n FROM edits GROUP BY 1',
    columns: { page: 'string', n: 'long not null' },
    key: ['page'],
    pollIntervalMs: 100,
  });
  const job = new TestJob<SqlChange<{ page: string | null; n: number }>, SqlSplit, SqlEnumeratorState>(
    source,
  );
  await job.run(() => job.emitted.length >= 3);
  await append(druid, 'edits', [JSON.stringify({ t: Date.UTC(2024, 0, 3), page: 'p2', added: 1 })], {
    dimensions,
  });
  await job.run(() => job.emitted.length >= 4);
  await job.stop();
  expect(job.rows().at(-1)).toEqual({ kind: 'upsert', row: { page: 'p2', n: 721 } });
});
