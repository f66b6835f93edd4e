import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import type { DruidSink } from '../../src/index.js';
import { druidSchema, type ChunkReplaced } from '../../src/index.js';
import {
  FIRST_DAY,
  flights,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from '../support/sink-harness.js';
import { DAY, NOTHING_STORED, ReplaceRun, replaceSink, type ReplaceOptions } from './replace-harness.js';

/** Enough that Druid reads for a second or more. */
const MANY = 200_000;

let client: DruidClient;
let old: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
  const { url, credentials } = await sharedDruid('27.0.0');
  old = new DruidClient({ url, ...(credentials && { auth: credentials }) });
});
afterAll(() => {
  client?.close();
  old?.close();
});

const row = (day: number, origin = 'SFO'): Flight => ({ date: FIRST_DAY + day * DAY, origin, delay: 1 });
const endOf = (day: number) => FIRST_DAY + (day + 1) * DAY - 1;

function newRun(sink: DruidSink<Flight>, parallelism = 1) {
  const logger = recordingLogger();
  const run = new ReplaceRun(sink, parallelism, { clock: systemClock, logger });
  return { run, messages: logger.messages };
}

/** `origin: rows` of each day. */
async function days(druid: DruidClient, dataSource: string): Promise<string[]> {
  const rows = await druid.sql.query(
    `SELECT TIMESTAMP_TO_MILLIS(FLOOR("__time" TO DAY)), "origin", COUNT(*) FROM "${dataSource}" GROUP BY 1, 2 ORDER BY 1, 2`,
    { rowFormat: 'array' },
  );
  return rows.map(
    ([day, origin, count]) => `${(Number(day) - FIRST_DAY) / DAY} ${String(origin)} ${String(count)}`,
  );
}

describe.each(['native', 'msq'] as const)("DruidSink in mode 'replace' with a real Druid (%s)", (via) => {
  it('overwrites chunks, rewrites them with late rows, and touches nothing else', async () => {
    const druid = via === 'native' ? client : old;
    const dataSource = `chunks_${via}`;
    const events: ChunkReplaced[] = [];
    const options: ReplaceOptions = {
      spoolDirectory: await temporaryDirectory(),
      via,
      retainChunksMs: DAY,
      onLateRow: () => undefined,
      maxConcurrentTasks: 2,
      onCommit: (event) => events.push(event),
    };
    const { run } = newRun(replaceSink(druid, dataSource, options), 2);
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0), row(0.5), row(1), row(1.5)]);
    run.watermark(endOf(1));
    await committer.commit((await run.barrier(1)).pending);
    expect(await days(druid, dataSource)).toEqual(['0 SFO 2', '1 SFO 2']);
    await run.write([row(1.25, 'late'), row(0.25, 'too late')]);
    await committer.commit((await run.barrier(2, { isEnd: true })).pending);
    expect(await days(druid, dataSource)).toEqual(['0 SFO 2', '1 SFO 2', '1 late 1']);
    expect(events.map(({ revision, attempt }) => [revision, attempt])).toEqual([
      [1, 1],
      [1, 1],
      [2, 1],
    ]);
    await run.close();
    await committer.close?.();
  });
});

describe("DruidSink in mode 'replace' whose process dies while Druid reads a chunk", () => {
  it.each([
    ['lets the task go on when the process comes back', false, 1],
    ['stops a task that nobody serves any more, and begins another attempt', true, 2],
  ])('%s', async (_name, isMoved, attempts) => {
    const dataSource = `chunks_dying_${attempts}`;
    const spoolDirectory = await temporaryDirectory();
    const { run: dead } = newRun(replaceSink(client, dataSource, { spoolDirectory, retainChunksMs: DAY }));
    const deadCommitter = await dead.committer(NOTHING_STORED);
    await dead.createWriters();
    // All in one day.
    await dead.write(
      flights(MANY).map((flight, index) => ({ ...flight, date: FIRST_DAY + (index % 86_400) * 1000 })),
    );
    dead.watermark(endOf(0));
    const stored = await dead.barrier(1);
    const commit = deadCommitter.commit(stored.pending).catch((error: unknown) => error);
    const running = `SELECT "task_id" FROM sys.tasks WHERE "datasource" = '${dataSource}' AND "runner_status" = 'RUNNING'`;
    await expect.poll(() => client.sql.query(running), { timeout: 20_000, interval: 20 }).toHaveLength(1);
    dead.job.crash();
    await deadCommitter.close?.();
    expect(String(await commit)).toContain('the job has crashed');
    await dead.write([row(0.1, 'behind the checkpoint')]);
    await dead.close();

    if (isMoved) await rm(join(spoolDirectory, 'druid-sink', 'job-1', 'server.json'));
    const events: ChunkReplaced[] = [];
    const options = {
      spoolDirectory,
      retainChunksMs: DAY,
      onCommit: (event: ChunkReplaced) => events.push(event),
    };
    const { run } = newRun(replaceSink(client, dataSource, options));
    const committer = await run.committer(stored);
    await run.createWriters(stored);
    await committer.commit(stored.pending);
    expect(events).toMatchObject([{ attempt: attempts, isRecovered: true, revision: 1 }]);
    await run.write([row(0.1, 'late')]);
    await committer.commit((await run.barrier(2, { isEnd: true })).pending);
    expect(
      await client.sql.query(
        `SELECT COUNT(*), SUM(CASE WHEN "origin" = 'late' THEN 1 ELSE 0 END) FROM "${dataSource}"`,
        { rowFormat: 'array' },
      ),
    ).toEqual([[MANY + 1, 1]]);
    await run.close();
    await committer.close?.();
  });
});

describe("DruidSink in mode 'replace' with roll-up", () => {
  it('counts the rows of a chunk by its count metric, whatever the partitions', async () => {
    const schema = druidSchema<Flight>()({
      dataSource: 'chunks_rolled_up',
      timestamp: 'date',
      dimensions: { origin: 'string' },
      metrics: { flights: { type: 'count' }, delay_sum: { type: 'longSum', field: 'delay' } },
      rollup: true,
      segmentGranularity: 'day',
      queryGranularity: 'hour',
    });
    const { run } = newRun(
      replaceSink(client, 'unused', {
        spoolDirectory: await temporaryDirectory(),
        schema,
        tuningConfig: {
          partitionsSpec: { type: 'hashed', targetRowsPerSegment: 10 },
          forceGuaranteedRollup: true,
        },
      }),
    );
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write(flights(1_000));
    await committer.commit((await run.barrier(1, { isEnd: true })).pending);
    expect(
      await client.sql.query('SELECT COUNT(*), SUM("flights") FROM "chunks_rolled_up"', {
        rowFormat: 'array',
      }),
    ).toEqual([[7, 1_000]]);
    await run.close();
    await committer.close?.();
  });
});
