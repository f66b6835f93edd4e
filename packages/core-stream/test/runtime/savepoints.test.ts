import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  FileCheckpointStorage,
  StreamConfigError,
  ValueStateDescriptor,
  type CheckpointConfig,
  type Logger,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until, untilOnDisk } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

/** Sums up what it reads: 20 times 1, with a pause after 10. Keyed, so that there are rows. */
function createJob(storage = new MemoryStorage()) {
  const { clock, env } = environment();
  const system = new ExternalSystem<number>();
  const source = new ScriptedSource<number>([[...scripted(10), PAUSE, ...scripted(10)]]);
  const start = (config: Partial<CheckpointConfig> = {}) => {
    env.enableCheckpointing({ intervalMs: 1000, storage, ...config });
    env
      .fromSource(source, none, 'In')
      .keyBy(() => 0)
      .process<number>((context) => {
        const sum = context.getState(new ValueStateDescriptor<number>('sum', { defaultValue: 0 }));
        return {
          processElement(_n, _context, out) {
            sum.update((sum.value() ?? 0) + 1);
            out.collect(sum.value() ?? 0);
          },
        };
      })
      .uid('sum')
      .sinkTo(new TransactionalSink(system));
    return env.executeAsync('sums');
  };
  return { clock, env, storage, system, source, start };
}

const upTo = (n: number) => numbers(n).map((i) => i + 1);

describe('a savepoint', () => {
  it('is a directory that a job can start from when the first one’s own is gone', async () => {
    const root = await mkdtemp(join(tmpdir(), 'millrace-savepoint-'));
    const path = join(root, 'savepoint');
    const first = createJob();
    const job = first.start({ storage: new FileCheckpointStorage(join(root, 'own')) });
    await untilOnDisk(() => first.source.emitted === 10);
    expect(await job.stop({ savepoint: path })).toBe(path);
    expect((await job.result).status).toBe('suspended');
    expect(first.system.visible).toEqual(upTo(10));
    await rm(join(root, 'own'), { recursive: true });
    expect((await readdir(path)).sort()).toContain('chk-1');

    const second = createJob();
    const next = second.start({
      storage: new FileCheckpointStorage(join(root, 'next')),
      restore: { savepoint: path },
    });
    await untilOnDisk(
      () => second.source.emitted === 10,
      () => second.source.resume(),
    );
    await next.result;
    expect(second.system.visible).toEqual(upTo(20).slice(10));
    await rm(root, { recursive: true });
  });

  it('is named in the log where a job begins with it, and so is the checkpoint that a job goes on from', async () => {
    const log: unknown[] = [];
    const ignore = () => undefined;
    const info = (
      message: string,
      { checkpointId, location }: { checkpointId?: unknown; location?: unknown } = {},
    ) => void (message.startsWith('the job') && log.push([message, checkpointId, location]));
    const logger: Logger = { debug: ignore, info, warn: ignore, error: ignore };
    const run = async (storage: MemoryStorage, restore: CheckpointConfig['restore'] = 'latest') => {
      const { clock, env } = environment({ logger });
      env.enableCheckpointing({ intervalMs: 1000, storage, restore });
      env.fromCollection([1]).sinkTo(new CollectingSink());
      await drive(env.executeAsync('one'), clock);
    };
    const savepoint = new MemoryStorage();
    const storage = new MemoryStorage();
    await run(savepoint);
    expect(log).toEqual([]);
    await run(storage, { savepoint });
    await run(storage, { savepoint });
    await run(storage);
    expect(log).toEqual([
      ['the job begins with a savepoint', 1, 'memory'],
      ['the job goes on from its own newest checkpoint, not from the savepoint', 2, 'memory'],
      ['the job goes on from its newest checkpoint', 3, 'memory'],
    ]);
  });

  it('that is not there cannot be started from', async () => {
    const { start, clock } = createJob();
    const error = await failureOf(drive(start({ restore: { savepoint: new MemoryStorage() } }), clock));
    expect(error.message).toContain('There is no savepoint in memory');
  });

  it('is not written over another one; the job goes on', async () => {
    const { clock, source, start, system } = createJob();
    const job = start();
    await until(() => source.emitted === 10);
    const target = new MemoryStorage();
    await job.triggerSavepoint(target);
    const error = await failureOf(job.triggerSavepoint(target));
    expect(error.message).toContain(
      'No savepoint was written to memory: memory holds checkpoint 1 already. Give each savepoint a place of its own. The job goes on.',
    );
    source.resume();
    const result = await drive(job, clock);
    expect(result.checkpoints.failed).toBe(0);
    expect(system.visible).toEqual(upTo(20));
  });

  it('that cannot be taken does not count as a failed checkpoint of the job', async () => {
    const { clock, source, start, system, storage } = createJob();
    const job = start({ tolerableFailures: 0 });
    await until(() => source.emitted === 10);
    storage.beforeWrite = () => {
      throw new Error('the disk is full');
    };
    expect((await failureOf(job.triggerSavepoint(new MemoryStorage()))).message).toContain(
      'the disk is full',
    );
    storage.beforeWrite = () => undefined;
    source.resume();
    await drive(job, clock);
    expect(system.visible).toEqual(upTo(20));
  });

  it('waits for the checkpoint that is under way, and for its commits', async () => {
    const { clock, source, start, storage, system } = createJob();
    const disk = createGate();
    storage.beforeWrite = () => disk.opened;
    const job = start({ intervalMs: 10 });
    await until(() => source.emitted === 10);
    clock.advance(10);
    const target = new MemoryStorage();
    const asked = job.triggerSavepoint(target);
    await quiet();
    expect(target.checkpoints).toEqual([]);
    disk.open();
    await asked;
    expect(target.lastId).toBe(2);
    expect(system.visible).toEqual(upTo(10));
    source.resume();
    await drive(job, clock);
  });

  it('is given up where its place does not take it in time, so that checkpoints go on', async () => {
    const { clock, source, start, storage } = createJob();
    const job = start({ intervalMs: 1_000, timeoutMs: 100 });
    await until(() => source.emitted === 10);
    const target = new MemoryStorage();
    const disk = createGate();
    let isWriting = false;
    target.beforeWrite = () => {
      isWriting = true;
      return disk.opened;
    };
    const asked = failureOf(job.triggerSavepoint(target));
    await until(() => isWriting);
    clock.advance(100);
    expect((await asked).message).toContain(
      'No savepoint was written to memory: it was not written within 100 ms. Allow more time (timeoutMs). The job goes on.',
    );
    clock.advance(900);
    await until(() => storage.lastId === 2);
    disk.open();
    source.resume();
    await drive(job, clock);
    expect(job.snapshot().checkpoints.failed).toBe(0);
  });

  it('may be asked for while the job is starting', async () => {
    const { clock, source, start } = createJob();
    const job = start();
    const target = new MemoryStorage();
    await job.triggerSavepoint(target);
    expect(target.checkpoints).toHaveLength(1);
    source.resume();
    await drive(job, clock);
  });

  it('is refused when the job fails or has ended', async () => {
    const { source, start, storage } = createJob();
    const disk = createGate();
    storage.beforeWrite = () => disk.opened;
    const job = start();
    await until(() => source.emitted === 10);
    const asked = failureOf(job.triggerSavepoint(new MemoryStorage()));
    await quiet();
    job.cancel();
    disk.open();
    await failureOf(job.result);
    expect((await asked).message).toContain('the job has ended');
    expect((await failureOf(job.triggerSavepoint(new MemoryStorage()))).message).toContain(
      'the job has ended',
    );
  });

  it('needs checkpoints, and a stream', async () => {
    const { env, clock } = environment();
    env.fromSource(new ScriptedSource<number>([[PAUSE]]), none, 'In').sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('no checkpoints');
    expect(await failureOf(job.triggerSavepoint('somewhere'))).toBeInstanceOf(StreamConfigError);
    expect((await failureOf(job.stop())).message).toContain('takes no checkpoints');
    await job.stop({ drain: true });
    expect((await drive(job, clock)).status).toBe('finished');
    const batch = environment();
    batch.env.setRuntimeMode('batch');
    batch.env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage() });
    batch.env.fromCollection([1]).sinkTo(new CollectingSink<number>());
    const batchJob = batch.env.executeAsync('batch');
    expect((await failureOf(batchJob.triggerSavepoint('somewhere'))).message).toContain('batch mode');
    await drive(batchJob, batch.clock);
  });
});

describe('a job that is stopped', () => {
  it('goes on where its last checkpoint or its savepoint fails', async () => {
    const { clock, source, start, storage, system } = createJob();
    const job = start();
    await until(() => source.emitted === 10);
    storage.beforeWrite = () => {
      throw new Error('the disk is full');
    };
    expect((await failureOf(job.stop())).message).toContain(
      'The job was not stopped: the disk is full. The job goes on.',
    );
    storage.beforeWrite = () => undefined;
    const target = new MemoryStorage();
    target.beforeWrite = () => {
      throw new Error('no such place');
    };
    expect((await failureOf(job.stop({ savepoint: target }))).message).toContain('no such place');
    expect(job.snapshot().status).toBe('running');
    source.resume();
    await drive(job, clock);
    expect(system.visible).toEqual(upTo(20));
  });

  it('drains with a savepoint of its end', async () => {
    const { source, start, system } = createJob();
    const job = start();
    await until(() => source.emitted === 10);
    const target = new MemoryStorage();
    await job.stop({ drain: true, savepoint: target });
    expect((await job.result).status).toBe('finished');
    expect(system.visible).toEqual(upTo(10));
    expect(target.lastId).toBe(1);
  });

  it('reads nothing more when a savepoint comes in between', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([scripted(100_000)], { batch: 1 });
    const gate = createGate();
    let commits = 0;
    env.enableCheckpointing({ intervalMs: 1000, storage });
    env.fromSource(source, none, 'In').sinkTo({
      createWriter: () => ({
        write: () => undefined,
        flush: () => undefined,
        prepareCommit: (checkpointId) => [checkpointId],
        close: () => undefined,
      }),
      createCommitter: () => ({
        commit: () => {
          commits++;
          return gate.opened;
        },
      }),
    });
    const job = env.executeAsync('suspended');
    await until(() => source.emitted > 20);
    const stopped = job.stop();
    await until(() => commits === 1);
    const { emitted } = source;
    const savepoint = job.triggerSavepoint(new MemoryStorage());
    await until(() => storage.lastId === 2);
    await quiet();
    expect(source.emitted).toBe(emitted);
    gate.open();
    await Promise.all([stopped, savepoint]);
    expect((await drive(job, clock)).status).toBe('suspended');
  });

  it('drains where it was to suspend first', async () => {
    const { source, start } = createJob();
    const job = start();
    await until(() => source.emitted === 10);
    const [first, second] = await Promise.allSettled([job.stop(), job.stop({ drain: true })]);
    expect(first.status).toBe('fulfilled');
    expect(second.status).toBe('fulfilled');
    expect((await job.result).status).toBe('finished');
  });
});
