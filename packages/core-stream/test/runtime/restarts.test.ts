import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  RestartStrategies,
  StreamConfigError,
  ValueStateDescriptor,
  WatermarkStrategy,
  type JobRestartEvent,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, until } from '../support/conditions.js';
import {
  boom,
  environment,
  none,
  numbers,
  refuseUnhandledRejections,
  scripted,
} from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryBlobStore } from '../../src/testing/memory-blob-store.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

const always = RestartStrategies.fixedDelay({ attempts: Infinity, delayMs: 10 });

/** Numbers counted per remainder of 3: `1:7` is the seventh number with remainder 1. */
function counting(env: StreamExecutionEnvironment, source: ScriptedSource<number>, fault: () => void) {
  return env
    .fromSource(source, none, 'In')
    .map((n) => {
      fault();
      return n;
    })
    .keyBy((n) => n % 3)
    .process<string>((context) => {
      const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
      return {
        processElement(_n, { currentKey }, out) {
          count.update((count.value() ?? 0) + 1);
          out.collect(`${currentKey}:${count.value()}`);
        },
      };
    });
}

const expected = (count: number) =>
  numbers(count)
    .map((n) => `${n % 3}:${Math.floor(n / 3) + 1}`)
    .sort();

describe('a job that is restarted', () => {
  it.each(numbers(10))(
    'goes on from its newest checkpoint, and loses and doubles nothing: seed %i',
    async (seed) => {
      const random = new Random(seed);
      const { clock, env } = environment({ random: () => random.next() });
      const storage = new MemoryStorage();
      const system = new ExternalSystem<string>();
      env.enableCheckpointing({ intervalMs: 3, storage });
      env.setRestartStrategy(RestartStrategies.exponentialDelay({ initialBackoffMs: 5, maxBackoffMs: 20 }));
      let faults = 8;
      const fault = () => {
        if (faults === 0 || random.below(100) > 0) return;
        faults--;
        boom();
      };
      const source = new ScriptedSource<number>([scripted(500)], { batch: 4, onNotify: fault });
      counting(env, source, fault).sinkTo(new TransactionalSink(system, fault));
      const result = await drive(env.executeAsync('restarts'), clock);
      expect([...system.visible].sort()).toEqual(expected(500));
      expect(result.status).toBe('finished');
      expect(result.numRestarts).toBe(8 - faults);
      expect(result.exceptions).toHaveLength(8 - faults);
      expect(clock.pending).toBe(0);
    },
  );

  it('has one identity and one result over all its starts, and each start has functions of its own', async () => {
    let ids = 0;
    const { clock, env } = environment({ createJobId: () => `job-${ids++}` });
    let made = 0;
    env
      .fromSource(new ScriptedSource<number>([scripted(3)]), none, 'In')
      .process<number>(() => {
        const start = ++made;
        return {
          processElement: (n) => {
            if (start < 3 && n === 2) boom();
          },
        };
      })
      .print();
    env.setRestartStrategy(always, { fromTheBeginning: true });
    const client = env.executeAsync('starts');
    const result = await drive(client, clock);
    expect(result).toMatchObject({ jobId: 'job-0', numRestarts: 2, status: 'finished' });
    expect(client.snapshot()).toEqual(result);
    expect([ids, made]).toEqual([1, 3]);
  });

  it.each([true, false])(
    'is counted in its snapshot, its metrics and its events; checkpoints: %s',
    async (hasCheckpoints) => {
      const { clock, env } = environment();
      if (hasCheckpoints) env.enableCheckpointing({ intervalMs: 5, storage: new MemoryStorage() });
      env.setRestartStrategy(always, { fromTheBeginning: true });
      let faults = 20;
      env
        .fromSource(new ScriptedSource<number>([scripted(3)]), none, 'In')
        .map((n) => {
          if (n === 2 && faults-- > 0) boom();
          return n;
        })
        .name('Breaks')
        .print();
      const events: unknown[] = [];
      const onRestart = (event: unknown) => void events.push(event);
      subscribe('millrace:job:restart', onRestart);
      const client = env.executeAsync('counted');
      const result = await drive(client, clock);
      unsubscribe('millrace:job:restart', onRestart);
      expect(result.numRestarts).toBe(20);
      expect(client.metrics.value('job_numRestarts')).toBe(20);
      expect(events.map((event) => (event as JobRestartEvent).numRestarts)).toEqual(
        numbers(20).map((n) => n + 1),
      );
      expect(result.exceptions.map(({ attempt }) => attempt)).toEqual(numbers(16).map((n) => n + 5));
      expect(result.exceptions.at(-1)).toMatchObject({
        operator: 'Breaks',
        subtask: 0,
        record: '2',
        causes: ['Error: boom'],
        restartAfterMs: 10,
      });
    },
  );

  it('begins at the beginning without checkpoints, which has to be said: its sinks get records again', async () => {
    const { clock, env } = environment();
    const sink = new CollectingSink<number>();
    let faults = 1;
    let position = 0;
    env
      .addSource<number>({
        snapshotState: () => position,
        restoreState: (restored) => void (position = restored as number),
        collect: (out) => {
          out.collect(position++);
          return position < 4;
        },
      })
      .map((n) => {
        if (n === 2 && faults-- > 0) boom();
        return n;
      })
      .sinkTo(sink);
    env.setRestartStrategy(always);
    expect(() => env.executeAsync('beginning')).toThrow(StreamConfigError);
    expect(() => env.executeAsync('beginning')).toThrow('fromTheBeginning: true');
    env.setRestartStrategy(always, { fromTheBeginning: true });
    await drive(env.executeAsync('beginning'), clock);
    expect(sink.values).toEqual([0, 1, 0, 1, 2, 3]);
  });

  it("goes on from its own checkpoints where it was told to start with none ('restore: none')", async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 2, storage, restore: 'none' });
    env.setRestartStrategy(always);
    const system = new ExternalSystem<string>();
    let faults = 1;
    const fault = () => {
      if (storage.lastId !== undefined && faults-- > 0) boom();
    };
    const source = new ScriptedSource<number>([scripted(1_000)], { batch: 2 });
    counting(env, source, fault).sinkTo(new TransactionalSink(system));
    const result = await drive(env.executeAsync('none'), clock);
    expect(result.numRestarts).toBe(1);
    expect(result.checkpoints.restoredId).toBeGreaterThan(0);
    expect([...system.visible].sort()).toEqual(expected(1_000));
  });

  it('ends with a record that no restart can help, whatever its strategy', async () => {
    const { clock, env } = environment();
    env.setRestartStrategy(always, { fromTheBeginning: true });
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner(() => NaN);
    env.fromSource(new ScriptedSource<number>([scripted(3)]), strategy, 'In').print();
    const client = env.executeAsync('poison');
    expect(await failureOf(drive(client, clock))).toMatchObject({ retryable: false });
    expect(client.snapshot()).toMatchObject({
      status: 'failed',
      numRestarts: 0,
      exceptions: [{ operator: 'In' }],
    });
  });

  it('does not begin at the beginning where the checkpoints that it has taken are gone', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 2, storage });
    env.setRestartStrategy(always);
    const system = new ExternalSystem<string>();
    const fault = () => {
      if (system.visible.length === 0) return;
      storage.checkpoints.length = 0;
      boom();
    };
    const source = new ScriptedSource<number>([scripted(1_000)], { batch: 2 });
    counting(env, source, fault).sinkTo(new TransactionalSink(system));
    const client = env.executeAsync('gone');
    expect(await failureOf(drive(client, clock))).toMatchObject({
      code: 'MILLRACE_CHECKPOINT',
      retryable: false,
      message: expect.stringMatching(/memory has no checkpoint any more, and the job has had checkpoint \d+/),
    });
    expect(client.snapshot().numRestarts).toBe(1);
    expect(new Set(system.visible).size).toBe(system.visible.length);
  });

  it.each([
    [
      'tries again where the storage does not answer',
      Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
      4,
    ],
    ['gives up where somebody has to do something', Object.assign(new Error('no'), { code: 'EACCES' }), 1],
    ['gives up where what is stored is damaged', new SyntaxError('not JSON'), 1],
  ])('%s', async (_what, outage, restarts) => {
    const { clock, env } = environment();
    const store = new (class extends MemoryBlobStore {
      failing = 0;
      override list(prefix: string) {
        return this.failing-- > 0 ? Promise.reject(outage) : super.list(prefix);
      }
    })();
    env.enableCheckpointing({ intervalMs: 2, storage: new MemoryStorage(store) });
    env.setRestartStrategy(always);
    let faults = 1;
    const fault = () => {
      if (faults-- <= 0) return;
      store.failing = 3;
      boom();
    };
    counting(env, new ScriptedSource<number>([scripted(10)]), fault).print();
    const client = env.executeAsync('outage');
    await drive(client, clock).catch((error: unknown) => expect(error).toMatchObject({ retryable: false }));
    expect(client.snapshot().numRestarts).toBe(restarts);
  });

  it("is still refused a storage that is not empty ('restore: none') where its first start has not come to see it", async () => {
    const storage = new MemoryStorage();
    const run = async (fault: () => void) => {
      const { clock, env } = environment();
      env.enableCheckpointing({ intervalMs: 2, storage, restore: 'none' });
      env.setRestartStrategy(always);
      storage.claim = async (candidate) => {
        fault();
        return MemoryStorage.prototype.claim.call(storage, candidate);
      };
      const source = new ScriptedSource<number>([scripted(10)]);
      counting(env, source, () => undefined).sinkTo(new CollectingSink<string>());
      return drive(env.executeAsync('none'), clock);
    };
    await run(() => undefined);
    let faults = 1;
    const error = await failureOf(
      run(() => {
        if (faults-- > 0) boom();
      }),
    );
    expect(error.message).toContain('but the job is to start afresh');
  });

  it('that has committed everything is not started again because something could not be closed', async () => {
    const { clock, env } = environment();
    env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage() });
    env.setRestartStrategy(always);
    env
      .fromSource(new ScriptedSource<number>([[...scripted(3), PAUSE]]), none, 'In')
      .sinkTo({ createWriter: () => ({ write: () => undefined, flush: () => undefined, close: boom }) });
    const client = env.executeAsync('closing');
    const stopped = failureOf(client.stop());
    expect((await failureOf(drive(client, clock))).message).toContain('failed while closing: boom');
    expect((await stopped).message).toContain('failed while closing: boom');
    expect(client.snapshot()).toMatchObject({ status: 'failed', numRestarts: 0 });
  });

  it('says so to those who have stopped it, where it fails after its last checkpoint', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 1_000, storage });
    env.setRestartStrategy(always);
    const system = new ExternalSystem<number>();
    let faults = 1;
    const source = new ScriptedSource<number>([[...scripted(3), PAUSE]]);
    env.fromSource(source, none, 'In').sinkTo(
      new TransactionalSink(system, (point) => {
        if (point === 'before commit' && faults-- > 0) boom();
      }),
    );
    const client = env.executeAsync('stopped');
    await until(() => source.emitted === 3);
    const stopped = failureOf(client.stop());
    await until(
      () => client.snapshot().numRestarts === 1,
      () => clock.advance(10),
    );
    expect(await stopped).toMatchObject({
      code: 'MILLRACE_CHECKPOINT',
      message: expect.stringMatching(
        /The last checkpoint was taken, but then the job failed.*boom.*Stop it again/,
      ),
    });
    await client.stop();
    expect(await client.result).toMatchObject({ status: 'suspended', numRestarts: 1 });
    expect(system.visible).toEqual(numbers(3));
  });

  it('answers who asks it for something although it was cancelled before it began', async () => {
    const { env } = environment();
    env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage() });
    env.fromCollection([1]).print();
    const client = env.executeAsync('never', { signal: AbortSignal.abort() });
    const asked = failureOf(client.triggerSavepoint(new MemoryStorage()));
    const stopped = failureOf(client.stop());
    expect((await failureOf(client.result)).message).toContain('was cancelled');
    expect((await asked).message).toContain('The job has ended');
    expect((await stopped).message).toContain('The job has ended');
  });
});
