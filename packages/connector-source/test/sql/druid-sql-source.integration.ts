import { systemClock } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import {
  DruidSqlChangesSource,
  DruidSqlSource,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
} from '../../src/index.js';
import { append } from '../support/ingest.js';
import { TestJob, type TestCheckpoint } from '../support/test-job.js';

const dimensions = ['page', { type: 'long', name: 'added' }];
const hourMs = 3_600_000;
type Checkpoint = TestCheckpoint<SqlSplit, SqlEnumeratorState>;

/** Edits of a day, one every eight seconds or so; `added` numbers them through. */
function edits(day: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    JSON.stringify({ t: Date.UTC(2024, 0, day) + i * 8000, page: `p${i % 7}`, added: day * 100_000 + i }),
  );
}

describe.skipIf(!requireRealServers())('SQL sources against a real Druid', () => {
  let druid: DruidClient;
  let jobs: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    druid = new DruidClient({ url: (await sharedDruid()).url });
    await append(druid, 'edits', [...edits(1, 10_000), ...edits(2, 5000)], {
      dimensions,
      maxRowsPerSegment: 4000,
    });
  });

  afterEach(async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    jobs = [];
  });

  afterAll(async () => {
    druid?.close();
  });

  function start<Row>(
    source: ConstructorParameters<typeof TestJob<Row, SqlSplit, SqlEnumeratorState>>[0],
    options: { parallelism?: number; restored?: Checkpoint } = {},
  ): TestJob<Row, SqlSplit, SqlEnumeratorState> {
    const job = new TestJob<Row, SqlSplit, SqlEnumeratorState>(source, { ...options, clock: systemClock });
    jobs.push(job);
    return job;
  }

  it.each(['any', 'total'] as const)('reads every row once, killed again and again (%s)', async (order) => {
    const ordered = order === 'total' ? sql` ORDER BY __time` : sql``;
    const source = new DruidSqlSource({
      druid,
      query: ({ condition }) => sql`SELECT __time, page, added FROM edits WHERE ${condition}${ordered}`,
      interval: { start: '2024-01-01', end: '2024-01-03' },
      splitMs: 3 * hourMs,
      columns: { __time: 'timestamp not null', page: 'string', added: 'long not null' },
      order,
      maxBufferedRows: 2000,
    });
    const rows: number[] = [];
    let restored: Checkpoint | undefined;
    for (let round = 1; ; round++) {
      const job = start(source, { parallelism: (round % 3) + 1, ...(restored && { restored }) });
      await job.run(() => job.emitted.length >= 3333, 100);
      restored = job.checkpoint();
      rows.push(...job.rows().map(({ added }) => added));
      const { isEnded } = job;
      await job.stop();
      if (isEnded) break;
      expect(round).toBeLessThan(20);
    }
    const expected = await druid.sql.query('SELECT added FROM edits', {
      columns: { added: 'long not null' },
    });
    expect(rows.sort((a, b) => a - b)).toEqual(expected.map(({ added }) => added).sort((a, b) => a - b));
  });

  it('takes a column of an ordered aggregate as timestamp', async () => {
    const source = new DruidSqlSource({
      druid,
      query: 'SELECT FLOOR(__time TO DAY) AS "day", COUNT(*) AS n FROM edits GROUP BY 1 ORDER BY 1',
      columns: { day: 'timestamp not null', n: 'long not null' },
      timeColumn: 'day',
      order: 'total',
    });
    const job = start(source);
    await job.run();
    expect(job.rows()).toEqual([
      { day: Date.UTC(2024, 0, 1), n: 10_000 },
      { day: Date.UTC(2024, 0, 2), n: 5000 },
    ]);
    expect(job.emitted.map(({ timestamp }) => timestamp)).toEqual([
      Date.UTC(2024, 0, 1),
      Date.UTC(2024, 0, 2),
    ]);
  });

  it('follows the time in whole hours, across restarts, its rows checked by a schema', async () => {
    const source = new DruidSqlSource({
      druid,
      query: ({ condition }) =>
        sql`SELECT FLOOR(__time TO HOUR) AS "hour", COUNT(*) AS n FROM edits WHERE ${condition} GROUP BY 1`,
      incremental: {
        start: '2024-01-01',
        latenessMs: 60_000,
        pollIntervalMs: 1000,
        maxPollIntervalMs: 1000,
        alignMs: hourMs,
        maxRangeMs: 5 * hourMs,
      },
      schema: z.object({ hour: z.number(), n: z.number() }),
      timeColumn: 'hour',
    });
    const expected = await druid.sql.query(
      'SELECT FLOOR(__time TO HOUR) AS "hour", COUNT(*) AS n FROM edits GROUP BY 1 ORDER BY 1',
      { columns: { hour: 'timestamp not null', n: 'long not null' } },
    );
    const rows: { hour: number; n: number }[] = [];
    let restored: Checkpoint | undefined;
    while (rows.length < expected.length) {
      const job = start(source, { parallelism: 2, ...(restored && { restored }) });
      await job.run(() => job.emitted.length >= 9 || rows.length + job.emitted.length >= expected.length, 2);
      restored = job.checkpoint();
      rows.push(...job.rows());
      await job.stop();
    }
    expect(rows.sort((a, b) => a.hour - b.hour)).toEqual(expected);
  });

  it('tells what an ingestion and a deletion changed, across a restart', async () => {
    const source = new DruidSqlChangesSource({
      druid,
      query: 'SELECT FLOOR(__time TO DAY) AS "day", COUNT(*) AS n FROM growing_edits GROUP BY 1',
      columns: { day: 'timestamp not null', n: 'long not null' },
      key: ['day'],
      pollIntervalMs: 200,
    });
    const [first, second] = [Date.UTC(2024, 0, 1), Date.UTC(2024, 0, 2)];
    await append(druid, 'growing_edits', [...edits(1, 10), ...edits(2, 20)], { dimensions });
    type Change = SqlChange<{ day: number; n: number }>;
    const job = start<Change>(source);
    await job.run(() => job.emitted.length >= 2);
    const restored = job.checkpoint();
    await job.stop();
    await append(druid, 'growing_edits', edits(1, 5), { dimensions });
    const again = start<Change>(source, { restored });
    await again.run(() => again.emitted.length >= 1);
    expect(again.rows()).toEqual([{ kind: 'upsert', row: { day: first, n: 15 } }]);
    await druid.datasources.markUnused('growing_edits', { interval: '2024-01-02/2024-01-03' });
    await again.run(() => again.emitted.length >= 2);
    expect(again.rows()[1]).toEqual({ kind: 'delete', row: { day: second, n: 20 } });
  });
});
