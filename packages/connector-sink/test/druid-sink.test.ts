import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileCheckpointStorage, StreamExecutionEnvironment } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { DruidSink, DruidSinkError, type CommitDone, type DruidSinkOptions } from '../src/index.js';
import { failNextTask } from './support/broken-reads.js';
import {
  FIRST_DAY,
  SinkJob,
  flights,
  flightSchema,
  hastyClock,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from './support/sink-harness.js';

let druid: EmbeddedDruid;
let client: DruidClient;
let dataSource: string;
let spoolDirectory: string;
let sources = 0;

const POST_TASK = { method: 'POST', path: /^\/druid\/indexer\/v1\/task$/ };

beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  client = newClient(druid);
});
afterAll(async () => {
  client.close();
  await druid.stop();
});
beforeEach(async () => {
  druid.clearFaults();
  dataSource = `flights_${++sources}`;
  spoolDirectory = await temporaryDirectory();
});

/** A client that leaves repeating to the sink. */
function newClient({ url }: EmbeddedDruid): DruidClient {
  return new DruidClient({ url, retry: { maxAttempts: 1 } });
}

function newSink(options: Partial<DruidSinkOptions<Flight>> = {}) {
  return new DruidSink<Flight>({
    druid: client,
    schema: flightSchema(dataSource),
    spoolDirectory,
    inlineMaxBytes: 0,
    ...options,
  });
}

const count = async () => {
  const rows = await client.sql.query(`SELECT COUNT(*) FROM "${dataSource}"`, { rowFormat: 'array' });
  return Number(rows[0]?.[0]);
};
const spoolFiles = async () =>
  (await readdir(join(spoolDirectory, 'druid-sink', 'job-1'))).filter((name) => name.endsWith('.ndjson'));

async function failure(promise: Promise<unknown>): Promise<DruidSinkError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!DruidSinkError.is(error))
    throw new Error(`Not an error of the sink: ${String(error)}`, { cause: error });
  return error;
}

describe('DruidSink', () => {
  it('appends the files of each checkpoint, and deletes them afterwards', async () => {
    const events: CommitDone[] = [];
    const job = new SinkJob(newSink({ druid: { url: druid.url }, onCommit: (event) => events.push(event) }));
    const committer = await job.committer();
    const first = await job.checkpoint(1, flights(100), flights(50), []);
    expect(first.map(({ committable }) => committable.rows)).toEqual([100, 50]);
    await committer.commit(first);
    expect(await count()).toBe(150);
    await committer.commit(await job.checkpoint(2, flights(10)));
    expect(await count()).toBe(160);
    expect(await spoolFiles()).toEqual([]);
    expect(events.map(({ rows, attempt, isRecovered }) => ({ rows, attempt, isRecovered }))).toContainEqual({
      rows: 100,
      attempt: 1,
      isRecovered: false,
    });
    expect(events[0]?.timings.queryableMs).toBeGreaterThanOrEqual(events[0]?.timings.taskDoneMs ?? Infinity);
  });

  it('sends small files inside the task', async () => {
    const job = new SinkJob(newSink({ inlineMaxBytes: 65_536 }));
    const committer = await job.committer();
    await committer.commit(
      await job.checkpoint(1, [{ date: FIRST_DAY, origin: 'quote " and Ünïcode \u0001', delay: 1 }]),
    );
    expect(await client.sql.query(`SELECT "origin", "delay" FROM "${dataSource}"`)).toEqual([
      { origin: 'quote " and Ünïcode \u0001', delay: 1 },
    ]);
  });

  it('writes once when the answer to a submission is lost', async () => {
    druid.failNext({ ...POST_TASK, dropConnection: 'after-handling' });
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    expect(await count()).toBe(20);
  });

  it('posts again when the submission itself is lost, or the Overlord has no leader', async () => {
    druid.failNext({ ...POST_TASK, dropConnection: 'before-handling' });
    druid.failNext({ ...POST_TASK, status: 503 });
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    expect(await count()).toBe(20);
  });

  it('waits out an outage in the middle of a commit', async () => {
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20));
    druid.failNext({ method: 'GET', path: '/druid/indexer', status: 503, times: 3 });
    druid.failNext({ path: '/druid/coordinator', status: 500, times: 2 });
    druid.failNext({ path: '/druid/v2', dropConnection: true });
    await committer.commit(requests);
    expect(await count()).toBe(20);
  });

  it('fails with the next step when an outage outlasts its patience, and continues after a restart', async () => {
    const job = new SinkJob(newSink({ unavailableTimeoutMs: 5_000 }));
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20));
    druid.failNext({ path: '/druid/indexer', status: 503, times: 1_000 });
    const error = await failure(committer.commit(requests));
    expect([error.code, error.retryable]).toEqual(['DRUID_SINK_CONNECTION', true]);
    druid.clearFaults();
    await committer.close?.();
    await (await job.committer(requests)).commit(requests);
    expect(await count()).toBe(20);
  });

  it('says that credentials are wrong, at the start', async () => {
    druid.failNext({ path: '/druid/v2/sql', status: 401 });
    const error = await failure(new SinkJob(newSink()).committer());
    expect([error.code, error.retryable]).toEqual(['DRUID_SINK_CONNECTION', false]);
    expect(error.message).toContain("Check the credentials in option 'druid'");
  });

  it('repeats a whole commit without writing twice, in this process and in the next', async () => {
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20), flights(30));
    await committer.commit(requests);
    await committer.commit(requests);
    await committer.close?.();
    const next = await job.committer(requests);
    await next.commit(requests);
    expect(await count()).toBe(50);
  });

  it('goes on after a crash between the checkpoint and its commit, and deletes what no checkpoint names', async () => {
    const dead = new SinkJob(newSink());
    const deadCommitter = await dead.committer();
    const requests = await dead.checkpoint(1, flights(20));
    await dead.checkpoint(2, flights(99)); // never durable
    dead.crash();
    await deadCommitter.close?.();
    const job = new SinkJob(newSink());
    const committer = await job.committer(requests);
    expect(await spoolFiles()).toHaveLength(1);
    await committer.commit(requests);
    expect(await count()).toBe(20);
  });

  it('writes once when it crashes after each single answer of Druid', async () => {
    for (let answers = 1; answers <= 12; answers++) {
      dataSource = `crash_${answers}_${sources}`;
      const dead = new SinkJob(newSink());
      const committer = await dead.committer();
      const requests = await dead.checkpoint(1, flights(20));
      const commit = committer.commit(requests).catch(() => undefined);
      for (let turn = 0; turn < answers * 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      dead.crash();
      await commit;
      await committer.close?.();
      const job = new SinkJob(newSink());
      await (await job.committer(requests)).commit(requests);
      expect(await count()).toBe(20);
    }
  });

  it('counts and tries again when a task fails before it publishes', async () => {
    failNextTask();
    const logger = recordingLogger();
    const events: CommitDone[] = [];
    const job = new SinkJob(newSink({ onCommit: (event) => events.push(event) }), { logger });
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    expect(events.map(({ attempt }) => attempt)).toEqual([2]);
    expect(await count()).toBe(20);
    expect(logger.messages).toContain('A task has ended without success; its rows were counted: none');
  });

  it('asks again for a report in whose place the Overlord passes on an error page of the worker', async () => {
    const page = { status: 200, body: '<html><title>Error 404 Not Found</title></html>' };
    druid.failNext({ ...page, path: /\/reports$/, times: 2 });
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    expect(await count()).toBe(20);
  });

  it('refuses to guess after a failed task when rows carry no commit id', async () => {
    failNextTask();
    const job = new SinkJob(newSink({ commitIdColumn: false }));
    const committer = await job.committer();
    const error = await failure(committer.commit(await job.checkpoint(1, flights(20))));
    expect(error.code).toBe('DRUID_SINK_CHECKPOINT');
    expect(error.message).toContain("Leave 'commitIdColumn' on");
  });

  it('works without a commit id as long as no task fails', async () => {
    const job = new SinkJob(newSink({ commitIdColumn: false }));
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, flights(20)));
    expect(await count()).toBe(20);
  });

  it('names a pending file that is gone, unless Druid has its rows', async () => {
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    const done = await job.checkpoint(1, flights(20));
    await committer.commit(done);
    const lost = await job.checkpoint(2, flights(30));
    const file = join(spoolDirectory, lost[0]?.committable.file ?? '');
    await committer.close?.();

    await rm(file);
    const next = await job.committer([...done, ...lost]);
    await next.commit(done);
    const error = await failure(next.commit(lost));
    expect(error.code).toBe('DRUID_SINK_CHECKPOINT');
    expect(error.message).toContain(file);
    await next.close?.();

    await writeFile(file, 'x'.repeat(lost[0]?.committable.bytes ?? 0));
    const other = await job.committer(lost);
    expect((await failure(other.commit(lost))).message).toContain('is not what the checkpoint names');
    expect(await count()).toBe(20);
  });

  it('leaves the files of other sinks and other jobs in the same directory alone', async () => {
    const one = new SinkJob(newSink(), { operatorUid: 'one' });
    const two = new SinkJob(newSink(), { operatorUid: 'two' });
    const other = new SinkJob(newSink(), { operatorUid: 'one', jobId: 'job-2' });
    const [ofOne, ofTwo, ofOther] = [
      await one.checkpoint(1, flights(1)),
      await two.checkpoint(1, flights(2)),
      await other.checkpoint(1, flights(4)),
    ];
    for (const [job, requests] of [
      [one, ofOne],
      [two, ofTwo],
      [other, ofOther],
    ] as const) {
      await (await job.committer(requests)).commit(requests);
    }
    expect(await count()).toBe(7);
  });

  it('deletes nothing where the checkpoint was in another mode', async () => {
    const job = new SinkJob(newSink());
    await job.checkpoint(1, flights(3));
    const committer = await newSink().createCommitter(job.context());
    onTestFinished(() => committer.close?.());
    const chunk = { version: 1, kind: 'chunk', parts: [], open: null };
    const revision = { checkpointId: 1, subtaskIndex: 0, committable: { version: 1, kind: 'revision' } };
    const recover = async (pending: readonly (typeof revision)[], states: readonly unknown[]) =>
      committer.recover?.(pending, states);
    for (const error of [await failure(recover([], [chunk])), await failure(recover([revision], []))])
      expect([error.code, error.message]).toEqual([
        'DRUID_SINK_CHECKPOINT',
        expect.stringContaining('in another mode'),
      ]);
    expect(await spoolFiles()).toHaveLength(1);
  });

  it('cannot have a part of a task at once: its commits would do nothing', () => {
    for (const option of ['maxConcurrentTasks', 'maxAttempts'])
      expect(() => newSink({ [option]: 0.5 })).toThrow(`'${option}' of the Druid sink is 0.5`);
  });

  it('lists every column that exists with another type, before a record is read', async () => {
    const job = new SinkJob(newSink());
    await (await job.committer()).commit(await job.checkpoint(1, flights(20)));
    const { dimensions, ...schema } = flightSchema(dataSource);
    const swapped = dimensions.map(
      ({ name, type }) => ({ name, type: type === 'long' ? 'double' : 'long' }) as const,
    );
    const error = await failure(
      new SinkJob(newSink({ schema: { ...schema, dimensions: swapped } })).committer(),
    );
    expect(error.code).toBe('DRUID_SINK_CONFIG');
    expect(error.message).toContain(
      "'origin' is VARCHAR, the schema says BIGINT; 'delay' is BIGINT, the schema says DOUBLE",
    );
  });

  it('stops when rows never become queryable, and says what it saw', async () => {
    const job = new SinkJob(newSink({ queryableTimeoutMs: 1_000 }), { clock: hastyClock() });
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20));
    druid.failNext({
      path: '/druid/v2/sql',
      status: 400,
      body: { errorMessage: "Object 'x' not found" },
      times: 1_000,
    });
    const error = await failure(committer.commit(requests));
    expect([error.code, error.retryable]).toEqual(['DRUID_SINK_TIMEOUT', true]);
    expect(error.message).toContain('of 20');
  });

  it('reports what Druid has against a task that it refuses', async () => {
    const job = new SinkJob(newSink({ tuningConfig: { maxRowsInMemory: 'many' } }));
    const committer = await job.committer();
    druid.failNext({ ...POST_TASK, status: 400, body: { error: 'Cannot deserialize maxRowsInMemory' } });
    const error = await failure(committer.commit(await job.checkpoint(1, flights(20))));
    expect([error.code, error.retryable]).toEqual(['DRUID_SINK_TASK', false]);
    expect(error.message).toContain('Cannot deserialize maxRowsInMemory');
  });

  it('is a sink of the engine: a job writes each record once, and again nothing when it is run again', async () => {
    const checkpoints = await temporaryDirectory();
    const run = async () => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
      env.enableCheckpointing({
        intervalMs: 20,
        storage: new FileCheckpointStorage(checkpoints),
      });
      env
        .fromCollection(flights(3_000))
        .sinkTo(newSink({ inlineMaxBytes: 1_000 }))
        .uid('druid-sink');
      await env.execute('flights');
    };
    await run();
    expect(await count()).toBe(3_000);
    await run();
    expect(await count()).toBe(3_000);
  });
});
