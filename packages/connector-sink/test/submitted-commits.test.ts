import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileCheckpointStorage, StreamExecutionEnvironment } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { OpenCommits } from '../src/commit/open-commits.js';
import { DruidSink, type CommitDone, type DruidSinkOptions, type SpoolCommittable } from '../src/index.js';
import { spoilRow } from './support/spoil-row.js';
import {
  SinkJob,
  flights,
  flightSchema,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from './support/sink-harness.js';

/** How long a machine with much to do may take. */
const BUSY = { timeout: 15_000 };

describe('open commits', () => {
  it('tell their failure to the next commit (invariant 1)', async () => {
    const open = new OpenCommits();
    const told: unknown[] = [];
    open.watch(Promise.reject(new Error('all attempts failed')), (error) => told.push(error));
    await open.settle();
    expect(told).toHaveLength(1);
    expect(() => open.throwIfFailed()).toThrow('all attempts failed');
    await expect(open.endAll(3)).rejects.toThrow('all attempts failed');
    open.reset();
    open.throwIfFailed();
    expect(open.mustEnd(3)).toBe(false);
  });

  it('are all over at a savepoint and at the end of input (invariant 2)', async () => {
    const open = new OpenCommits();
    let end: () => void = () => undefined;
    open.watch(
      new Promise<void>((resolve) => {
        end = resolve;
      }),
      () => undefined,
    );
    let isOver = false;
    const over = open.endAll(7).then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    end();
    await over;
    expect([open.mustEnd(7), open.mustEnd(8)]).toEqual([true, false]);
    await open.endAll(Infinity);
    expect(open.mustEnd(8)).toBe(true);
  });
});

describe("DruidSink with waitUntil: 'submitted'", () => {
  let druid: EmbeddedDruid;
  let client: DruidClient;
  let dataSource: string;
  let spoolDirectory: string;
  let events: CommitDone[];
  let sources = 0;

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
    events = [];
    dataSource = `submitted_${++sources}`;
    spoolDirectory = await temporaryDirectory();
  });

  const newSink = (options: Partial<DruidSinkOptions<Flight>> = {}) =>
    new DruidSink<Flight>({
      druid: client,
      schema: flightSchema(dataSource),
      spoolDirectory,
      inlineMaxBytes: 0,
      waitUntil: 'submitted',
      taskPollIntervalMs: 20,
      unavailableTimeoutMs: 1e12,
      onCommit: (event) => events.push(event),
      ...options,
    });

  /** Until the faults are cleared, nobody learns how a task has ended. */
  const hideStatuses = () => druid.failNext({ method: 'GET', path: /\/status$/, status: 503, times: 1e9 });
  const count = async () =>
    (await client.sql.query(`SELECT COUNT(*) FROM "${dataSource}"`, { rowFormat: 'array' }))[0]?.[0];
  const tasks = () => client.tasks.list({ datasource: dataSource });
  const entries = async (ending: string) =>
    (await readdir(join(spoolDirectory, 'druid-sink', 'job-1'))).filter((name) => name.endsWith(ending));
  const settled = (job: SinkJob) =>
    expect.poll(() => job.metrics.registry.value('operator_pendingFiles'), BUSY).toBe(0);

  it('has tasks of several checkpoints in Druid at once, and keeps their files until it knows their end', async () => {
    hideStatuses();
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    await committer.commit(await job.checkpoint(2, flights(30), flights(5)));
    expect(await tasks()).toHaveLength(3);
    expect(await entries('.ndjson')).toHaveLength(3);
    expect(await entries('.submitted.json')).toHaveLength(3);
    expect(job.metrics.registry.value('operator_pendingTasks')).toBe(3);
    expect(events).toEqual([]);
    druid.clearFaults();
    await settled(job);
    expect(await count()).toBe(55);
    expect([...(await entries('.ndjson')), ...(await entries('.json'))]).toEqual(['server.json']);
    expect(events.map(({ checkpointId }) => checkpointId).sort()).toEqual([1, 2, 2]);
  });

  it('has no more tasks in Druid than it may, over all checkpoints', async () => {
    hideStatuses();
    const job = new SinkJob(newSink({ maxConcurrentTasks: 2 }));
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20), flights(30)));
    const second = committer.commit(await job.checkpoint(2, flights(10)));
    await expect.poll(() => job.metrics.registry.value('operator_pendingFiles'), BUSY).toBe(3);
    expect(await tasks()).toHaveLength(2);
    druid.clearFaults();
    await second;
    await settled(job);
    expect(await count()).toBe(60);
  });

  it('makes writers wait while the files of confirmed commits fill the disk', async () => {
    hideStatuses();
    const job = new SinkJob(newSink({ maxSpoolBytes: 1 }));
    const committer = await job.committer();
    const writer = await job.writer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    const waiting = writer.backPressure?.();
    expect(waiting).toBeDefined();
    druid.clearFaults();
    await waiting;
    expect(events).toHaveLength(1);
    await writer.close();
  });

  /** A process that has a commit confirmed, and dies before it learns of its task's end, but not before `reached`. */
  async function dieAfterSubmission(reached?: () => Promise<void>) {
    hideStatuses();
    const dead = new SinkJob(newSink());
    const committer = await dead.committer();
    const requests = await dead.checkpoint(1, flights(20));
    await committer.commit(requests);
    await reached?.();
    dead.crash();
    await committer.close?.();
    druid.clearFaults();
    return requests;
  }

  it('sees through what an earlier process has submitted, though no checkpoint names its file any more', async () => {
    // The Overlord takes the task, and loses it.
    druid.failNext({ method: 'POST', path: /\/task$/, status: 200, body: { task: 'lost' } });
    await dieAfterSubmission();
    expect(await entries('.submitted.json')).toHaveLength(1);
    const job = new SinkJob(newSink());
    await job.committer();
    await settled(job);
    expect(await count()).toBe(20);
    expect(events).toMatchObject([{ checkpointId: 1, rows: 20, isRecovered: true }]);
    expect([...(await entries('.ndjson')), ...(await entries('.submitted.json'))]).toEqual([]);
  });

  it('does so under any other waitUntil, and commits a file once that the checkpoint names as well', async () => {
    // A task that still reads fails with the process that serves its file: that takes a second one.
    const requests = await dieAfterSubmission(() => expect.poll(count, BUSY).toBe(20));
    const job = new SinkJob(newSink({ waitUntil: 'queryable' }));
    const committer = await job.committer(requests);
    await committer.commit(requests);
    expect(await count()).toBe(20);
    expect(await tasks()).toHaveLength(1);
    expect(await entries('.submitted.json')).toEqual([]);
  });

  it('fails the next commit when a task has failed for good, and begins with it after a restart', async () => {
    const logger = recordingLogger();
    const job = new SinkJob(newSink(), { logger });
    const committer = await job.committer();
    const first = await job.checkpoint(1, flights(20));
    await spoilRow(spoolDirectory, first[0], 3);
    await committer.commit(first);
    await expect
      .poll(() => logger.messages, BUSY)
      .toContain('A submitted task has failed for good; the job fails with its next commit');
    const next = await job.checkpoint(2, flights(3));
    await expect(committer.commit(next)).rejects.toThrow('line 3: ');
    job.crash();
    await committer.close?.();

    const again = new SinkJob(newSink({ onRejectedRow: () => undefined }));
    await (await again.committer(next)).commit(next);
    await settled(again);
    expect(await count()).toBe(22);
  });

  it('leaves nothing open at a savepoint and at the end of input (invariant 2 of open commits)', async () => {
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    const writer = await job.writer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    await writer.prepareCommit?.(2, true);
    expect(events).toHaveLength(1);
    // The savepoint's own rows, which are committed before it is written.
    await committer.commit(await job.checkpoint(2, flights(30)));
    expect(events).toHaveLength(2);
    hideStatuses();
    await committer.commit(await job.checkpoint(3, flights(40)));
    expect(events).toHaveLength(2);
    druid.clearFaults();
    await writer.flush(true);
    expect(events).toHaveLength(3);
    await committer.commit(await job.checkpoint(4, flights(50)));
    expect(events).toHaveLength(4);
    await writer.close();
    expect(await count()).toBe(140);
  });

  it('is a sink of the engine: when the job has ended, all its rows are in Druid', async () => {
    const storage = new FileCheckpointStorage(await temporaryDirectory());
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
    env.enableCheckpointing({ intervalMs: 20, storage });
    env.fromCollection(flights(3_000)).sinkTo(newSink()).uid('druid-sink');
    await env.execute('flights');
    expect(await count()).toBe(3_000);
  });

  it.each([true, false])(
    'is exact when it crashes after an answer of Druid, whether the restored checkpoint names its files (%s) or not',
    async (isNamed) => {
      for (const fatal of [4, 9, 14, 19, 24, 29]) {
        dataSource = `submitted_${sources}_${fatal}`;
        const options = {
          waitUntil: 'submitted',
          compression: 'gzip',
          deadLetters: { dataSource: `letters_${sources}_${fatal}` },
        } as const;
        let answers = 0;
        const onResponse = () => {
          answers += 1;
          if (answers === fatal) dead.crash();
        };
        const telling = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 }, hooks: { onResponse } });
        const dead = new SinkJob(newSink({ ...options, druid: telling }), { jobId: `job-${fatal}` });
        const committer = await dead.committer();
        const requests = await dead.checkpoint(1, flights(20), flights(10));
        await spoilRow(spoolDirectory, requests[0], 7);
        await spoilRow(spoolDirectory, requests[0], 9);
        const isConfirmed = await committer.commit(requests).then(
          () => true,
          () => false,
        );
        const isDead = () => answers >= fatal || dead.metrics.registry.value('operator_pendingFiles') === 0;
        if (isConfirmed) await expect.poll(isDead, BUSY).toBe(true);
        dead.crash();
        await committer.close?.();
        telling.close();

        const pending = isNamed || !isConfirmed ? requests : [];
        const job = new SinkJob(newSink(options), { jobId: `job-${fatal}` });
        const next = await job.committer(pending);
        if (pending.length > 0) await next.commit(pending);
        await settled(job);
        expect([fatal, await count()]).toEqual([fatal, 28]);
        const letters = await client.sql.query(`SELECT COUNT(*) FROM "letters_${sources}_${fatal}"`, {
          rowFormat: 'array',
        });
        expect([fatal, letters]).toEqual([fatal, [[2]]]);
      }
    },
  );

  it('does not begin with a checkpoint that still had a file open which Druid has been given', async () => {
    hideStatuses();
    const options = { minCommitRows: 20 };
    const dead = new SinkJob(newSink(options));
    const committer = await dead.committer();
    const writer = await dead.writer();
    const context = { timestamp: undefined, currentWatermark: -Infinity };
    for (const row of flights(10)) writer.write(row, context);
    expect(await writer.prepareCommit?.(1, false)).toEqual([]);
    const older = writer.snapshotState?.(1) ?? [];
    for (const row of flights(10, 10)) writer.write(row, context);
    const [committable] = (await writer.prepareCommit?.(2, false)) as readonly SpoolCommittable[];
    await committer.commit([{ checkpointId: 2, subtaskIndex: 0, committable: committable! }]);
    dead.crash();
    await committer.close?.();
    druid.clearFaults();

    // Its rows would be written once more, behind those that Druid has.
    const next = await newSink(options).createCommitter(new SinkJob(newSink(options)).context());
    onTestFinished(() => next.close?.());
    const recover = async () => next.recover?.([], older);
    await expect(recover()).rejects.toThrow(/older than.*checkpoint 2/);
    expect(await entries('.ndjson')).toHaveLength(1);
  });

  it('entries that cannot be read stop the start: nobody else knows of those rows', async () => {
    await dieAfterSubmission();
    const [entry] = await entries('.submitted.json');
    await writeFile(join(spoolDirectory, 'druid-sink', 'job-1', entry!), '{');
    await expect(new SinkJob(newSink()).committer()).rejects.toThrow(entry!);
  });
});
