import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileCheckpointStorage, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DruidSink, druidSchema, type ChunkReplaced, type LateRow } from '../../src/index.js';
import { failNextTask } from '../support/broken-reads.js';
import {
  FIRST_DAY,
  flights,
  flightSchema,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from '../support/sink-harness.js';
import { attemptId } from '../../src/commit/ingestion-spec.js';
import { revisionBaseId, type ChunkRevision } from '../../src/replace/chunk-committable.js';
import { replaceTask } from '../../src/replace/replace-task.js';
import { DAY, NOTHING_STORED, ReplaceRun, replaceSink, type ReplaceOptions } from './replace-harness.js';

let druid: EmbeddedDruid;
let client: DruidClient;
let dataSource: string;
let spoolDirectory: string;
let sources = 0;

const POST_TASK = { method: 'POST', path: /^\/druid\/indexer\/v1\/task$/ };

beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
});
afterAll(async () => {
  client.close();
  await druid.stop();
});
beforeEach(async () => {
  druid.clearFaults();
  dataSource = `chunks_${++sources}`;
  spoolDirectory = await temporaryDirectory();
});

const sinkOf = (options: Partial<ReplaceOptions> = {}) =>
  replaceSink(client, dataSource, { spoolDirectory, ...options });
const newRun = (options: Partial<ReplaceOptions> = {}, ...rest: [parallelism?: number]) =>
  new ReplaceRun(sinkOf(options), ...rest);
const row = (day: number, origin = 'SFO'): Flight => ({ date: FIRST_DAY + day * DAY, origin, delay: 1 });
const endOf = (day: number) => FIRST_DAY + (day + 1) * DAY - 1;

/** `origin: rows` of each day. */
async function days(): Promise<string[]> {
  const rows = await client.sql.query(
    `SELECT TIMESTAMP_TO_MILLIS(FLOOR("__time" TO DAY)), "origin", COUNT(*) FROM "${dataSource}" GROUP BY 1, 2 ORDER BY 1, 2`,
    { rowFormat: 'array' },
  );
  return rows.map(
    ([day, origin, count]) => `${(Number(day) - FIRST_DAY) / DAY} ${String(origin)} ${String(count)}`,
  );
}

const spoolFiles = async (): Promise<string[]> =>
  (await readdir(join(spoolDirectory, 'druid-sink', 'job-1'))).filter((name) => name.endsWith('.ndjson'));

/** Puts rows into Druid by another job. */
async function fill(rows: readonly Flight[]): Promise<void> {
  const other = new ReplaceRun(
    replaceSink(client, dataSource, { spoolDirectory: await temporaryDirectory() }),
  );
  const committer = await other.committer(NOTHING_STORED);
  await other.createWriters();
  await other.write(rows);
  await committer.commit((await other.barrier(1, { isEnd: true })).pending);
  await other.close();
  await committer.close?.();
}

describe("DruidSink in mode 'replace'", () => {
  it('overwrites the chunks that have rows, and no others', async () => {
    await fill([row(0, 'old'), row(0.5, 'old'), row(1, 'old'), row(2, 'old')]);
    const events: ChunkReplaced[] = [];
    const run = newRun({ onCommit: (event) => events.push(event) }, 2);
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0), row(2), row(2.5), row(4)]);
    run.watermark(endOf(2));
    await committer.commit((await run.barrier(1)).pending);
    expect(await days()).toEqual(['0 SFO 1', '1 old 1', '2 SFO 2']);
    expect(await spoolFiles()).toHaveLength(1);
    await committer.commit((await run.barrier(2, { isEnd: true })).pending);
    expect(await days()).toEqual(['0 SFO 1', '1 old 1', '2 SFO 2', '4 SFO 1']);
    expect(await spoolFiles()).toEqual([]);
    // Chunks of one commit are replaced side by side: which ends first is not fixed.
    expect(
      events
        .map(({ chunk, revision, rows, attempt }) => [
          (chunk.start - FIRST_DAY) / DAY,
          revision,
          rows,
          attempt,
        ])
        .sort(([a = 0], [b = 0]) => a - b),
    ).toEqual([
      [0, 1, 1, 1],
      [2, 1, 2, 1],
      [4, 1, 1, 1],
    ]);
    await run.close();
  });

  it('rewrites a chunk with its late rows, and hands on those that come too late', async () => {
    const late: LateRow<Flight>[] = [];
    const run = newRun({ retainChunksMs: DAY, onLateRow: (each) => late.push(each) });
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0), row(0.5)]);
    run.watermark(endOf(0));
    await committer.commit((await run.barrier(1)).pending);
    expect(await days()).toEqual(['0 SFO 2']);
    await run.write([row(0.25, 'late')]);
    await committer.commit((await run.barrier(2)).pending);
    expect(await days()).toEqual(['0 SFO 2', '0 late 1']);
    run.watermark(endOf(1));
    await run.write([row(0.3, 'too late')]);
    await committer.commit((await run.barrier(3)).pending);
    expect(late.map(({ record }) => record.origin)).toEqual(['too late']);
    expect(await days()).toEqual(['0 SFO 2', '0 late 1']);
    expect(await spoolFiles()).toEqual([]);
    await run.close();
  });

  it('writes what is no row of a chunk to the dead letters, once, through a crash', async () => {
    const letters = `${dataSource}_letters`;
    const options = { deadLetters: { dataSource: letters } };
    const dead = newRun(options);
    const deadCommitter = await dead.committer(NOTHING_STORED);
    await dead.createWriters();
    dead.watermark(endOf(0));
    await dead.write([row(0, 'late'), { ...row(1), delay: 1.5 }, row(1)]);
    const stored = await dead.barrier(1);
    dead.job.crash();
    await dead.close();
    await deadCommitter.close?.();

    const run = newRun(options);
    const committer = await run.committer(stored);
    await run.createWriters(stored);
    await committer.commit(stored.pending);
    await run.write([row(0, 'late as well')]);
    await committer.commit((await run.barrier(2, { isEnd: true })).pending);
    expect(await days()).toEqual(['1 SFO 1']);
    const found = await client.sql.query(`SELECT "column", "reason", "record" FROM "${letters}"`);
    const list = found.map(({ column, reason, record }) => {
      const isLate = String(reason).includes('2001-01-01T00:00:00.000Z, was given up');
      return `${(JSON.parse(String(record)) as Flight).origin} ${isLate ? 'was late' : String(column)}`;
    });
    expect(list.sort()).toEqual(['SFO delay', 'late as well was late', 'late was late']);
    expect(await spoolFiles()).toEqual([]);
    await run.close();
    await committer.close?.();
  });

  it('refuses a checkpoint with rows that were to be appended, by name', async () => {
    const run = newRun({ deadLetters: { dataSource: 'letters' } });
    await run.createWriters();
    run.watermark(endOf(0));
    await run.write([row(0, 'late')]);
    const stored = await run.barrier(1);
    await run.close();
    await expect(newRun({ onLateRow: 'fail' }).committer(stored)).rejects.toThrow(
      "has rows to append (file 'druid-sink-dead-letters/job-1/",
    );
  });

  it('commits of several revisions the newest alone (committer invariant 3)', async () => {
    const events: ChunkReplaced[] = [];
    const run = newRun({ retainChunksMs: DAY, onCommit: (event) => events.push(event) });
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0)]);
    run.watermark(endOf(0));
    await run.barrier(1, { isAborted: true });
    await run.write([row(0.5)]);
    await committer.commit((await run.barrier(2)).pending);
    expect(events.map(({ revision, rows }) => [revision, rows])).toEqual([[2, 2]]);
    expect(await days()).toEqual(['0 SFO 2']);
    await run.close();
  });

  it('goes on after a crash before, during and after a commit', async () => {
    for (const at of ['before', 'during', 'after'] as const) {
      dataSource = `chunks_${++sources}`;
      const dead = newRun({ retainChunksMs: DAY });
      const deadCommitter = await dead.committer(NOTHING_STORED);
      await dead.createWriters();
      await dead.write([row(0), row(0.5), row(1)]);
      dead.watermark(endOf(0));
      const stored = await dead.barrier(1);
      await dead.write([row(0.75, 'behind the checkpoint'), row(5)]);
      await dead.barrier(2, { isAborted: true });
      const commit =
        at === 'before' ? undefined : deadCommitter.commit(stored.pending).catch(() => undefined);
      if (at === 'after') await commit;
      if (at === 'during')
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      dead.job.crash();
      await commit;
      await dead.close();
      await deadCommitter.close?.();

      const run = newRun({ retainChunksMs: DAY }, 2);
      const committer = await run.committer(stored);
      expect(await spoolFiles()).toHaveLength(2);
      await run.createWriters(stored);
      await committer.commit(stored.pending);
      expect(await days()).toEqual(['0 SFO 2']);
      await run.write([row(0.75, 'again')]);
      await committer.commit((await run.barrier(2, { isEnd: true })).pending);
      expect(await days()).toEqual(['0 SFO 2', '0 again 1', '1 SFO 1']);
      expect(await spoolFiles()).toEqual([]);
      await run.close();
      await committer.close?.();
    }
  });

  it('is right when answers are lost and Druid is away for a while', async () => {
    druid.failNext({ ...POST_TASK, dropConnection: 'after-handling' });
    druid.failNext({ ...POST_TASK, dropConnection: 'before-handling' });
    const run = newRun();
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0), row(1)]);
    const { pending } = await run.barrier(1, { isEnd: true });
    druid.failNext({ method: 'GET', path: '/druid/indexer', status: 503, times: 3 });
    druid.failNext({ path: '/druid/coordinator', status: 500, times: 2 });
    await committer.commit(pending);
    await committer.commit(pending); // the runtime may repeat it
    expect(await days()).toEqual(['0 SFO 1', '1 SFO 1']);
    await run.close();
  });

  it('begins another attempt when a task fails', async () => {
    failNextTask();
    const logger = recordingLogger();
    const events: ChunkReplaced[] = [];
    const run = new ReplaceRun(sinkOf({ onCommit: (event) => events.push(event) }), 1, { logger });
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0)]);
    await committer.commit((await run.barrier(1, { isEnd: true })).pending);
    expect(events.map(({ attempt }) => attempt)).toEqual([2]);
    expect(logger.messages).toContain('A task that replaces a chunk failed');
    await run.close();
  });

  it('says so when something else writes into its chunks', async () => {
    const run = newRun({ unavailableTimeoutMs: 1e9 });
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0)]);
    const { pending } = await run.barrier(1, { isEnd: true });
    druid.failNext({ path: '/druid/coordinator', status: 503, times: 1e9 });
    const commit = committer.commit(pending);
    const [request] = pending;
    const revision = request?.committable as ChunkRevision;
    const ownTask = attemptId(revisionBaseId(run.context(0), revision), 1);
    await expect.poll(async () => (await client.tasks.status(ownTask))?.statusCode).toBe('SUCCESS');
    const data = `{"__time":${FIRST_DAY},"origin":"other","delay":1}`;
    const other = replaceTask(revision, {
      id: 'other',
      input: { type: 'inline', data },
      taskContext: {},
      tuningConfig: {},
    });
    (other['spec'] as { ioConfig: { appendToExisting: boolean } }).ioConfig.appendToExisting = true;
    await client.tasks.submit(other);
    await client.tasks.waitFor('other');
    druid.clearFaults();
    await expect(commit).rejects.toThrow(
      /by 1 rows, but the Broker counts 2 there.*in mode 'replace' it belongs to this sink alone/,
    );
    await run.close();
  });

  it('counts what a task of an earlier process has published, where its report is gone', async () => {
    const events: ChunkReplaced[] = [];
    const options: Partial<ReplaceOptions> = { retainChunksMs: DAY, onCommit: (event) => events.push(event) };
    const dead = newRun(options);
    await dead.createWriters();
    await dead.write([row(0), row(0.5)]);
    dead.watermark(endOf(0));
    const stored = await dead.barrier(1);
    await dead.close();
    const revision = stored.pending[0]?.committable as ChunkRevision;
    const id = attemptId(revisionBaseId(dead.context(0), revision), 1);
    // Its connection broke between two rows when the process died: Druid takes that for the end of the file.
    const input = { type: 'inline', data: `{"__time":${FIRST_DAY},"origin":"SFO","delay":1}` } as const;
    await client.tasks.submit(replaceTask(revision, { id, input, taskContext: {}, tuningConfig: {} }));
    await client.tasks.waitFor(id);

    druid.failNext({ path: /\/reports$/, status: 404, times: 1 });
    const run = newRun(options);
    const committer = await run.committer(stored);
    await run.createWriters(stored);
    await committer.commit(stored.pending);
    expect(await days()).toEqual(['0 SFO 2']);
    expect(events.map(({ attempt }) => attempt)).toEqual([2]);
    await run.close();
    await committer.close?.();
  });

  it('names a file that is gone before its chunk is in Druid', async () => {
    const run = newRun();
    const committer = await run.committer(NOTHING_STORED);
    await run.createWriters();
    await run.write([row(0)]);
    const stored = await run.barrier(1, { isEnd: true });
    await run.close();
    const [file = ''] = await spoolFiles();
    const path = join(spoolDirectory, 'druid-sink', 'job-1', file);
    await rename(path, `${path}.away`);
    const lost = { ...(stored.pending[0]!.committable as ChunkRevision), revision: 7 };
    await expect(committer.commit([{ ...stored.pending[0]!, committable: lost }])).rejects.toThrow(
      'cannot be read',
    );
    await committer.close?.();
    await writeFile(path, 'x');
    const next = newRun();
    const other = await next.committer(stored);
    await expect(other.commit(stored.pending)).rejects.toThrow('is not what the checkpoint names: 1 bytes');
    await rm(path);
    await expect(other.commit(stored.pending)).rejects.toThrow('cannot be read');
    await other.close?.();
  });

  it('is a sink of the engine: chunks are complete at any parallelism, through a crash', async () => {
    const checkpoints = await temporaryDirectory();
    const rows = flights(4_000).map((flight, index) => ({ ...flight, date: FIRST_DAY + index * 120_000 }));
    const execute = async (parallelism: number, failAt: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
      env.enableCheckpointing({ intervalMs: 5, storage: new FileCheckpointStorage(checkpoints) });
      const timed = WatermarkStrategy.forMonotonousTimestamps<Flight>().withTimestampAssigner(
        ({ date }) => date,
      );
      let seen = 0;
      env
        .fromCollection(rows)
        .map((flight) => {
          if (++seen === failAt) throw new Error('boom');
          return flight;
        })
        .assignTimestampsAndWatermarks(timed)
        .sinkTo(sinkOf())
        .uid('druid-sink');
      await env.execute('chunks');
    };
    await expect(execute(2, 2_500)).rejects.toThrow('boom');
    await execute(3, Infinity);
    await execute(1, Infinity); // there is nothing left to do
    const found = await client.sql.query(
      `SELECT COUNT(*), COUNT(DISTINCT "__time"), SUM("delay") FROM "${dataSource}"`,
      { rowFormat: 'array' },
    );
    expect(found).toEqual([[4_000, 4_000, rows.reduce((sum, { delay }) => sum + (delay ?? 0), 0)]]);
  });

  it.each(['streaming', 'batch'] as const)(
    'rolls chunks up before they are written (%s)',
    async (runtimeMode) => {
      const schema = druidSchema<Flight>()({
        dataSource,
        timestamp: 'date',
        dimensions: { origin: 'string' },
        metrics: { flights: { type: 'count' }, delay_sum: { type: 'longSum', field: 'delay' } },
        rollup: true,
        segmentGranularity: 'week',
        queryGranularity: 'day',
      });
      const rows = flights(3_000).map((flight, index) => ({
        ...flight,
        date: FIRST_DAY + index * 1_000_000,
      }));
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 3, runtimeMode });
      env.enableCheckpointing({
        intervalMs: 5,
        storage: new FileCheckpointStorage(await temporaryDirectory()),
      });
      env
        .fromCollection(rows)
        .sinkTo(sinkOf({ schema, preAggregate: { maxRows: 10 } }))
        .uid('druid-sink');
      await env.execute('chunks');
      const found = await client.sql.query(`SELECT SUM("flights"), SUM("delay_sum") FROM "${dataSource}"`, {
        rowFormat: 'array',
      });
      expect(found).toEqual([[3_000, rows.reduce((sum, { delay }) => sum + (delay ?? 0), 0)]]);
    },
  );

  it('refuses options that cannot work', () => {
    const schema = flightSchema('flights');
    const make = (options: object) => () => sinkOf(options);
    expect(make({ schema: { ...schema, segmentGranularity: 'all' } })).toThrow(
      'one chunk without end is never final',
    );
    expect(make({ allowedLatenessMs: -1 })).toThrow("Option 'allowedLatenessMs' of the Druid sink is -1");
    expect(make({ deadLetters: { dataSource } })).toThrow('is named twice by one sink');
    expect(make({ via: 'http' })).toThrow("use 'native' or 'msq'");
    const counted = druidSchema<Flight>()({
      dataSource: 'flights',
      timestamp: 'date',
      dimensions: { origin: 'string' },
      metrics: { flights: { type: 'count' } },
      rollup: true,
      segmentGranularity: 'day',
    });
    expect(make({ via: 'msq', schema: counted })).toThrow('which writes rows as they are');
    expect(make({ via: 'msq', waitUntil: 'published' })).toThrow("use 'queryable' with via: 'msq'");
    // @ts-expect-error -- the next revision has to wait for its end in any case
    make({ mode: 'replace', schema, waitUntil: 'submitted' } satisfies Partial<ReplaceOptions>);
    expect(make({ waitUntil: 'submitted' })).toThrow("use 'queryable' or 'published'");
    expect(new DruidSink({ druid: client, schema, spoolDirectory }).partitionKey).toBeUndefined();
  });
});
