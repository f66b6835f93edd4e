/** Checkpoints that fail, and what becomes of the job: each outcome is defined. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  FileCheckpointStorage,
  StreamConfigError,
  type CheckpointConfig,
  type CheckpointStorage,
  type EnvironmentOptions,
  type Sink,
} from '../../src/index.js';
import { createGate, drive, failureOf, quiet, until, untilOnDisk } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import type { Prepared } from '../../src/testing/index.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';
import { slowSink } from '../support/slow-sink.js';

refuseUnhandledRejections();

interface Setting {
  readonly storage?: CheckpointStorage;
  readonly config?: Partial<CheckpointConfig>;
  readonly sink?: (system: ExternalSystem<number>) => Sink<number, Prepared, never>;
  readonly options?: EnvironmentOptions;
}

/** Ten numbers, a pause, and ten more. */
async function startJob({ storage = new MemoryStorage(), config, sink, options }: Setting) {
  const { clock, env } = environment(options);
  const system = new ExternalSystem<number>();
  const source = new ScriptedSource<number>([[...scripted(10), PAUSE, ...scripted(10)]]);
  env.enableCheckpointing({ intervalMs: 10, storage, ...config });
  env.fromSource(source, none, 'In').sinkTo(sink?.(system) ?? new TransactionalSink(system));
  const job = env.executeAsync('failing checkpoints');
  let failure: unknown;
  job.result.catch((error: unknown) => (failure = error));
  await untilOnDisk(() => source.emitted === 10 || failure !== undefined);
  if (failure !== undefined) throw failure;
  return { clock, system, source, job };
}

const twice = [...numbers(10), ...numbers(10)];

describe('a checkpoint that takes too long', () => {
  it('is aborted when a task does not answer in time; what it hands over later goes with the next one', async () => {
    const gate = createGate();
    const storage = new MemoryStorage();
    const { clock, job, source, system } = await startJob({
      storage,
      config: { timeoutMs: 100, tolerableFailures: 1, intervalMs: 50 },
      sink: (system) => slowSink(system, () => gate.opened),
    });
    clock.advance(50);
    await quiet();
    clock.advance(99);
    expect(job.snapshot().checkpoints).toMatchObject({ completed: 0, failed: 0 });
    clock.advance(1);
    expect(job.snapshot().checkpoints).toMatchObject({ completed: 0, failed: 1 });
    gate.open();
    await until(() => storage.lastId === 2);
    await until(() => system.visible.length === 10);
    expect(system.commitOrder).toEqual([2]);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toEqual(twice);
  });

  it('is not taken any more by a task that comes to it when it was aborted', async () => {
    const gate = createGate();
    const storage = new MemoryStorage();
    const waits: number[] = [];
    const { clock, job, source, system } = await startJob({
      storage,
      config: { timeoutMs: 100, tolerableFailures: 10, intervalMs: 100 },
      sink: (made) =>
        slowSink(made, () => {
          waits.push(clock.now());
          return gate.opened;
        }),
    });
    for (let i = 0; i < 10; i++) {
      clock.advance(50);
      await quiet(5);
    }
    expect(job.snapshot().checkpoints.failed).toBe(4);
    expect(waits).toEqual([100]);
    gate.open();
    await until(() => system.visible.length === 10);
    expect(waits).toHaveLength(2);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toEqual(twice);
  });

  it('fails the job where that is not tolerable, and says which task is slow', async () => {
    const gate = createGate();
    const { clock, job } = await startJob({
      config: { timeoutMs: 100 },
      sink: (system) => slowSink(system, () => gate.opened),
    });
    clock.advance(10);
    await quiet();
    clock.advance(100);
    gate.open();
    const error = await failureOf(job.result);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT', retryable: true });
    expect(error.message).toMatch(
      /Checkpoint 1 was not complete within 100 ms: its barriers have not come through the tasks \S+\. .*timeoutMs/,
    );
  });

  it('ten minutes are allowed unless told', async () => {
    const gate = createGate();
    const { clock, job } = await startJob({ sink: (system) => slowSink(system, () => gate.opened) });
    clock.advance(10);
    await quiet();
    clock.advance(599_999);
    expect(job.snapshot().checkpoints.failed).toBe(0);
    clock.advance(1);
    gate.open();
    expect((await failureOf(job.result)).message).toContain('within 600000 ms');
  });

  it('a slow storage: counts as failed, and is complete when it is durable after all', async () => {
    const disk = createGate();
    const storage = new MemoryStorage();
    storage.beforeWrite = () => disk.opened;
    const { clock, job, system, source } = await startJob({
      storage,
      config: { timeoutMs: 100, tolerableFailures: 2, intervalMs: 50 },
    });
    clock.advance(50);
    await quiet();
    clock.advance(200); // two time-outs
    await quiet();
    expect(storage.checkpoints).toEqual([]);
    expect(system.visible).toEqual([]);
    disk.open();
    await until(() => system.visible.length === 10);
    expect(job.snapshot().checkpoints.completed).toBeGreaterThan(0);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toEqual(twice);
  });

  it('a storage that hangs: fails the job, which does not wait for it for ever', async () => {
    const storage = new MemoryStorage();
    storage.beforeWrite = () => new Promise(() => undefined);
    const { clock, job } = await startJob({
      storage,
      config: { timeoutMs: 100 },
      options: { cancellationTimeoutMs: 1000 },
    });
    clock.advance(10);
    await quiet();
    clock.advance(100);
    let hasEnded = false;
    const failed = failureOf(job.result).finally(() => (hasEnded = true));
    await quiet();
    expect(hasEnded).toBe(false);
    clock.advance(1000);
    expect((await failed).message).toContain('memory has not taken it yet');
  });
});

describe('a storage that fails', () => {
  it('another process has the storage: the job fails at once, whatever is tolerable', async () => {
    const storage = new MemoryStorage();
    const { clock, job } = await startJob({ storage, config: { tolerableFailures: 100 } });
    storage.write = () =>
      Promise.reject(new CheckpointError('taken over', { details: { owner: 1, newerOwner: 2 } }));
    clock.advance(10);
    const error = await failureOf(job.result);
    expect(error.message).toBe('taken over');
    expect(error).toMatchObject({ retryable: false });
  });

  it('the directory is gone: the checkpoint fails with what has happened', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-gone-'));
    const { clock, job, system } = await startJob({ storage: new FileCheckpointStorage(directory) });
    await rm(directory, { recursive: true });
    clock.advance(10);
    const error = await failureOf(job.result);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT' });
    expect(error.message).toContain(directory);
    expect(error.message).toContain('removed');
    expect(system.visible).toEqual([]);
    await rm(directory, { recursive: true, force: true });
  });

  it('the final checkpoint is taken again, within what is tolerable', async () => {
    const storage = new MemoryStorage();
    const { clock, job, source, system } = await startJob({
      storage,
      config: { tolerableFailures: 1, intervalMs: 1_000, minPauseMs: 5 },
    });
    let writes = 0;
    storage.beforeWrite = () => {
      if (++writes === 1) throw new Error('the disk is full');
    };
    source.resume();
    const result = await drive(job, clock);
    expect(result.checkpoints).toMatchObject({ completed: 1, failed: 1, lastId: 2 });
    expect(system.visible).toEqual(twice);
  });

  it('the final checkpoint fails: the job fails, because its data is not committed', async () => {
    const storage = new MemoryStorage();
    const { clock, job, source, system } = await startJob({ storage, config: { intervalMs: 1_000 } });
    storage.beforeWrite = () => {
      throw new Error('the disk is full');
    };
    source.resume();
    expect((await failureOf(drive(job, clock))).message).toContain('the disk is full');
    expect(system.visible).toEqual([]);
  });
});

describe('the pause between checkpoints', () => {
  it('is kept after each, also where the interval has long passed', async () => {
    const storage = new MemoryStorage();
    const { clock, job } = await startJob({ storage, config: { intervalMs: 10, minPauseMs: 25 } });
    const takenAt: number[] = [];
    storage.beforeWrite = () => void takenAt.push(clock.now());
    for (let i = 0; i < 120; i++) {
      clock.advance(1);
      await quiet(8);
    }
    expect(takenAt.length).toBeGreaterThan(3);
    // The pause begins when a checkpoint is durable, a millisecond or so after its write began.
    for (const [index, at] of takenAt.slice(1).entries()) {
      expect(at - takenAt[index]!).toBeGreaterThanOrEqual(25);
      expect(at - takenAt[index]!).toBeLessThan(30);
    }
    job.cancel();
    await failureOf(job.result);
  });
});

describe('who listens', () => {
  it('is told of checkpoints that are complete, have failed, and are committed', async () => {
    const heard: unknown[] = [];
    const channels = ['checkpoint:completed', 'checkpoint:failed', 'commit:completed'];
    const listeners = channels.map((name) => {
      const listener = (message: unknown) =>
        heard.push([name, (message as { readonly checkpointId: number }).checkpointId]);
      subscribe(`millrace:${name}`, listener);
      return () => unsubscribe(`millrace:${name}`, listener);
    });
    const storage = new MemoryStorage();
    storage.beforeWrite = ({ checkpointId }) => {
      if (checkpointId === 1) throw new Error('the disk is full');
    };
    const { clock, job, source, system } = await startJob({ storage, config: { tolerableFailures: 1 } });
    clock.advance(10);
    await until(() => job.snapshot().checkpoints.failed === 1);
    clock.advance(10);
    await until(() => system.visible.length === 10);
    source.resume();
    await drive(job, clock, 0);
    listeners.forEach((stop) => stop());
    expect(heard).toEqual([
      ['checkpoint:failed', 1],
      ['checkpoint:completed', 2],
      ['commit:completed', 2],
      ['checkpoint:completed', 3],
      ['commit:completed', 3],
    ]);
  });

  it('finds durations and sizes in the snapshot', async () => {
    const storage = new MemoryStorage();
    const { clock, job } = await startJob({ storage });
    storage.beforeWrite = () => void clock.advance(7);
    clock.advance(10);
    await until(() => job.snapshot().checkpoints.completed === 1);
    const { checkpoints } = job.snapshot();
    expect(checkpoints).toMatchObject({
      lastId: 1,
      lastDurationMs: 7,
      lastAlignmentMs: 0,
      isLastUnaligned: false,
    });
    expect(checkpoints.lastSizeBytes).toBeGreaterThan(checkpoints.lastStateBytes ?? Infinity);
    job.cancel();
    await failureOf(job.result);
  });
});

describe('settings of checkpoints', () => {
  it.each([
    [{ intervalMs: 0 }, 'intervalMs must be more than 0 milliseconds, got 0'],
    [{ minPauseMs: -1 }, 'minPauseMs must be 0 milliseconds or more, got -1'],
    [{ timeoutMs: 0 }, 'timeoutMs must be more than 0 milliseconds, got 0'],
    [{ alignedTimeoutMs: NaN }, 'alignedTimeoutMs must be 0 milliseconds or more, got NaN'],
    [{ tolerableFailures: 0.5 }, 'tolerableFailures must be a whole number, 0 or more, got 0.5'],
    [{ maxPendingCommits: 0 }, 'maxPendingCommits must be a whole number above 0, got 0'],
    [{ storage: undefined as never }, 'storage must be a CheckpointStorage, such as new'],
    [{ storage: './checkpoints' as never }, "FileCheckpointStorage('checkpoints'), got './checkpoints'"],
  ])('%j is refused', (config, message) => {
    const { env } = environment();
    const enable = () => env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage(), ...config });
    expect(enable).toThrow(StreamConfigError);
    expect(enable).toThrow(message);
  });
});
