/** SPEC.md, "Commits": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment, WatermarkStrategy } from '../../src/index.js';
import {
  drive,
  ExternalSystem,
  ManualClock,
  MemoryCheckpointStorage,
  PAUSE,
  ScriptedSource,
  TransactionalSink,
  until,
  type FaultPoint,
} from '../../src/testing/index.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';

const none = WatermarkStrategy.noWatermarks<number>();
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => ({ value: from + n }));

function createJob(source: ScriptedSource<number>) {
  const clock = new ManualClock();
  const storage = new MemoryCheckpointStorage();
  const system = new ExternalSystem<number>();
  system.isDurable = (id) => storage.checkpoints.some(({ checkpointId }) => checkpointId === id);
  const start = (fault: FaultPoint = () => undefined) => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromSource(source, none, 'numbers').sinkTo(new TransactionalSink(system, fault));
    return env.executeAsync('commits');
  };
  return { clock, storage, system, start };
}

describe('commits', () => {
  it('C1: a commit without an acknowledgement may have happened: it is repeated after the restart', async () => {
    const { clock, system, start } = createJob(new ScriptedSource([numbers(0, 10)]));
    const lost = failureOf(
      drive(
        start((point) => {
          if (point === 'after commit') throw new Error('the answer is lost');
        }),
        clock,
      ),
    );
    expect((await lost).message).toContain('the answer is lost');
    expect(system.visible).toHaveLength(10);
    await drive(start(), clock);
    expect(system.commitOrder.filter((id) => id === system.commitOrder[0])).toHaveLength(2);
    expect(system.visible).toEqual(numbers(0, 10).map(({ value }) => value));
  });

  it('C2: nothing is committed before its checkpoint is durable', async () => {
    const source = new ScriptedSource([[...numbers(0, 5), PAUSE, ...numbers(5, 7)]]);
    const { clock, storage, system, start } = createJob(source);
    const disk = createGate();
    let isWriting = false;
    storage.beforeWrite = () => {
      isWriting = true;
      return disk.opened;
    };
    const job = start();
    await until(() => source.emitted === 5);
    clock.advance(10);
    await until(() => isWriting);
    await quiet();
    expect(system.prepared.size).toBe(1);
    expect(system.visible).toEqual([]);
    disk.open();
    await until(() => system.visible.length === 5);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toHaveLength(7);
  });

  it('C3: a bounded job commits everything by a final checkpoint before it ends', async () => {
    const { clock, storage, system, start } = createJob(new ScriptedSource([numbers(0, 3), numbers(3, 6)]));
    const result = await start().result; // no time passes: no checkpoint by the interval
    expect(clock.now()).toBe(0);
    expect([...system.visible].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(storage.checkpoints).toHaveLength(1);
    expect(result.checkpoints).toMatchObject({ completed: 1, pendingCommits: 0 });
  });

  it('C4: what was prepared for no checkpoint is never committed', async () => {
    const source = new ScriptedSource([[...numbers(0, 5), PAUSE, ...numbers(5, 7)]]);
    const { clock, storage, system, start } = createJob(source);
    storage.beforeWrite = () => {
      throw new Error('the disk is full');
    };
    expect((await failureOf(drive(start(), clock))).message).toContain('the disk is full');
    expect(system.prepared.size).toBe(1);
    storage.beforeWrite = () => undefined;
    source.resume();
    await drive(start(), clock);
    expect(system.prepared.size).toBe(0);
    expect(system.visible).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('C5: a checkpoint is committed when its global committer has confirmed it', async () => {
    const clock = new ManualClock();
    const storage = new MemoryCheckpointStorage();
    const system = new ExternalSystem<number>();
    const announced: number[] = [];
    const start = (isBroken: boolean) => {
      const sink = new TransactionalSink(system);
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env.fromSource(new ScriptedSource([numbers(0, 3)]), none, 'numbers').sinkTo({
        createWriter: (context) => sink.createWriter(context),
        createCommitter: (context) => sink.createCommitter(context),
        createGlobalCommitter: () => ({
          async commit(requests) {
            expect(system.visible).toHaveLength(3);
            announced.push(...requests.map(({ committable }) => (committable as { count: number }).count));
            await Promise.resolve();
            if (isBroken) throw new Error('no manifest');
          },
        }),
      });
      return env.executeAsync('commits');
    };
    expect((await failureOf(drive(start(true), clock))).message).toContain('globally: no manifest');
    await drive(start(false), clock);
    expect(announced).toEqual([3, 3]);
    expect(new Set(system.commitOrder).size).toBe(1);
    expect(system.commitOrder).toHaveLength(2);
    expect(system.visible).toEqual([0, 1, 2]);
  });
});
