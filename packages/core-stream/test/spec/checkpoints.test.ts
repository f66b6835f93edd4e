/** SPEC.md, "Checkpoints": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import {
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type CheckpointConfig,
} from '../../src/index.js';
import {
  drive,
  ExternalSystem,
  ManualClock,
  MemoryCheckpointStorage,
  PAUSE,
  ScriptedSource,
  TransactionalSink,
  until,
} from '../../src/testing/index.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';

const KEYS = 5;
const steps = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => ({ value: from + n }));

/** Every number once: its key, and how many of that key there were. */
function numbered(to: number): string[] {
  return Array.from({ length: to }, (_, n) => `${n % KEYS}#${Math.floor(n / KEYS) + 1}`).sort();
}

/** Counts per key, exactly once, in a world that survives the job. */
function createJob(source: ScriptedSource<number>, storage = new MemoryCheckpointStorage()) {
  const clock = new ManualClock();
  const system = new ExternalSystem<string>();
  system.isDurable = (id) => storage.checkpoints.some(({ checkpointId }) => checkpointId === id);
  const start = (config: Partial<CheckpointConfig> = {}, parallelism = 1) => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism, maxParallelism: 8 });
    env.enableCheckpointing({ intervalMs: 10, storage, ...config });
    env
      .fromSource(source, WatermarkStrategy.noWatermarks<number>(), 'numbers')
      .uid('numbers')
      .keyBy((n) => n % KEYS)
      .process<string>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement(n, _context, out) {
            const next = (count.value() ?? 0) + 1;
            count.update(next);
            out.collect(`${n % KEYS}#${next}`);
          },
        };
      })
      .uid('count')
      .sinkTo(new TransactionalSink(system))
      .uid('out');
    return env.executeAsync('checkpoints');
  };
  return { clock, storage, system, start, visible: () => [...system.visible].sort() };
}

describe('checkpoints', () => {
  it('P1: one checkpoint at a time, numbers ascend', async () => {
    const source = new ScriptedSource([[...steps(0, 20), PAUSE, ...steps(20, 30)]]);
    const { clock, storage, start, visible } = createJob(source);
    const job = start();
    await until(() => source.emitted === 20);
    let writing = 0;
    storage.beforeWrite = async () => {
      expect(++writing).toBe(1);
      for (let i = 0; i < 3; i++) clock.advance(10); // three fall due meanwhile
      await quiet(5);
      writing--;
    };
    await until(
      () => storage.checkpoints.length === 4,
      () => clock.advance(1),
    );
    storage.beforeWrite = () => undefined;
    source.resume();
    await drive(job, clock);
    const ids = storage.checkpoints.map(({ checkpointId }) => checkpointId);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    expect(visible()).toEqual(numbered(30));
  });

  it('P2: a checkpoint that is not complete is never restored', async () => {
    const source = new ScriptedSource([[...steps(0, 10), PAUSE, ...steps(10, 20), PAUSE, ...steps(20, 30)]]);
    const { clock, storage, start, visible } = createJob(source);
    const first = start();
    await until(() => source.emitted === 10);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    const disk = createGate();
    storage.beforeWrite = () => disk.opened;
    source.resume();
    await until(() => source.emitted === 20);
    clock.advance(10);
    await quiet();
    first.cancel();
    disk.fail(new Error('the process is gone'));
    await failureOf(first.result);
    storage.beforeWrite = () => undefined;
    source.resume();
    const second = start();
    source.resume();
    expect((await drive(second, clock)).checkpoints.restoredId).toBe(1);
    expect(visible()).toEqual(numbered(30));
  });

  it('P3: as many checkpoints in a row may fail as are tolerable, then the job fails', async () => {
    const source = new ScriptedSource([[...steps(0, 10), PAUSE]]);
    const { clock, storage, start } = createJob(source);
    const job = start({ tolerableFailures: 2 });
    await until(() => source.emitted === 10);
    let failures = 0;
    storage.beforeWrite = ({ checkpointId }) => {
      if (checkpointId === 3) return;
      failures++;
      throw new Error(`no room for ${checkpointId}`);
    };
    await until(
      () => storage.lastId === 3,
      () => clock.advance(5),
    );
    expect(job.snapshot().checkpoints).toMatchObject({ completed: 1, failed: 2, lastId: 3 });
    const error = await failureOf(drive(job, clock, 5));
    expect(error.message).toContain('no room for 6');
    expect(error.message).toContain('3 checkpoints in a row have failed');
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT', retryable: true });
    expect(failures).toBe(5);
  });

  it('P4: what an aborted checkpoint has taken is in the next one, each record once', async () => {
    const source = new ScriptedSource([
      [...steps(0, 10), PAUSE, ...steps(10, 20), PAUSE, ...steps(20, 30), PAUSE, ...steps(30, 40)],
    ]);
    const { clock, storage, system, start, visible } = createJob(source);
    const first = start({ tolerableFailures: 5 });
    await until(() => source.emitted === 10);
    const putSegment = storage.putSegment.bind(storage);
    const fail = () => Promise.reject(new Error('the disk is full'));
    storage.putSegment = fail;
    clock.advance(10);
    await until(() => first.snapshot().checkpoints.failed === 1); // its rows could not be stored
    source.resume();
    await until(() => source.emitted === 20);
    storage.putSegment = putSegment;
    storage.beforeWrite = fail;
    clock.advance(10);
    await until(() => first.snapshot().checkpoints.failed === 2); // its manifest could not be
    expect(system.visible).toEqual([]);
    expect(system.prepared.size).toBe(2);
    storage.beforeWrite = () => undefined;
    clock.advance(10);
    await until(() => system.visible.length === 20); // nothing came in between: it has all of both
    expect(storage.checkpoints.map(({ checkpointId }) => checkpointId)).toEqual([3]);
    source.resume();
    await until(() => source.emitted === 30);
    first.cancel();
    await failureOf(first.result);
    source.resume();
    const second = start({}, 2);
    await until(
      () => source.emitted >= 40,
      () => source.resume(),
    );
    expect((await drive(second, clock)).checkpoints.restoredId).toBe(3);
    expect(visible()).toEqual(numbered(40));
    expect([...new Set(system.commitOrder)][0]).toBe(3);
  });

  it('P5: a stopped job goes on where it was stopped, each record once', async () => {
    const source = new ScriptedSource([steps(0, 200)], { batch: 7 });
    const { clock, storage, start, visible } = createJob(source);
    const first = start();
    await until(() => source.emitted >= 50);
    expect(await first.stop()).toBeUndefined();
    const { status, checkpoints } = await first.result;
    expect(status).toBe('suspended');
    expect(storage.lastId).toBe(checkpoints.lastId);
    const { emitted } = source;
    expect(emitted).toBeLessThan(200);
    expect(visible()).toEqual(numbered(emitted)); // nothing was emitted after the barrier, and all is committed
    await drive(start({}, 3), clock);
    expect(source.emitted).toBe(200);
    expect(visible()).toEqual(numbered(200));
  });

  it('P5: a drained job closes its windows', async () => {
    for (const drain of [false, true]) {
      const clock = new ManualClock();
      const storage = new MemoryCheckpointStorage();
      const system = new ExternalSystem<number>();
      const source = new ScriptedSource<number>([
        [{ value: 1, timestamp: 1 }, { value: 2, timestamp: 2 }, PAUSE],
      ]);
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 1000, storage });
      env
        .fromSource(source, WatermarkStrategy.forMonotonousTimestamps<number>(), 'numbers')
        .keyBy(() => 'all')
        .window(TumblingEventTimeWindows.of(100))
        .reduce((a, b) => a + b)
        .sinkTo(new TransactionalSink(system));
      const job = env.executeAsync('drain');
      await until(() => source.emitted === 2);
      await job.stop({ drain });
      expect((await job.result).status).toBe(drain ? 'finished' : 'suspended');
      expect(system.visible).toEqual(drain ? [3] : []);
    }
  });

  it.each([
    [1, 1],
    [1, 3],
    [3, 2],
  ])('P6: a savepoint starts another job, from parallelism %i at %i', async (before, after) => {
    const source = new ScriptedSource([[...steps(0, 50), PAUSE, ...steps(50, 60)]]);
    const first = createJob(source);
    const savepoint = new MemoryCheckpointStorage();
    const job = first.start({}, before);
    await until(() => source.emitted === 50);
    first.clock.advance(10);
    await until(() => first.storage.lastId === 1);
    expect(await job.triggerSavepoint(savepoint)).toBe('memory');
    expect(first.visible()).toEqual(numbered(50)); // committed
    expect(savepoint.checkpoints).toMatchObject([{ checkpointId: 2, pendingCommits: [] }]);
    for (const { segments } of savepoint.checkpoints[0]!.operators) expect(segments.length).toBeLessThan(2);
    source.resume();
    await drive(job, first.clock);
    expect(first.visible()).toEqual(numbered(60)); // it went on

    const second = createJob(source);
    second.system.visible.push(...first.system.visible.slice(0, 50));
    const other = second.start({ restore: { savepoint } }, after);
    await until(
      () => source.emitted === 70,
      () => source.resume(),
    );
    const result = await drive(other, second.clock);
    expect(result.checkpoints.restoredId).toBe(2);
    expect(result.jobId).not.toBe(job.snapshot().jobId);
    expect(second.visible()).toEqual(numbered(60));
    // The same command again goes on from the job's own checkpoints.
    const again = await drive(second.start({ restore: { savepoint } }, after), second.clock);
    expect(again.checkpoints.restoredId).toBe(result.checkpoints.lastId);
    expect(second.visible()).toEqual(numbered(60));
  });

  it('P7: a job that has ended writes nothing any more', async () => {
    const source = new ScriptedSource([[...steps(0, 10), PAUSE]]);
    const { clock, storage, start } = createJob(source);
    const released = createGate();
    let isReleased = false;
    const release = storage.release.bind(storage);
    storage.release = async () => {
      isReleased = true;
      released.open();
      await release();
    };
    const puts: string[] = [];
    const putSegment = storage.putSegment.bind(storage);
    const disk = createGate();
    storage.putSegment = async (id, chunks) => {
      expect(isReleased).toBe(false);
      puts.push(id);
      await disk.opened;
      await putSegment(id, chunks);
    };
    const job = start();
    await until(() => source.emitted === 10);
    clock.advance(10);
    await until(() => puts.length === 1);
    job.cancel();
    await quiet();
    expect(isReleased).toBe(false); // it waits for what is being written
    disk.open();
    await failureOf(job.result);
    await released.opened;
    expect(storage.checkpoints).toEqual([]); // and then begins nothing
    expect(clock.pending).toBe(0);
  });
});
