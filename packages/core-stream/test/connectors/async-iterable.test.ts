import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  OperatorError,
  StreamConfigError,
  StreamExecutionEnvironment,
  type JobClient,
} from '../../src/index.js';
import { AsyncIterableFeed } from '../../src/connectors/async-iterable-feed.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { environment, numbers, refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';

refuseUnhandledRejections();

/** Counts what is asked of it. */
class Counting implements AsyncIterable<number> {
  pulled = 0;
  returned = 0;
  readonly #count: number;
  readonly #next: (n: number) => Promise<number>;

  constructor(count: number, next: (n: number) => Promise<number> = (n) => Promise.resolve(n)) {
    this.#count = count;
    this.#next = next;
  }

  [Symbol.asyncIterator](): AsyncIterator<number> {
    return {
      next: async () => {
        if (this.pulled >= this.#count) return { done: true, value: undefined };
        return { done: false, value: await this.#next(this.pulled++) };
      },
      return: async () => {
        this.returned++;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

const cancelled = async (job: JobClient) => {
  job.cancel();
  await failureOf(job.result);
};

describe('fromAsyncIterable', () => {
  it('gives all records in order, and ends', async () => {
    const { env } = environment({ parallelism: 3 });
    const sink = new CollectingSink<number>();
    const iterable = new Counting(5000);
    env.fromAsyncIterable(iterable).setParallelism(1).sinkTo(sink).setParallelism(1);
    await env.execute('all');
    expect(sink.values).toEqual(numbers(5000));
    expect(iterable.returned).toBe(0);
  });

  it('invariant 1: reads ahead by no more than its bound while the engine is stopped', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    const sink: CollectingSink<number> = new CollectingSink<number>({
      backPressure: () => (sink.values.length > 0 ? gate.opened : undefined),
    });
    const iterable = new Counting(5000);
    env.fromAsyncIterable(iterable, { prefetch: 16 }).sinkTo(sink);
    const job = env.executeAsync('bound');
    await until(() => sink.values.length > 0);
    await quiet();
    expect(iterable.pulled).toBe(sink.values.length + 16);
    gate.open();
    await drive(job, clock);
    expect(sink.values).toEqual(numbers(5000));
  });

  it('invariant 2: fails with the name of the source, after the records before the failure', async () => {
    const { env } = environment();
    const sink = new CollectingSink<number>();
    const iterable = new Counting(10, (n) =>
      n === 7 ? Promise.reject(new Error('boom')) : Promise.resolve(n),
    );
    env.fromAsyncIterable(iterable, { name: 'Sensors' }).sinkTo(sink);
    const error = await failureOf(env.execute('fails'));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe("'Sensors' (subtask 0) failed while reading: boom");
    expect(sink.values).toEqual(numbers(7));
  });

  it('invariant 3: calls return() on cancel, also while a next() never comes back', async () => {
    for (const next of [(n: number) => Promise.resolve(n), () => new Promise<number>(() => undefined)]) {
      const { env } = environment();
      const iterable = new Counting(Infinity, next);
      const gate = createGate();
      const sink: CollectingSink<number> = new CollectingSink<number>({
        backPressure: () => (sink.values.length > 0 ? gate.opened : undefined),
      });
      env.fromAsyncIterable(iterable).sinkTo(sink);
      const job = env.executeAsync('cancel');
      await until(() => iterable.pulled > 0);
      await quiet();
      job.cancel();
      gate.open(); // a sink's promises are waited for
      await failureOf(job.result);
      expect(iterable.returned).toBe(1);
    }
  });

  it('invariant 3: runs the finally of a generator when something else fails', async () => {
    const { env } = environment();
    let isClosed = false;
    async function* generate() {
      try {
        for (let n = 0; ; n++) yield await Promise.resolve(n);
      } finally {
        isClosed = true;
      }
    }
    env
      .fromAsyncIterable(generate())
      .map((n) => {
        if (n === 100) throw new Error('boom');
        return n;
      })
      .sinkTo(new CollectingSink());
    await failureOf(env.execute('fails behind'));
    expect(isClosed).toBe(true);
  });

  it('aborts the signal that the opening function got', async () => {
    const { env } = environment();
    let signal: AbortSignal | undefined;
    env
      .fromAsyncIterable<number>((_position, own) => {
        signal = own;
        return new Counting(Infinity, () => new Promise(() => undefined));
      })
      .sinkTo(new CollectingSink());
    const job = env.executeAsync('signal');
    await until(() => signal !== undefined);
    await cancelled(job);
    expect(signal?.aborted).toBe(true);
  });

  it('refuses to read the same iterable in a second run', async () => {
    const { env } = environment();
    env.fromAsyncIterable(new Counting(5)).sinkTo(new CollectingSink());
    await env.execute('once');
    const error = await failureOf(env.execute('twice'));
    expect(error.cause).toBeInstanceOf(StreamConfigError);
    expect(error.message).toContain('can be read only once');
  });

  it('goes on with the record behind the last one of the checkpoint, where positions are kept', async () => {
    const { clock } = environment();
    const storage = new MemoryStorage();
    const opened: (number | undefined)[] = [];
    const gate = createGate();
    const start = (until?: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const sink = new CollectingSink<{ offset: number }>();
      env
        .fromAsyncIterable(
          (after: number | undefined) => {
            opened.push(after);
            return (async function* () {
              for (let offset = (after ?? -1) + 1; offset < 1000; offset++) {
                if (offset === until) await gate.opened;
                yield { offset };
              }
            })();
          },
          { positionOf: (record) => record.offset, boundedness: 'bounded' },
        )
        .map((record) => {
          const seen = { ...record };
          record.offset = -1; // what a function does to a record does not change where it was
          return seen;
        })
        .sinkTo(sink);
      return { job: env.executeAsync('positions'), sink };
    };
    const first = start(500);
    await until(() => first.sink.values.length === 500);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    await cancelled(first.job);
    gate.open();
    const second = start();
    await drive(second.job, clock);
    expect(opened).toEqual([undefined, 499]);
    expect(second.sink.values.map(({ offset }) => offset)).toEqual(numbers(500).map((n) => n + 500));
  });

  it('does not begin anew after its end was part of a checkpoint', async () => {
    const { clock } = environment();
    const storage = new MemoryStorage();
    let opened = 0;
    for (let run = 0; run < 2; run++) {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env
        .fromAsyncIterable(() => {
          opened++;
          return new Counting(5);
        })
        .sinkTo(new CollectingSink());
      await drive(env.executeAsync('ended'), clock);
    }
    expect(opened).toBe(1);
  });

  it('has an end for batch mode only where it is promised', () => {
    for (const [boundedness, mode] of [
      ['bounded', 'batch'],
      ['unbounded', 'streaming'],
    ] as const) {
      const { env } = environment({ runtimeMode: 'automatic' });
      env.fromAsyncIterable(new Counting(1), { boundedness }).print();
      expect(env.getExecutionPlan().runtimeMode).toBe(mode);
    }
  });

  it('refuses options that make no sense', () => {
    const { env } = environment();
    expect(() => env.fromAsyncIterable(new Counting(1), { prefetch: 0 })).toThrow(StreamConfigError);
    expect(() => env.fromAsyncIterable(new Counting(1), { positionOf: (n) => n })).toThrow(
      '(position) => iterable',
    );
  });
});

describe('async iterable feed', () => {
  it('invariants 1 and 2 hold whenever it is asked, for any amount', async () => {
    const options = fc.record({
      count: fc.integer({ min: 0, max: 30 }),
      failsAt: fc.option(fc.integer({ min: 0, max: 30 })),
      prefetch: fc.integer({ min: 1, max: 8 }),
      takes: fc.infiniteStream(
        fc.record({ max: fc.integer({ min: 1, max: 5 }), ticks: fc.integer({ min: 0, max: 3 }) }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(options, async ({ count, failsAt, prefetch, takes }) => {
        const iterable = new Counting(count, (n) =>
          n === failsAt ? Promise.reject(new Error('boom')) : Promise.resolve(n),
        );
        const feed = new AsyncIterableFeed(iterable, prefetch);
        const taken: number[] = [];
        let failure: unknown;
        while (!feed.hasEnded && failure === undefined) {
          const { max, ticks } = takes.next().value;
          for (let i = 0; i < ticks; i++) await Promise.resolve();
          try {
            const records = feed.take(max);
            expect(records.length).toBeLessThanOrEqual(max);
            taken.push(...records);
          } catch (error) {
            failure = error;
          }
          expect(iterable.pulled - taken.length).toBeLessThanOrEqual(prefetch + 1);
          await feed.isAvailable();
        }
        const fails = failsAt !== null && failsAt < count;
        expect(taken).toEqual(numbers(fails ? failsAt : count));
        expect(failure === undefined).toBe(!fails);
        await feed.close();
        expect(iterable.returned).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
