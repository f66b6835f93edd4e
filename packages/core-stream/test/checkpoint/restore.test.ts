import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type CheckpointConfig,
  type DataStream,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, quiet, until } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

const none = WatermarkStrategy.noWatermarks<number>();

async function finishedJob(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await start(storage, {});
  return storage;
}

function start(
  storage: MemoryStorage,
  options: { jobName?: string; maxParallelism?: number; uid?: string; restore?: CheckpointConfig['restore'] },
) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    clock,
    ...(options.maxParallelism === undefined ? {} : { maxParallelism: options.maxParallelism }),
  });
  env.enableCheckpointing({
    intervalMs: 10,
    storage,
    ...(options.restore === undefined ? {} : { restore: options.restore }),
  });
  env
    .fromSource(new ScriptedSource<number>([[{ value: 1 }]]), none, 'In')
    .uid('in')
    .keyBy((n) => n)
    .process<number>(() => ({ processElement: (n, _context, out) => out.collect(n) }))
    .uid(options.uid ?? 'map')
    .sinkTo(new CollectingSink<number>())
    .uid('out');
  return drive(env.executeAsync(options.jobName ?? 'job'), clock);
}

describe('a restart', () => {
  it('goes on from the newest checkpoint, in the same lineage, with totals over all runs', async () => {
    const storage = await finishedJob();
    const first = storage.checkpoints[0];
    const result = await start(storage, {});
    expect(result.checkpoints).toMatchObject({ restoredId: 1, lastId: 2, completed: 1 });
    expect(result.jobId).toBe(first?.jobId);
    expect(result.operators.find(({ uid }) => uid === 'map')?.recordsIn).toBe(1);
  });

  it.each([
    ['another job', { jobName: 'other' }, "belongs to the job 'job', not to 'other'"],
    [
      'another max parallelism',
      { maxParallelism: 64 },
      'was taken with max parallelism 128, the program has 64',
    ],
    ['a program without the operator', { uid: 'renamed' }, "with uid 'map', which the program does not have"],
    ["'none' where there is one", { restore: 'none' as const }, 'but the job is to start afresh'],
  ])('is refused for %s', async (_what, options, message) => {
    const storage = await finishedJob();
    const error = await failureOf(start(storage, options));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(message);
    expect(storage.checkpoints).toHaveLength(1);
  });

  it("with 'none' is a start where there is nothing", async () => {
    const result = await start(new MemoryStorage(), { restore: 'none' });
    expect(result.checkpoints.restoredId).toBeUndefined();
  });

  it('has the identity of the first start, also where that was killed before its first checkpoint', async () => {
    const storage = new MemoryStorage();
    storage.beforeWrite = () => {
      throw new Error('killed');
    };
    await failureOf(start(storage, {}));
    const claimed = await storage.claim({ jobName: 'job', jobId: 'another' });
    await storage.release();
    storage.beforeWrite = () => undefined;
    expect((await start(storage, {})).jobId).toBe(claimed.jobId);
    expect(claimed.jobId).not.toBe('another');
  });

  it('refuses open windows of another size under the same uid', async () => {
    const storage = new MemoryStorage();
    const run = async (sizeMs: number, script: ConstructorParameters<typeof ScriptedSource<number>>[0]) => {
      const clock = new ManualClock();
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env
        .fromSource(
          new ScriptedSource<number>(script),
          WatermarkStrategy.forMonotonousTimestamps<number>(),
          'In',
        )
        .uid('in')
        .keyBy((n) => n)
        .window(TumblingEventTimeWindows.of(sizeMs))
        .reduce((a) => a)
        .uid('windows')
        .sinkTo(new CollectingSink<number>())
        .uid('out');
      return { clock, job: env.executeAsync('windows') };
    };
    const first = await run(1000, [[{ value: 1, timestamp: 500 }, PAUSE]]);
    const waiting = failureOf(first.job.result);
    await until(() =>
      first.job.snapshot().operators.some(({ uid, recordsIn }) => uid === 'windows' && recordsIn === 1),
    );
    first.clock.advance(10);
    await until(() => storage.lastId === 1);
    first.job.cancel();
    await waiting;
    const second = await run(2000, [[]]);
    const error = (await failureOf(second.job.result)) as Error;
    expect(error.message).toContain('TumblingEventTimeWindows(1000 ms)');
    expect(error.message).toContain('TumblingEventTimeWindows(2000 ms)');
  });

  it('of a job whose state cannot be decoded is refused, not guessed', async () => {
    const storage = await finishedJob();
    const newest = storage.checkpoints[0];
    if (newest === undefined) throw new Error('no checkpoint');
    storage.checkpoints[0] = {
      ...newest,
      operators: newest.operators.map((part) => ({ ...part, subtasks: [Uint8Array.of(11, 255, 0, 0, 0)] })),
    };
    expect(await failureOf(start(storage, {}))).toBeInstanceOf(Error);
  });

  it('commits what the checkpoint had left, once, before anything new', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const system = new ExternalSystem<number>();
    const source = new ScriptedSource<number>([[{ value: 1 }, PAUSE, { value: 2 }]]);
    let isCommitting = false;
    const run = (isStuck: boolean) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env.fromSource(source, none, 'In').sinkTo(
        new TransactionalSink(system, (point) => {
          if (point !== 'before commit') return;
          isCommitting = true;
          if (isStuck) throw new Error('the other side is away');
        }),
      );
      return env.executeAsync('job');
    };
    const first = run(true);
    await until(() => source.emitted === 1);
    clock.advance(10);
    const error = await failureOf(first.result);
    expect(isCommitting).toBe(true);
    expect(error.message).toContain(
      "'Sink' (subtask 0) failed while committing checkpoint 1: the other side is away",
    );
    expect(storage.checkpoints[0]?.pendingCommits[0]?.requests).toHaveLength(1);
    // Prepared by a run that died before its checkpoint was durable: nobody will ever commit it.
    system.prepared.set('orphan', [99]);
    const second = run(false);
    await until(() => system.visible.length === 1);
    expect(system.prepared.has('orphan')).toBe(false);
    source.resume();
    await drive(second, clock);
    expect(system.visible).toEqual([1, 2]);
  });

  it('is refused where what the checkpoint had left has lost its committer', async () => {
    const storage = await finishedJob();
    const newest = storage.checkpoints[0];
    if (newest === undefined) throw new Error('no checkpoint');
    storage.checkpoints[0] = {
      ...newest,
      pendingCommits: [
        { uid: 'out', requests: [{ checkpointId: 1, subtaskIndex: 0, committable: 'transaction' }] },
      ],
    };
    const error = await failureOf(start(storage, {}));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain("The sink with uid 'out' has 1 prepared commit and no committer");
  });

  it('at another parallelism gives the splits back to the enumerator, and totals stay', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const scripts = Array.from(
      { length: 5 },
      (_, split) =>
        [
          ...Array.from({ length: 10 }, (__, i) => ({ value: split * 100 + i })),
          PAUSE,
          ...Array.from({ length: 10 }, (__, i) => ({ value: split * 100 + 50 + i })),
        ] as const,
    );
    const source = new ScriptedSource<number>(scripts);
    const system = new ExternalSystem<string>();
    const run = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env
        .fromSource(source, none, 'In')
        .keyBy((n) => n % 100)
        .process<string>((context) => {
          const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
          return {
            processElement(n, { currentKey }, out) {
              count.update((count.value() ?? 0) + 1);
              out.collect(`${currentKey} ${String(count.value())}`);
              void n;
            },
          };
        })
        .sinkTo(new TransactionalSink(system));
      return env.executeAsync('rescale');
    };
    const first = run(2);
    await until(() => source.emitted === 50);
    clock.advance(10);
    await until(() => system.visible.length === 50);
    first.cancel();
    await failureOf(first.result);
    await quiet();
    expect(source.returnedSplits).toBe(0);
    source.resume();
    const result = await drive(run(3), clock);
    expect(source.returnedSplits).toBe(5);
    expect(source.emitted).toBe(100);
    const expected = [...Array(10).keys(), ...Array.from({ length: 10 }, (_, i) => 50 + i)].flatMap((key) =>
      Array.from({ length: 5 }, (_, n) => `${key} ${n + 1}`),
    );
    expect(system.visible.sort()).toEqual(expected.sort());
    expect(result.operators.map(({ recordsIn, recordsOut }) => [recordsIn, recordsOut])).toEqual([
      [0, 100],
      [100, 100],
      [100, 0],
    ]);
  });

  it('gives every state of a sink’s writers to one writer, at any parallelism', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const seen: string[][] = [];
    for (const parallelism of [2, 3, 1, 2]) {
      const given: string[] = [];
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 1000, storage });
      env
        .fromCollection([1])
        .sinkTo<never, string>({
          createWriter: ({ subtaskIndex }, restored) => {
            given.push(...restored);
            return {
              write: () => undefined,
              flush: () => undefined,
              // Its own states go on, and each run adds one per writer.
              snapshotState: () => [...restored, `run ${seen.length} writer ${subtaskIndex}`],
              close: () => undefined,
            };
          },
        })
        .uid('out');
      await drive(env.executeAsync('writers'), clock);
      seen.push(given.sort());
    }
    const run = (index: number, writers: number) =>
      Array.from({ length: writers }, (_, writer) => `run ${index} writer ${writer}`);
    expect(seen).toEqual([
      [],
      run(0, 2),
      [...run(0, 2), ...run(1, 3)],
      [...run(0, 2), ...run(1, 3), ...run(2, 1)],
    ]);
  });

  it('gives each writer of a sink its own states, at the same parallelism', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const given: Record<number, readonly string[]> = {};
    for (let run = 0; run < 2; run++) {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism: 2 });
      env.enableCheckpointing({ intervalMs: 1000, storage });
      env
        .fromCollection([1])
        .sinkTo<never, string>({
          createWriter: ({ subtaskIndex }, restored) => {
            given[subtaskIndex] = restored;
            return {
              write: () => undefined,
              flush: () => undefined,
              snapshotState: () => (subtaskIndex === 0 ? ['first of 0', 'second of 0'] : ['of 1']),
              close: () => undefined,
            };
          },
        })
        .uid('out');
      await drive(env.executeAsync('writers'), clock);
    }
    expect(given).toEqual({ 0: ['first of 0', 'second of 0'], 1: ['of 1'] });
  });
});

describe('a program that has changed', () => {
  /** Runs once with `first`, cancels, and then with `second`, over the same storage; each adds its part to the stream. */
  const change = async (
    first: (stream: DataStream<number>) => void,
    second: (stream: DataStream<number>) => void,
    config: Partial<CheckpointConfig> = {},
  ) => {
    const storage = new MemoryStorage();
    const start = (build: (stream: DataStream<number>) => void) => {
      const clock = new ManualClock();
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage, ...config });
      const stream = env.fromSource(new ScriptedSource<number>([[{ value: 1 }]]), none, 'In').uid('in');
      build(stream);
      stream.sinkTo(new CollectingSink<number>()).uid('out');
      return drive(env.executeAsync('job'), clock);
    };
    await start(first);
    return start(second);
  };
  const count = (stream: DataStream<number>) =>
    stream
      .keyBy((n) => n)
      .process<number>((context) => {
        const seen = context.getState(new ValueStateDescriptor<number>('seen'));
        return { processElement: (n) => seen.update(n) };
      })
      .uid('count')
      .sinkTo(new CollectingSink<number>())
      .uid('counted');
  const nothing = () => undefined;

  it('may leave out what has no state', async () => {
    const stateless = (stream: DataStream<number>) =>
      stream
        .filter((n) => n > 0)
        .uid('filter')
        .process<number>(() => ({ processElement: nothing }))
        .uid('process')
        .sinkTo(new CollectingSink<number>())
        .uid('debug');
    await expect(change(stateless, nothing)).resolves.toMatchObject({ checkpoints: { restoredId: 1 } });
  });

  it('may leave state behind only where that is allowed', async () => {
    const error = await failureOf(change(count, nothing));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain("holds state of an operator with uid 'count'");
    expect(error.message).toContain('allowNonRestoredState');
    await expect(change(count, nothing, { allowNonRestoredState: true })).resolves.toBeDefined();
  });

  it('is refused where another kind of operator has the uid', async () => {
    const error = await failureOf(
      change(count, (stream) =>
        stream
          .keyBy((n) => n)
          .reduce((a) => a)
          .uid('count')
          .sinkTo(new CollectingSink<number>())
          .uid('counted'),
      ),
    );
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain("holds state of a 'KeyedProcess' under the uid 'count'");
  });
});
