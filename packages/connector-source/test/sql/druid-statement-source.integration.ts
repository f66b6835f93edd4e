import { createHash } from 'node:crypto';
import { systemClock } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { DruidStatementSource, type StatementEnumeratorState, type StatementSplit } from '../../src/index.js';
import { append } from '../support/ingest.js';
import { TestJob, type TestCheckpoint } from '../support/test-job.js';

type Checkpoint = TestCheckpoint<StatementSplit, StatementEnumeratorState>;
const dataSource = 'statement_edits';
const columns = { __time: 'timestamp not null', page: 'string', added: 'long not null' } as const;
const rowCount = 6000;

/** Independent of the order of the rows. */
function hashOf(rows: readonly unknown[]): string {
  const lines = rows.map((row) => JSON.stringify(row)).sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

describe.skipIf(!requireRealServers())('statements of a real Druid 27', () => {
  let druid: DruidClient;
  let jobs: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    const { url, credentials } = await sharedDruid('27.0.0');
    druid = new DruidClient({ url, ...(credentials && { auth: credentials }) });
    const rows = Array.from({ length: rowCount }, (_, i) =>
      JSON.stringify({ t: Date.UTC(2024, 0, 1) + i * 20_000, page: i % 5 ? `p${i % 7}` : null, added: i }),
    );
    const dimensions = ['page', { type: 'long', name: 'added' }];
    // 27.0.0 makes a page of what each worker writes: several segments, several workers, several pages.
    await append(druid, dataSource, rows, { dimensions, maxRowsPerSegment: 1500 });
  });

  afterEach(async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    jobs = [];
  });

  afterAll(() => druid?.close());

  function start<Row>(
    source: ConstructorParameters<typeof TestJob<Row, StatementSplit, StatementEnumeratorState>>[0],
    options: { parallelism?: number; restored?: Checkpoint } = {},
  ): TestJob<Row, StatementSplit, StatementEnumeratorState> {
    const job = new TestJob<Row, StatementSplit, StatementEnumeratorState>(source, {
      ...options,
      clock: systemClock,
    });
    jobs.push(job);
    return job;
  }

  it('reads every row of one run once, killed while it runs and inside its pages', async () => {
    const source = new DruidStatementSource({
      druid,
      query: sql`SELECT __time, page, added FROM statement_edits WHERE added >= ${10}`,
      queryContext: { maxNumTasks: 3 },
      columns,
      maxBufferedRows: 300,
      maxPollIntervalMs: 1000,
    });
    const rows: object[] = [];
    let restored: Checkpoint | undefined;
    for (let round = 1; ; round++) {
      const job = start(source, { parallelism: (round % 2) + 1, ...(restored && { restored }) });
      // The first is killed as soon as Druid has the statement.
      const isReached = (): boolean =>
        round === 1 ? job.checkpoint().enumerator.isSubmitted : job.emitted.length >= 1700;
      await job.run(isReached, 100);
      if (restored !== undefined) {
        expect(job.checkpoint().enumerator.sqlQueryId).toBe(restored.enumerator.sqlQueryId);
      }
      restored = job.checkpoint();
      rows.push(...job.rows());
      const { isEnded } = job;
      await job.stop();
      if (isEnded) break;
      expect(round).toBeLessThan(20);
    }
    const splits = new Set(jobs.flatMap((job) => (job as ReturnType<typeof start>).released));
    const expected = await druid.sql.query(
      'SELECT __time, page, added FROM statement_edits WHERE added >= 10',
      {
        columns,
      },
    );
    expect(rows).toHaveLength(rowCount - 10);
    expect(hashOf(rows)).toBe(hashOf(expected));
    expect(splits.size).toBeGreaterThan(1);
  });

  it('cancels a statement that no checkpoint holds, and says so to who asks for it or for one that is gone', async () => {
    const query = 'SELECT added, COUNT(*) AS n FROM statement_edits GROUP BY 1';
    const source = new DruidStatementSource({ druid, query, columns: { n: 'long' } });
    const running = async (): Promise<string[]> =>
      (await druid.tasks.list({ state: 'running' }))
        .map(({ id }) => id)
        .filter((id) => /^query-millrace-/.test(id));
    const job = start(source);
    let [queryId] = await running();
    while (queryId === undefined) [queryId] = await running();
    await job.stop();
    expect((await druid.statements.waitFor(queryId)).state).toBe('FAILED');
    const { enumerator } = start(source).checkpoint();
    const restoredWith = (sqlQueryId: string) =>
      start(source, {
        restored: { enumerator: { ...enumerator, sqlQueryId, isSubmitted: true }, readers: [[]] },
      }).run();
    await expect(restoredWith(queryId.replace('query-', ''))).rejects.toThrow('was cancelled there');
    await expect(restoredWith('millrace-nobody')).rejects.toThrow('no longer has the statement');
  });
});
