import { describe, expect, it } from 'vitest';
import { ValueStateDescriptor } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';
import { environment, none, numbers, scripted, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

describe('checkpoints of a running job', () => {
  it('local job: the source hears of every durable checkpoint, the final one included', async () => {
    for (const sinks of [0, 1]) {
      const { clock, env } = environment();
      const notified: number[] = [];
      const storage = new MemoryStorage();
      const source = new ScriptedSource<number>([[...scripted(5), PAUSE, ...scripted(5)]], {
        onNotify: (checkpointId) => void notified.push(checkpointId),
      });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const stream = env.fromSource(source, none, 'In');
      if (sinks === 0) stream.sinkTo(new CollectingSink<number>());
      else stream.sinkTo(new TransactionalSink(new ExternalSystem<number>()));
      const job = env.executeAsync('notified');
      await until(() => source.emitted === 5);
      clock.advance(10);
      await until(() => notified.length === 1);
      source.resume();
      await drive(job, clock, 0);
      expect(notified).toEqual([1, 2]);
      expect(storage.checkpoints.map(({ checkpointId }) => checkpointId)).toEqual([1, 2]);
    }
  });

  it('are complete also while some tasks have ended and others have not', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([scripted(3), [...scripted(3), PAUSE, ...scripted(3)]]);
    const system = new ExternalSystem<number>();
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromCollection(numbers(4)).sinkTo(new TransactionalSink(system));
    env.fromSource(source, none, 'In').rebalance().sinkTo(new TransactionalSink(system));
    const job = env.executeAsync('some have ended');
    await until(() => source.emitted === 6);
    for (let i = 1; i <= 3; i++) {
      clock.advance(10);
      await until(() => storage.lastId === i);
    }
    await until(() => system.visible.length === 10);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toHaveLength(13);
  });

  it('go on when the input ends while one is being taken', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    storage.beforeWrite = () => gate.opened;
    const source = new ScriptedSource<number>([[...scripted(3), PAUSE, ...scripted(3)]]);
    const system = new ExternalSystem<number>();
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromSource(source, none, 'In').sinkTo(new TransactionalSink(system));
    const job = env.executeAsync('ends meanwhile');
    await until(() => source.emitted === 3);
    clock.advance(10);
    await until(() => system.prepared.size === 1);
    source.resume();
    await until(() => source.emitted === 6);
    await quiet();
    expect(system.visible).toEqual([]);
    gate.open();
    await drive(job, clock);
    expect(system.visible).toEqual([0, 1, 2, 0, 1, 2]);
    expect(storage.checkpoints).toHaveLength(2);
  });

  it('wait for slow commits: at most maxPendingCommits are under way', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    const source = new ScriptedSource<number>([scripted(100)], { boundedness: 'unbounded', batch: 1 });
    let commits = 0;
    env.enableCheckpointing({ intervalMs: 5, storage, maxPendingCommits: 2 });
    env.fromSource(source, none, 'In').sinkTo({
      createWriter: () => ({
        write: () => undefined,
        flush: () => undefined,
        prepareCommit: (checkpointId) => [checkpointId],
        close: () => undefined,
      }),
      createCommitter: () => ({
        commit: async () => {
          commits++;
          await gate.opened;
        },
      }),
    });
    const job = env.executeAsync('slow commits');
    for (let i = 0; i < 100; i++) {
      clock.advance(5);
      await quiet(3);
    }
    expect(storage.lastId).toBe(2);
    expect(commits).toBe(1);
    expect(job.snapshot().checkpoints).toMatchObject({ completed: 2, lastId: 2, pendingCommits: 2 });
    // What is durable and not committed is part of the checkpoints that follow.
    expect(
      storage.checkpoints[1]?.pendingCommits[0]?.requests.map(({ checkpointId }) => checkpointId),
    ).toEqual([1, 2]);
    gate.open();
    await until(
      () => (storage.lastId ?? 0) >= 4,
      () => clock.advance(5),
    );
    job.cancel();
    await failureOf(job.result);
  });

  it('are taken of a job that has no records yet', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 5, storage });
    env
      .fromSource(new ScriptedSource<number>([[PAUSE]]), none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({ processElement: () => undefined }))
      .sinkTo(new TransactionalSink(new ExternalSystem<number>()));
    const job = env.executeAsync('nothing yet');
    await until(
      () => storage.lastId === 3,
      () => clock.advance(1),
    );
    job.cancel();
    await failureOf(job.result);
  });

  it('cover several sinks in one chain: all commit, or the job fails', async () => {
    const { clock, env } = environment();
    const systems = [
      new ExternalSystem<number>(),
      new ExternalSystem<number>(),
      new ExternalSystem<number>(),
    ];
    env.enableCheckpointing({ intervalMs: 5, storage: new MemoryStorage() });
    const stream = env.fromSource(new ScriptedSource<number>([scripted(100)], { batch: 3 }), none, 'In');
    for (const system of systems) stream.sinkTo(new TransactionalSink(system));
    expect(env.getExecutionPlan().vertices).toHaveLength(1);
    await drive(env.executeAsync('three sinks'), clock);
    for (const system of systems) {
      expect(system.visible).toEqual(numbers(100));
      expect(system.commitOrder).toEqual([...system.commitOrder].sort((a, b) => a - b));
    }
  });

  it('have few segments, however many checkpoints there were: they are merged in the background', async () => {
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([numbers(30).flatMap(() => [...scripted(10), PAUSE])]);
    const start = () => {
      const { clock, env } = environment();
      const sink = new CollectingSink<number>();
      env.enableCheckpointing({ intervalMs: 2, storage });
      env
        .fromSource(source, none, 'In')
        .keyBy((n) => n % 10)
        .process<number>((context) => {
          const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
          return {
            processElement(_n, _context, out) {
              count.update((count.value() ?? 0) + 1);
              out.collect(count.value() ?? 0);
            },
          };
        })
        .uid('count')
        .sinkTo(sink);
      return { clock, sink, job: env.executeAsync('segments') };
    };
    const first = start();
    for (let i = 1; i <= 20; i++) {
      await until(() => source.emitted === i * 10);
      first.clock.advance(2);
      await until(() => storage.lastId === i);
      source.resume();
    }
    await quiet();
    first.job.cancel();
    await failureOf(first.job.result);
    const segments = storage.checkpoints.map(
      ({ operators }) => operators.find(({ uid }) => uid === 'count')?.segments.length ?? 0,
    );
    expect(Math.max(...segments)).toBeLessThan(8);
    const second = start();
    await until(
      () => second.sink.values.includes(30),
      () => source.resume(),
    );
    await drive(second.job, second.clock);
    expect(Math.max(...second.sink.values)).toBe(30);
  });

  it('commit at the end also without checkpointing', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const system = new ExternalSystem<number>();
    env.fromCollection(numbers(10)).sinkTo(new TransactionalSink(system));
    await drive(env.executeAsync('no checkpoints'), clock);
    expect(system.visible.sort((a, b) => a - b)).toEqual(numbers(10));
  });

  it('call nothing of a job that was cancelled, whatever is scheduled later', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const log: string[] = [];
    env.enableCheckpointing({ intervalMs: 5, storage });
    env
      .fromSource(new ScriptedSource<number>([[{ value: 1 }, PAUSE]]), none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({
        processElement(_n, { timers }) {
          timers.registerProcessingTimeTimer(100);
          log.push('record');
        },
        onTimer: () => void log.push('timer'),
        close: () => void log.push('close'),
      }))
      .sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('cancelled');
    await until(() => log.length === 1);
    job.cancel();
    clock.advance(1000); // before it has closed
    await failureOf(job.result);
    clock.advance(1000);
    await quiet();
    expect(log).toEqual(['record', 'close']);
    expect(clock.pending).toBe(0);
  });
});

describe('without a storage', () => {
  it('no state is taken: it would go nowhere', async () => {
    const { env } = environment();
    let snapshots = 0;
    env
      .addSource<number>({ collect: () => false, snapshotState: () => 0 })
      .process<number>(() => ({ processElement: () => undefined, snapshotState: () => void snapshots++ }))
      .sinkTo(new CollectingSink<number>());
    await env.execute('no storage');
    expect(snapshots).toBe(0);
  });
});

describe('state that is not plain data', () => {
  class Money {
    readonly amount = 1;
  }

  it('fails the checkpoint with the names of the state and its key, and the path to the value', async () => {
    const { env, clock } = environment();
    env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage() });
    env
      .addSource<string>({ collect: (out) => (out.collect('ada'), false) })
      .keyBy((user) => user)
      .process<string>((context) => {
        const wallets = context.getState(new ValueStateDescriptor<object>('wallets'));
        return { processElement: () => wallets.update({ paid: [new Money()] }) };
      })
      .name('Wallets')
      .sinkTo(new CollectingSink<string>());
    const error = await failureOf(drive(env.executeAsync('wallets'), clock));
    expect(error.message).toContain(
      `'Wallets' (subtask 0) failed while encoding its state for checkpoint 1: Cannot encode an instance of Money at state 'wallets', key "ada", .paid[0]: keys and state are plain data.`,
    );
  });
});
