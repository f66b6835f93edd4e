import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { DruidSink, type CommitDone, type DruidSinkOptions, type RejectedRow } from '../src/index.js';
import { SinkJob, flights, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';
import { spoilRow } from './support/spoil-row.js';

let client: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
});
afterAll(() => client?.close());

/** Distinct values are counted, not estimated: of ten, HyperLogLog finds nine at times. */
const query = (sql: string) =>
  client.sql.query(sql, { rowFormat: 'array', context: { useApproximateCountDistinct: false } });

function newSink(
  dataSource: string,
  spoolDirectory: string,
  options: Partial<DruidSinkOptions<Flight>> = {},
) {
  return new DruidSink<Flight>({
    druid: client,
    schema: flightSchema(dataSource),
    spoolDirectory,
    ...options,
  });
}

describe('commits to a real Druid', () => {
  it.each([
    ['served', 0],
    ['inside the task', 65_536],
  ])('leave out rows that Druid cannot read and hand them on, from files %s', async (_, inlineMaxBytes) => {
    const dataSource = `commit_rejected_${inlineMaxBytes}`;
    const rejected: RejectedRow[] = [];
    const events: CommitDone[] = [];
    const spoolDirectory = await temporaryDirectory();
    const sink = newSink(dataSource, spoolDirectory, {
      inlineMaxBytes,
      compression: inlineMaxBytes === 0 ? 'gzip' : 'none',
      onRejectedRow: (row) => void rejected.push(row),
      onCommit: (event) => events.push(event),
    });
    const job = new SinkJob(sink, { clock: systemClock });
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(300));
    const texts = [
      await spoilRow(spoolDirectory, requests[0], 7),
      await spoilRow(spoolDirectory, requests[0], 250, (row) =>
        row.replace(/"__time":\d+/, '"__time":"soon"'),
      ),
    ];
    await committer.commit(requests);
    expect(rejected.map(({ line, text }) => [line, text])).toEqual([
      [7, texts[0]],
      [250, texts[1]],
    ]);
    // Neither where Druid has read the row, nor what is in it.
    for (const { reason } of rejected) expect(reason).not.toMatch(/rows\.ndjson|origin/);
    expect(rejected[1]?.reason).toContain('Timestamp[soon] is unparseable');
    expect(events).toMatchObject([{ attempt: 2, rows: 300, rejectedRows: 2 }]);
    expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[298]]);
  });

  it('are seen through after they are confirmed as submitted, by the next process, in more tasks than there are slots', async () => {
    const dataSource = 'commit_submitted';
    const spoolDirectory = await temporaryDirectory();
    const { capacity } = await client.cluster.workerCapacity();
    const options = { waitUntil: 'submitted', inlineMaxBytes: 0, maxConcurrentTasks: 100 } as const;
    const dead = new SinkJob(newSink(dataSource, spoolDirectory, options), { clock: systemClock });
    const deadCommitter = await dead.committer();
    const requests = await dead.checkpoint(
      1,
      ...Array.from({ length: capacity + 2 }, (_, index) => flights(1_000, index * 1_000)),
    );
    const first = requests.slice(0, 2);
    await deadCommitter.commit(first);
    dead.crash();
    await deadCommitter.close?.();

    const job = new SinkJob(newSink(dataSource, spoolDirectory, options), { clock: systemClock });
    const rest = requests.slice(2);
    const committer = await job.committer(rest);
    await committer.commit(rest);
    await (await job.writer()).flush(true);
    expect(await readdir(join(spoolDirectory, 'druid-sink', 'job-1'))).toEqual(['server.json']);
    // Published, which is what the end of input waits for; queries find it a moment later.
    await expect
      .poll(() => query(`SELECT COUNT(*), COUNT(DISTINCT "__commit_id") FROM "${dataSource}"`), {
        timeout: 20_000,
      })
      .toEqual([[requests.length * 1_000, requests.length]]);
    expect(job.metrics.registry.value('operator_failedTasks')).toBe(0);
  });
});
