/** Programs that nobody should write, and some that everybody does, where an engine can lose, double or hang. */
import { describe, expect, it } from 'vitest';
import {
  AsyncDataStream,
  EventTimeSessionWindows,
  JobCancelledError,
  ListStateDescriptor,
  OperatorError,
  OutputTag,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, turn, until } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

const monotonous = WatermarkStrategy.forMonotonousTimestamps<number>();

describe('checkpoints under back-pressure', () => {
  it.each([
    { parallelism: 1, operatorChaining: true },
    { parallelism: 2, operatorChaining: false },
    { parallelism: 3, operatorChaining: true },
  ])('do not stop two ways to one operator, of more than a channel holds: %o', async (options) => {
    const { env, clock } = environment(options);
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 1, storage });
    const system = new ExternalSystem<number>();
    const many = env
      .fromSource(new ScriptedSource([scripted(10), scripted(10)], { batch: 1 }), none, 'in')
      .flatMap<number>((n, out) => {
        for (let i = 0; i < 9_000; i++) out.collect(n * 9_000 + i);
      });
    const long = many
      .rebalance()
      .filter((n) => n % 2 === 0)
      .disableChaining();
    many
      .connect(long)
      .map<number>({ map1: (n) => n, map2: (n) => -n - 1 })
      .rebalance()
      .sinkTo(new TransactionalSink(system));
    await drive(env.executeAsync('diamond'), clock);
    expect(system.visible).toHaveLength(20 * 9_000 * 1.5);
  });

  it('do not stop two exchanges from one source to a slow sink', async () => {
    const { env, clock } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 1, storage });
    const sink = new CollectingSink<number>({ backPressure: turn });
    const source = env.fromSource(new ScriptedSource([scripted(12_000), scripted(12_000)]), none, 'in');
    const other = source.rebalance().map((n) => n);
    source
      .keyBy((n) => n % 7)
      .connect(other.keyBy((n) => n % 7))
      .process<number>(() => ({
        processElement1: (n, _context, out) => out.collect(n),
        processElement2: (n, _context, out) => out.collect(n),
      }))
      .sinkTo(sink);
    await drive(env.executeAsync('slow'), clock);
    expect(sink.values).toHaveLength(48_000);
    expect(storage.checkpoints.length).toBeGreaterThan(2);
  });
});

it('a stream may be united with itself, in several partitionings', async () => {
  const { env, clock } = environment({ parallelism: 3 });
  const sink = new CollectingSink<number>();
  const stream = env.fromSource(new ScriptedSource([scripted(100)]), none, 'in');
  stream
    .union(stream, stream.broadcast(), stream.global())
    .map((n) => n)
    .sinkTo(sink);
  await drive(env.executeAsync('union'), clock);
  expect(sink.values).toHaveLength(100 * (1 + 1 + 3 + 1));
});

it('streams without records end everywhere', async () => {
  const { env, clock } = environment({ parallelism: 3 });
  env.enableCheckpointing({ intervalMs: 1, storage: new MemoryStorage() });
  const sink = new CollectingSink<unknown>();
  const windows = TumblingEventTimeWindows.of(5);
  const nothing = env.fromSource(new ScriptedSource<number>([[]]), monotonous, 'a split without records');
  const nobody = env.fromSource(new ScriptedSource<number>([]), monotonous, 'no split');
  const key = (n: number) => n;
  nothing.keyBy(key).window(windows).reduce(key).sinkTo(sink);
  nothing.union(nobody).windowAll(windows).reduce(key).sinkTo(sink);
  nothing.join(nobody).where(key).equalTo(key).window(windows).apply(key).sinkTo(sink);
  nothing.countWindowAll(2).reduce(key).sinkTo(sink);
  const call = { asyncInvoke: (n: number) => Promise.resolve([n]) };
  AsyncDataStream.orderedWait(env.fromCollection<number>([]), call, { timeoutMs: 5 }).sinkTo(sink);
  await drive(env.executeAsync('empty'), clock);
  expect(sink.values).toEqual([]);
});

it('a job can be cancelled at every moment: it closes what it has opened, and nothing goes on', async () => {
  for (let moment = 0; moment < 40; moment++) {
    const { env, clock } = environment({ parallelism: 2 });
    env.enableCheckpointing({ intervalMs: 1, storage: new MemoryStorage() });
    let opened = 0;
    let closed = 0;
    const system = new ExternalSystem<number>();
    const sink = new CollectingSink<number>();
    const source = env.fromSource(new ScriptedSource([scripted(30), scripted(20)], { batch: 2 }), none, 'in');
    const asyncInvoke = async (n: number) => {
      await turn();
      return [n];
    };
    const stream = AsyncDataStream.unorderedWait(source, { asyncInvoke }, { timeoutMs: 100, capacity: 2 })
      .keyBy((n) => n % 3)
      .process<number>(() => ({
        open: async () => {
          opened++;
          await turn();
        },
        processElement: (n, _context, out) => out.collect(n),
        close: async () => {
          await turn();
          closed++;
        },
      }));
    stream.sinkTo(sink);
    stream.sinkTo(new TransactionalSink(system));
    const job = env.executeAsync('cancelled');
    const outcome = drive(job, clock).then(
      () => undefined,
      (error: unknown) => error,
    );
    for (let i = 0; i < moment; i++) await turn();
    job.cancel('enough');
    job.cancel('again');
    const error = await outcome;
    if (error === undefined) expect(system.visible).toHaveLength(50);
    else expect(error).toBeInstanceOf(JobCancelledError);
    expect(sink.closed).toBe(sink.made);
    expect(closed).toBeGreaterThanOrEqual(opened);
    expect(clock.pending).toBe(0);
  }
});

it.each(['auto', 'off'] as const)(
  'undefined and null are records as any other (code generation %s)',
  async (codeGeneration) => {
    const { env, clock } = environment({ parallelism: 2, codeGeneration });
    const values = [undefined, null, 0, '', false, NaN, undefined, null];
    const strategy = WatermarkStrategy.forMonotonousTimestamps<unknown>().withTimestampAssigner(() => 5);
    const source = new ScriptedSource<unknown>([values.map((value) => ({ value }))]);
    const stream = env.fromSource(source, strategy, 'in');
    const one = stream.keyBy(() => 1);
    const each = (elements: Iterable<unknown>, out: { collect(value: unknown): void }) => {
      for (const element of elements) out.collect(element);
    };
    const pass = <R>(stream_: DataStream<R>) => stream_.map((value) => value).filter(() => true);
    const outputs: Record<string, DataStream<unknown>> = {
      'a chain': pass(stream).rebalance(),
      'keyed state': stream
        .keyBy((value) => value)
        .process<unknown>((context) => {
          const list = context.getListState(new ListStateDescriptor<unknown>('list'));
          return {
            processElement(value, { timers }) {
              list.add(value);
              timers.registerEventTimeTimer(10);
            },
            onTimer: (_timestamp, _context, out) => each(list.get(), out),
          };
        }),
      windows: one
        .window(TumblingEventTimeWindows.of(10))
        .process<unknown>((_key, _context, elements, out) => each(elements, out)),
      sessions: one
        .window(EventTimeSessionWindows.withGap(10))
        .process<unknown>((_key, _context, elements, out) => each(elements, out)),
      'count windows': one
        .countWindow(2)
        .process<unknown>((_key, _context, elements, out) => each(elements, out)),
      'async calls': AsyncDataStream.orderedWait(
        stream,
        { asyncInvoke: (value: unknown) => Promise.resolve([value]) },
        { timeoutMs: 1000 },
      ),
      'a rolling reduce': one.reduce((_a, b) => b),
    };
    const sinks = Object.entries(outputs).map(([name, output]) => {
      const sink = new CollectingSink<unknown>();
      output.sinkTo(sink);
      return { name, sink };
    });
    let reduced = 0;
    const count = (_a: unknown, b: unknown) => {
      reduced++;
      return b;
    };
    one.reduce(count).sinkTo(new CollectingSink());
    await drive(env.executeAsync('nothing'), clock);
    const texts = (records: readonly unknown[]) =>
      records.map((record) => `${typeof record} ${String(record)}`);
    for (const { name, sink } of sinks) expect(texts(sink.values).sort(), name).toEqual(texts(values).sort());
    expect(reduced).toBe(values.length - 1);
  },
);

it('keys are equal by value also over a restart at another parallelism', async () => {
  const keys: readonly (readonly [string, () => unknown])[] = [
    ['NaN', () => NaN],
    ['zero', () => -0],
    ['zero', () => 0],
    ['nested', () => ({ a: 1, b: { c: [1, 2], d: 'x' } })],
    ['nested', () => ({ b: { d: 'x', c: [1, 2] }, a: 1 })],
    ['date', () => new Date(5)],
    ['no date', () => new Date(NaN)],
    ['long text', () => 'x'.repeat(70_000)],
    ['long text in an array', () => ['x'.repeat(70_000)]],
    ['a property __proto__', () => JSON.parse('{"__proto__": {"a": 1}, "b": 2}') as unknown],
    ['no such property', () => ({ b: 2 })],
    ['no prototype', () => Object.assign(Object.create(null) as object, { q: 1 })],
    ['no prototype', () => ({ q: 1 })],
    ['text like an identity', () => '\u0000[i'],
    ['U+0000', () => '\u0000'],
    ['no text', () => ''],
    ['no properties', () => ({})],
    ['null', () => null],
    ['undefined', () => undefined],
    ['a property that is undefined', () => ({ a: undefined })],
    ['5n', () => 5n],
    ['5', () => 5],
    ['text 5', () => '5'],
    ['2^53', () => 2 ** 53],
    ['2^53 + 2', () => 2 ** 53 + 2],
    ['[zero]', () => [-0]],
    ['[zero]', () => [0]],
    ['[NaN]', () => [NaN]],
    ['half a character', () => '\ud800'],
  ];
  const indices = numbers(keys.length * 3).map((value) => ({ value }));
  const source = new ScriptedSource<number>([[...indices, PAUSE, ...indices]]);
  const storage = new MemoryStorage();
  const counts = new Map<string, number>();
  const start = (parallelism: number) => {
    const { env, clock } = environment({ parallelism });
    env.enableCheckpointing({ intervalMs: 1, storage });
    env
      .fromSource(source, none, 'in')
      .keyBy((n) => keys[n % keys.length]![1]())
      .process<number>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement(n, _context, out) {
            count.update(count.value()! + 1);
            counts.set(keys[n % keys.length]![0], count.value()!);
            out.collect(n);
          },
        };
      })
      .sinkTo(new CollectingSink());
    return { job: env.executeAsync('keys'), clock };
  };
  const first = start(1);
  await until(
    () => source.emitted === indices.length && storage.checkpoints.length > 2,
    () => first.clock.advance(1),
  );
  first.job.cancel();
  await failureOf(first.job.result);
  source.resume();
  const second = start(3);
  await drive(second.job, second.clock);
  for (const [name, count] of counts) {
    expect(count, name).toBe(2 * 3 * keys.filter(([other]) => other === name).length);
  }
});

describe('whatever is thrown', () => {
  const places: readonly (readonly [string, (env: StreamExecutionEnvironment, fail: () => never) => void])[] =
    [
      ['a map', (env, fail) => env.fromCollection([1]).map(fail).sinkTo(new CollectingSink())],
      [
        'an async call',
        (env, fail) =>
          AsyncDataStream.orderedWait(
            env.fromCollection([1]),
            { asyncInvoke: () => Promise.resolve().then(fail) },
            { timeoutMs: 5 },
          ).sinkTo(new CollectingSink()),
      ],
      ['flush', (env, fail) => env.fromCollection([1]).sinkTo(new CollectingSink({ flush: fail }))],
      [
        'backPressure',
        (env, fail) =>
          env
            .fromCollection([1])
            .sinkTo(new CollectingSink({ backPressure: () => Promise.resolve().then(fail) })),
      ],
      ['close', (env, fail) => env.fromCollection([1]).sinkTo(new CollectingSink({ close: fail }))],
      [
        'open',
        (env, fail) =>
          env
            .fromCollection([1])
            .process(() => ({ processElement: () => undefined, open: fail }))
            .sinkTo(new CollectingSink()),
      ],
      [
        'a source function',
        (env, fail) =>
          env.addSource<number>({ collect: () => Promise.resolve().then(fail) }).sinkTo(new CollectingSink()),
      ],
      [
        'a timestamp assigner',
        (env, fail) =>
          env
            .fromCollection([1])
            .assignTimestampsAndWatermarks(monotonous.withTimestampAssigner(fail))
            .sinkTo(new CollectingSink()),
      ],
    ];
  it.each<readonly [string, () => unknown]>([
    ['undefined', () => undefined],
    ['null', () => null],
    ['a text', () => 'text'],
    ['a symbol', () => Symbol('symbol')],
    ['an object without a prototype', () => Object.create(null) as object],
    [
      'an error whose message throws',
      () =>
        Object.defineProperty(new Error(), 'message', {
          get: () => {
            throw new Error('evil');
          },
        }),
    ],
  ])('names the operator: %s', async (_name, make) => {
    for (const [place, add] of places) {
      const { env, clock } = environment();
      add(env, () => {
        throw make();
      });
      const error = await failureOf(drive(env.executeAsync('thrown'), clock));
      expect(error, place).toBeInstanceOf(OperatorError);
    }
  });
});

it('uids and tags may be any text', async () => {
  const { env, clock } = environment();
  const sink = new CollectingSink<number>();
  const tag = new OutputTag<number>('\ud800');
  const stream = env
    .fromCollection([1])
    .map((n) => n)
    .uid('\ud800*/\n//`${x}`')
    .process<number>(() => ({ processElement: (n, context) => context.output(tag, n) }))
    .uid("';throw 1");
  stream.getSideOutput(tag).sinkTo(sink);
  await drive(env.executeAsync('text'), clock);
  expect(sink.values).toEqual([1]);
});

it.each([
  [1, 3],
  [3, 1],
  [2, 3],
  [3, 2],
])('a sequence goes on at another parallelism, each number once: from %i to %i', async (before, after) => {
  const storage = new MemoryStorage();
  const system = new ExternalSystem<number>();
  let hasFailed = false;
  const start = (parallelism: number) => {
    const { env, clock } = environment({ parallelism });
    env.enableCheckpointing({ intervalMs: 1, storage });
    env
      .fromSequence(1, 30_000)
      .keyBy((n) => n % 11)
      .process<number>(() => ({
        processElement(n, _context, out) {
          if (!hasFailed && n === 9_500) {
            hasFailed = true;
            throw new Error('once');
          }
          out.collect(n);
        },
      }))
      .sinkTo(new TransactionalSink(system));
    return drive(env.executeAsync('sequence'), clock);
  };
  await expect(start(before)).rejects.toThrow('once');
  await start(after);
  expect([...system.visible].sort((a, b) => a - b)).toEqual(numbers(30_001).slice(1));
});
