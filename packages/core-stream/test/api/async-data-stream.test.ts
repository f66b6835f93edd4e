import { describe, expect, it } from 'vitest';
import {
  AsyncDataStream,
  AsyncRetryStrategies,
  OperatorError,
  sleep,
  StreamConfigError,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type AsyncFunction,
  type AsyncWaitOptions,
} from '../../src/index.js';
import {
  CollectingSink,
  ExternalSystem,
  ManualClock,
  MemoryCheckpointStorage,
  ScriptedSource,
  TransactionalSink,
} from '../../src/testing/index.js';
import { RemoteService } from '../support/async-subtask.js';
import { drive, failureOf, quiet, until } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections } from '../support/environment.js';
import { Random } from '../support/random.js';

refuseUnhandledRejections();

/** Answers after a while that differs from record to record. */
function slow(clock: ManualClock, seed = 1): AsyncFunction<number, number> {
  const random = new Random(seed);
  return {
    asyncInvoke: async (value, { signal }) => {
      await sleep(clock, random.below(20), signal);
      return [value];
    },
  };
}

const timed = (count: number) => numbers(count).map((value) => ({ value, timestamp: value }));
const options = { timeoutMs: 1000 };

describe('async I/O', () => {
  it('ordered, keeps the order of the records', async () => {
    const { clock, env } = environment();
    const source = new ScriptedSource<number>([timed(1000)]);
    const sink = new CollectingSink<number>();
    AsyncDataStream.orderedWait(env.fromSource(source, none, 'In'), slow(clock), options).sinkTo(sink);
    await drive(env.executeAsync('ordered'), clock);
    expect(sink.values).toEqual(numbers(1000));
    expect(sink.timestamps).toEqual(numbers(1000));
    expect(clock.pending).toBe(0);
  });

  it('unordered, has nothing late behind it', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const source = new ScriptedSource<number>([timed(500), timed(500)], { batch: 7 });
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance');
    const sink = new CollectingSink<number>();
    AsyncDataStream.unorderedWait(env.fromSource(source, strategy, 'In'), slow(clock), options)
      .keyBy((n) => n % 2)
      .process<number>(() => ({ processElement: (n, _context, out) => out.collect(n) }))
      .sinkTo(sink);
    await drive(env.executeAsync('unordered'), clock);
    expect([...sink.values].sort((a, b) => a - b)).toEqual(numbers(500).flatMap((n) => [n, n]));
    expect(sink.values).not.toEqual(numbers(500).flatMap((n) => [n, n]));
    expect(sink.timestamps.every((timestamp, index) => timestamp! > sink.watermarks[index]!)).toBe(true);
    expect(Math.max(...sink.watermarks)).toBeGreaterThan(400);
  });

  it('stops reading while it is full', async () => {
    const { env } = environment();
    const service = new RemoteService();
    const source = new ScriptedSource<number>([timed(10_000)], { batch: 10 });
    const sink = new CollectingSink<string>();
    AsyncDataStream.orderedWait(env.fromSource(source, none, 'In'), service, {
      ...options,
      capacity: 20,
    }).sinkTo(sink);
    const job = env.executeAsync('full');
    await until(() => service.unsettled.length === 20);
    await quiet();
    expect(source.emitted).toBe(20);
    service.answer(0);
    await until(() => sink.values.length === 1);
    await quiet();
    expect(source.emitted).toBe(30);
    expect(service.unsettled.length).toBe(20);
    job.cancel();
    await failureOf(job.result);
  });

  it('of one operator can follow that of another, over a keyed stream', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const sink = new CollectingSink<number>();
    const doubled = AsyncDataStream.unorderedWait(
      env.fromCollection(numbers(300)).keyBy((n) => n % 5),
      () => slow(clock),
      options,
    );
    const strings = AsyncDataStream.orderedWait(
      doubled.keyBy((n) => n % 3),
      { asyncInvoke: async (n) => [n, (await Promise.resolve(n)) + 1000] },
      { ...options, capacity: 3 },
    );
    strings.sinkTo(sink);
    await drive(env.executeAsync('two'), clock);
    expect([...sink.values].sort((a, b) => a - b)).toEqual([
      ...numbers(300),
      ...numbers(300).map((n) => n + 1000),
    ]);
  });

  it('ends the calls in flight when the job fails, and leaves no rejection behind', async () => {
    const { clock, env } = environment();
    const service = new RemoteService();
    const stream = env.fromCollection([1, 2, 3]);
    AsyncDataStream.unorderedWait(stream, service, options).name('Enrich').print();
    const job = env.executeAsync('fails');
    const failure = failureOf(job.result);
    await until(() => service.unsettled.length === 3);
    const [first, second, third] = service.unsettled;
    const cause = new Error('no such user');
    second!.reject(cause);
    const error = await failure;
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe("'Enrich' (subtask 0) failed while processing the record 2: no such user");
    expect(error.cause).toBe(cause);
    expect(first!.signal.reason).toBe(error);
    expect(third!.signal.aborted).toBe(true);
    first!.resolve(['late']);
    third!.reject(new Error('aborted'));
    expect(clock.pending).toBe(0);
  });

  it('ends the calls in flight when the job is cancelled', async () => {
    const { clock, env } = environment();
    let closed = 0;
    AsyncDataStream.unorderedWait(
      env.fromCollection([1, 2, 3]),
      { ...slow(clock), close: () => void closed++ },
      options,
    ).print();
    const job = env.executeAsync('cancelled');
    await until(() => clock.pending >= 3);
    job.cancel();
    expect(await failureOf(job.result)).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    expect(closed).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'is exactly-once, whenever the job is stopped and with whatever parallelism it goes on (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const storage = new MemoryCheckpointStorage();
      const system = new ExternalSystem<number>();
      const scripts = numbers(3).map((split) =>
        numbers(40 + random.below(80)).map((n) => ({ value: 1000 * split + n, timestamp: n })),
      );
      const expected = scripts.flat().map(({ value }) => value);
      for (let run = 0; ; run++) {
        const clock = new ManualClock();
        const env = StreamExecutionEnvironment.getExecutionEnvironment({
          parallelism: 1 + random.below(3),
          clock,
          autoWatermarkIntervalMs: 3,
        });
        env.enableCheckpointing({ intervalMs: 5, storage });
        const source = new ScriptedSource<number>(scripts, { batch: 1 + random.below(20) });
        const strategy = WatermarkStrategy.forMonotonousTimestamps<number>();
        const wait = random.next() < 0.5 ? AsyncDataStream.orderedWait : AsyncDataStream.unorderedWait;
        wait(env.fromSource(source, strategy, 'In').uid('in'), () => slow(clock, seed + run), {
          timeoutMs: 100,
          capacity: 1 + random.below(10),
        })
          .uid('async')
          .sinkTo(new TransactionalSink(system))
          .uid('out');
        const job = env.executeAsync('exactly once');
        let isRunning = true;
        const hasEnded = job.result.then(
          () => true,
          () => false,
        );
        void hasEnded.then(() => (isRunning = false));
        const stopAt = run < 4 ? random.below(60) : Infinity;
        await until(
          () => !isRunning,
          () => {
            clock.advance(1);
            if (clock.now() >= stopAt) job.cancel();
          },
        );
        if (await hasEnded) break;
      }
      expect([...system.visible].sort((a, b) => a - b)).toEqual(expected);
    },
  );
});

describe('a program with async I/O that cannot be right is refused', () => {
  const stream = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection([1]);
  const call: AsyncFunction<number, number> = { asyncInvoke: () => Promise.resolve([]) };
  const retry = AsyncRetryStrategies.fixedDelay({ maxAttempts: 0, delayMs: 1 });

  it.each<[string, AsyncWaitOptions<number>]>([
    ['timeoutMs of OrderedAsyncWait has to be above 0, got 0', { timeoutMs: 0 }],
    ['timeoutMs of OrderedAsyncWait has to be above 0, got NaN', { timeoutMs: NaN }],
    [
      'capacity of OrderedAsyncWait has to be a whole number of at least 1, got 0',
      { ...options, capacity: 0 },
    ],
    ['capacity of OrderedAsyncWait has to be a whole number', { ...options, capacity: Infinity }],
    ['maxAttempts of the retry strategy of OrderedAsyncWait has to be', { ...options, retry }],
  ])('%s', (message, wrong) => {
    const add = () => AsyncDataStream.orderedWait(stream, call, wrong);
    expect(add).toThrow(StreamConfigError);
    expect(add).toThrow(message);
  });

  it('a factory that makes no function fails when the job starts', async () => {
    const { clock, env } = environment();
    const notThis = (() => () => Promise.resolve([])) as never;
    AsyncDataStream.orderedWait(env.fromCollection([1]), notThis, options).print();
    const error = await failureOf(drive(env.executeAsync('no function'), clock));
    expect(error.message).toContain(
      "'OrderedAsyncWait' needs an object with asyncInvoke, or a function that makes one",
    );
  });
});
