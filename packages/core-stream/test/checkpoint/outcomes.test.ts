/** What becomes of a job, and of its data, when its checkpoint directory fails: on a file system that does as it is told. */
import { describe, expect, it } from 'vitest';
import {
  FileCheckpointStorage,
  RestartStrategies,
  ValueStateDescriptor,
  type CheckpointConfig,
  type RestartStrategy,
} from '../../src/index.js';
import { processOn } from '../support/checkpoints.js';
import { drive, failureOf, until } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { failure, FaultyFileSystem } from '../support/faulty-file-system.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

const DIRECTORY = '/data/checkpoints';
const BATCH = 10;

/** Numbers the records, in three batches with pauses between them. */
function createProgram() {
  const source = new ScriptedSource<number>([
    [...scripted(BATCH), PAUSE, ...scripted(BATCH), PAUSE, ...scripted(BATCH)],
  ]);
  const system = new ExternalSystem<number>();
  const fileSystem = new FaultyFileSystem();
  const start = (
    config: Partial<CheckpointConfig> = {},
    strategy: RestartStrategy = RestartStrategies.none(),
  ) => {
    const { clock, env } = environment();
    const storage = new FileCheckpointStorage(DIRECTORY, { fileSystem, environment: processOn('A') });
    env.enableCheckpointing({ intervalMs: 10, storage, ...config });
    env.setRestartStrategy(strategy);
    env
      .fromSource(source, none, 'In')
      .uid('in')
      .keyBy(() => 'all')
      .process<number>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement(_n, _context, out) {
            out.collect(count.value() ?? 0);
            count.update((count.value() ?? 0) + 1);
          },
        };
      })
      .uid('count')
      .sinkTo(new TransactionalSink(system))
      .uid('out');
    const job = env.executeAsync('outcomes');
    /** Lets a batch through, takes a checkpoint, and waits for what that comes to. */
    const checkpoint = async (batch: number, outcome: 'completed' | 'failed' | 'none') => {
      await until(() => source.emitted === batch * BATCH);
      const before = job.snapshot().checkpoints;
      clock.advance(10);
      if (outcome !== 'none') await until(() => job.snapshot().checkpoints[outcome] > before[outcome]);
    };
    return { clock, job, checkpoint };
  };
  return { source, system, fileSystem, start };
}

/** Whatever would take room. */
function fill(fileSystem: FaultyFileSystem): void {
  fileSystem.beforeStep = (_step, call) => {
    if (/^(create|write|make|link)/.test(call)) throw failure('ENOSPC', DIRECTORY);
  };
}

function makeRoom(fileSystem: FaultyFileSystem): void {
  fileSystem.beforeStep = () => undefined;
}

describe('a checkpoint with the disk full', () => {
  it('fails; what has changed waits in memory and is in the next one that is written, each record once', async () => {
    const { source, system, fileSystem, start } = createProgram();
    const first = start({ tolerableFailures: 2 });
    await first.checkpoint(1, 'completed');
    await until(() => system.visible.length === BATCH);
    fill(fileSystem);
    source.resume();
    await first.checkpoint(2, 'failed');
    await first.checkpoint(2, 'failed');
    expect(system.visible).toEqual(numbers(BATCH));
    makeRoom(fileSystem);
    await first.checkpoint(2, 'completed');
    await until(() => system.visible.length === 2 * BATCH);
    source.resume();
    await until(() => source.emitted === 3 * BATCH);
    first.job.cancel();
    await failureOf(first.job.result);
    const second = start();
    await until(
      () => source.emitted === 4 * BATCH,
      () => source.resume(),
    );
    await drive(second.job, second.clock);
    expect(system.visible).toEqual(numbers(3 * BATCH));
  });

  it('fails the job where that is not tolerable; there is room again: it goes on from the one before', async () => {
    const { source, system, fileSystem, start } = createProgram();
    const first = start();
    await first.checkpoint(1, 'completed');
    await until(() => system.visible.length === BATCH);
    fill(fileSystem);
    source.resume();
    await first.checkpoint(2, 'none');
    const error = await failureOf(first.job.result);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT', retryable: true });
    expect(error.message).toContain(`could not be written to ${DIRECTORY}: ENOSPC`);
    expect(error.message).toContain('The disk is full: make room');
    makeRoom(fileSystem);
    const second = start();
    await until(
      () => source.emitted === 4 * BATCH,
      () => source.resume(),
    );
    await drive(second.job, second.clock);
    expect(system.visible).toEqual(numbers(3 * BATCH));
  });
});

describe('a checkpoint with the directory gone', () => {
  it('fails the job; a restart begins nothing anew in its place, and nothing is written twice', async () => {
    const { source, system, fileSystem, start } = createProgram();
    const { job, clock, checkpoint } = start({}, RestartStrategies.fixedDelay({ attempts: 3, delayMs: 1 }));
    await checkpoint(1, 'completed');
    await until(() => system.visible.length === BATCH);
    fileSystem.removeTree(DIRECTORY);
    source.resume();
    await checkpoint(2, 'none');
    const error = await failureOf(drive(job, clock));
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT', retryable: false });
    expect(error.message).toContain(DIRECTORY);
    expect(error.message).toContain('put it back');
    expect(await fileSystem.list('/data')).toEqual([]);
    expect(system.visible).toEqual(numbers(BATCH));
  });
});
