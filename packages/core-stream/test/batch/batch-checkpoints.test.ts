import { describe, expect, it } from 'vitest';
import { CheckpointError, WatermarkStrategy, type RuntimeMode } from '../../src/index.js';
import { environment, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { drive, until } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink, type FaultPoint } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

const none = WatermarkStrategy.noWatermarks<number>();

interface World {
  readonly storage: MemoryStorage;
  readonly sums: ExternalSystem<number>;
  readonly all: ExternalSystem<number>;
}
const createWorld = (): World => ({
  storage: new MemoryStorage(),
  sums: new ExternalSystem(),
  all: new ExternalSystem(),
});

/** Runs the job to its end; `read` is how many records it has read. */
async function run(
  { storage, sums, all }: World,
  runtimeMode: RuntimeMode,
  fault: FaultPoint = () => undefined,
): Promise<{ read: number }> {
  const { env, clock } = environment({ runtimeMode, parallelism: 2 });
  env.enableCheckpointing({ intervalMs: 2, storage });
  const source = new ScriptedSource([scripted(50), scripted(50)], { batch: 3, onPoll: () => fault('poll') });
  const input = env.fromSource(source, none, 'numbers').uid('numbers');
  input
    .keyBy((n) => n % 5)
    .reduce((a, b) => a + b)
    .uid('sum')
    .sinkTo(new TransactionalSink(sums, fault))
    .uid('sums');
  input.sinkTo(new TransactionalSink(all, fault)).uid('all');
  await drive(env.executeAsync('job'), clock);
  return { read: source.emitted };
}

const crashAt = (point: string, times = 1): FaultPoint => {
  let left = times;
  return (at) => {
    if (at === point && --left === 0) throw new Error('crash');
  };
};
const expected = [450, 470, 490, 510, 530];
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

refuseUnhandledRejections();

describe('the checkpoints of a batch job', () => {
  it('are one, after the last record, by which two-phase sinks commit, and one that says that they have', async () => {
    const world = createWorld();
    await run(world, 'batch');
    expect(sorted(world.sums.visible)).toEqual(expected);
    expect(world.all.visible).toHaveLength(100);
    expect(new Set([...world.sums.commitOrder, ...world.all.commitOrder])).toEqual(new Set([1]));
    expect(
      world.storage.checkpoints.map(({ checkpointId, pendingCommits }) => [
        checkpointId,
        pendingCommits.length,
      ]),
    ).toEqual([
      [1, 2],
      [2, 0],
    ]);
  });

  it('need no storage', async () => {
    const { env } = environment({ runtimeMode: 'batch' });
    const sums = new ExternalSystem<number>();
    env
      .fromCollection([1, 2])
      .keyBy(() => 0)
      .reduce((a, b) => a + b)
      .sinkTo(new TransactionalSink(sums));
    await env.execute('job');
    expect(sums.visible).toEqual([3]);
  });

  it('let a job that crashed before its end begin anew', async () => {
    const world = createWorld();
    await expect(run(world, 'batch', crashAt('poll', 20))).rejects.toThrow('crash');
    expect(world.storage.checkpoints).toEqual([]);
    expect(await run(world, 'batch')).toEqual({ read: 100 });
    expect(sorted(world.sums.visible)).toEqual(expected);
    expect(world.all.visible).toHaveLength(100);
  });

  it.each(['before commit', 'after commit'])(
    'let a job that crashed while committing (%s) commit the rest without reading (invariant 1)',
    async (point) => {
      for (let times = 1; times <= (point === 'before commit' ? 2 : 3); times++) {
        const world = createWorld();
        await expect(run(world, 'batch', crashAt(point, times))).rejects.toThrow('crash');
        expect(await run(world, 'batch')).toEqual({ read: 0 });
        expect(sorted(world.sums.visible)).toEqual(expected);
        expect(world.all.visible).toHaveLength(100);
        expect(world.storage.checkpoints.at(-1)?.pendingCommits).toEqual([]);
      }
    },
  );

  it('refuse to run a job again that has run to its end (invariant 2)', async () => {
    const world = createWorld();
    await run(world, 'batch');
    await expect(run(world, 'batch')).rejects.toThrow(
      new CheckpointError(
        "memory holds checkpoint 2 of the job 'job', which has run to its end: everything is committed. To run it again, use an empty storage.",
      ),
    );
    expect(sorted(world.sums.visible)).toEqual(expected);
  });

  it('refuse to go on from one that was taken in the middle of the input, by a streaming run', async () => {
    const storage = new MemoryStorage();
    const start = (runtimeMode: RuntimeMode) => {
      const { env, clock } = environment({ runtimeMode });
      env.enableCheckpointing({ intervalMs: 1, storage });
      env.fromSource(new ScriptedSource([[{ value: 1 }, PAUSE, { value: 2 }]]), none, 'numbers').print();
      return { clock, job: env.executeAsync('job') };
    };
    const { job, clock } = start('streaming');
    await until(
      () => storage.lastId === 1,
      () => clock.advance(1),
    );
    job.cancel();
    await expect(job.result).rejects.toThrow('cancelled');
    await expect(start('batch').job.result).rejects.toThrow(
      /^memory holds checkpoint \d+ of the job 'job', which was taken in the middle of its input\. A batch job reads/,
    );
  });
});
