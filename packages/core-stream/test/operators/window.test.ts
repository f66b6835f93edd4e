import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  OperatorError,
  OutputTag,
  SlidingEventTimeWindows,
  StreamExecutionEnvironment,
  StreamRecordError,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  TimeWindow,
  type WindowAssigner,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, until } from '../support/conditions.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed, type ScriptStep } from '../support/scripted-source.js';

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

interface Closed {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly values: readonly number[];
}

interface Expected {
  readonly closed: Closed[];
  readonly late: Reading[];
}

const lateTag = new OutputTag<Reading>('late');

function windowsOf(at: number, size: number, slide: number): TimeWindow[] {
  const windows: TimeWindow[] = [];
  for (let start = at - size + 1; start <= at; start++) {
    if (Number.isInteger(start / slide)) windows.push(new TimeWindow(start, start + size));
  }
  return windows;
}

/** One record after the other, with the watermark after each: `newest − bound − 1`. */
function oracle(readings: readonly Reading[], size: number, slide: number, bound: number): Expected {
  const open: { key: string; window: TimeWindow; values: number[]; order: number }[] = [];
  const expected: Expected = { closed: [], late: [] };
  let watermark = -Infinity;
  let order = 0;
  const advance = (to: number) => {
    watermark = Math.max(watermark, to);
    const due = open.filter(({ window }) => window.end - 1 <= watermark);
    due.sort((a, b) => a.window.end - b.window.end || a.order - b.order);
    for (const one of due) {
      open.splice(open.indexOf(one), 1);
      expected.closed.push({ key: one.key, ...one.window, values: one.values });
    }
  };
  for (const reading of readings) {
    const windows = windowsOf(reading.at, size, slide);
    const alive = windows.filter(({ end }) => end - 1 > watermark);
    for (const window of alive) {
      const known = open.find((one) => one.key === reading.key && one.window.start === window.start);
      if (known === undefined)
        open.push({ key: reading.key, window, values: [reading.value], order: order++ });
      else known.values.push(reading.value);
    }
    if (alive.length === 0 && reading.at <= watermark) expected.late.push(reading);
    advance(reading.at - bound - 1);
  }
  advance(Infinity);
  return expected;
}

type Kind = 'aggregate' | 'aggregate + process' | 'reduce' | 'reduce + process' | 'process';

async function run(
  readings: readonly Reading[],
  assigner: WindowAssigner,
  options: { bound: number; parallelism: number; kind: Kind },
) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: options.parallelism, clock });
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Reading>(options.bound)
    .withTimestampAssigner((reading) => reading.at)
    .withEmission('on-advance');
  const windowed = env
    .fromCollection(readings)
    .assignTimestampsAndWatermarks(strategy)
    .setParallelism(1)
    .keyBy((reading) => reading.key)
    .window(assigner)
    .sideOutputLateData(lateTag);
  const sum = (values: Iterable<{ value: number }>) =>
    [...values].reduce((total, { value }) => total + value, 0);
  const byKind = {
    aggregate: () =>
      windowed.aggregate({
        createAccumulator: (): number[] => [],
        add: (reading, acc) => [...acc, reading.value],
        getResult: (acc) => ({ text: acc.join() }),
        merge: (a, b) => [...a, ...b],
      }),
    'aggregate + process': () =>
      windowed.aggregate(
        {
          createAccumulator: () => 0,
          add: (reading, acc) => acc + reading.value,
          getResult: (acc) => acc,
          merge: (a, b) => a + b,
        },
        (key, { window }, [total], out) =>
          out.collect({ text: `${key} ${window.start} ${window.end} ${String(total)}` }),
      ),
    reduce: () =>
      windowed
        .reduce((a, b) => ({ ...a, value: a.value + b.value }))
        .map((reading) => ({ text: `${reading.key} ${reading.value}` })),
    'reduce + process': () =>
      windowed.reduce(
        (a, b) => ({ ...a, value: a.value + b.value }),
        (key, { window }, results, out) => {
          out.collect({ text: `${key} ${window.start} ${window.end} ${sum(results)}` });
        },
      ),
    process: () =>
      windowed.process<{ text: string }>((key, { window }, elements, out) => {
        out.collect({
          text: `${key} ${window.start} ${window.end} ${[...elements].map(({ value }) => value).join()}`,
        });
      }),
  };
  const result = byKind[options.kind]();
  const sink = new CollectingSink<{ text: string }>();
  const late = new CollectingSink<Reading>();
  result.sinkTo(sink);
  const lateStream = options.kind === 'reduce' ? undefined : result.getSideOutput(lateTag);
  lateStream?.sinkTo(late);
  await drive(env.executeAsync('windows'), clock);
  return { texts: sink.values.map(({ text }) => text), timestamps: sink.timestamps, late: late.values };
}

function textOf(kind: Kind, { key, start, end, values }: Closed): string {
  const sum = values.reduce((total, value) => total + value, 0);
  switch (kind) {
    case 'aggregate':
      return values.join();
    case 'reduce':
      return `${key} ${sum}`;
    case 'process':
      return `${key} ${start} ${end} ${values.join()}`;
    default:
      return `${key} ${start} ${end} ${sum}`;
  }
}

const reading = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  at: fc.integer({ min: -60, max: 60 }),
  value: fc.integer({ min: 0, max: 9 }),
});
const kinds: readonly Kind[] = ['aggregate', 'aggregate + process', 'reduce', 'reduce + process', 'process'];

describe('windows of event time', () => {
  it.each(kinds)('%s: emits and drops exactly what a naive oracle does', async (kind) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(reading, { maxLength: 40 }),
        fc.integer({ min: 1, max: 25 }),
        fc.option(fc.integer({ min: 1, max: 25 }), { nil: undefined }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (readings, size, slide, bound, parallelism) => {
          const assigner =
            slide === undefined ? TumblingEventTimeWindows.of(size) : SlidingEventTimeWindows.of(size, slide);
          const expected = oracle(readings, size, slide ?? size, bound);
          const actual = await run(readings, assigner, { bound, parallelism, kind });
          const texts = expected.closed.map((closed) => textOf(kind, closed));
          const order = <T>(items: T[]) => (parallelism === 1 ? items : [...items].sort());
          expect(order(actual.texts)).toEqual(order(texts));
          const json = (list: readonly Reading[]) => order(list.map((one) => JSON.stringify(one)));
          if (kind !== 'reduce') expect(json(actual.late)).toEqual(json(expected.late));
          if (parallelism === 1) expect(actual.timestamps).toEqual(expected.closed.map(({ end }) => end - 1));
        },
      ),
      { numRuns: 60 },
    );
  });

  const values = (pairs: readonly (readonly [number, number])[]): Reading[] =>
    pairs.map(([at, value]) => ({ key: 'k', at, value }));
  const options = { bound: 0, parallelism: 1, kind: 'process' as const };

  it('window invariant 1: a window takes records until the watermark reaches its end − 1', async () => {
    // With a bound of 0 the watermark after a record at t is t − 1.
    const open = await run(
      values([
        [9, 1],
        [5, 2],
      ]),
      TumblingEventTimeWindows.of(10),
      options,
    );
    expect(open).toMatchObject({ texts: ['k 0 10 1,2'], late: [] });
    const closed = await run(
      values([
        [10, 1],
        [5, 2],
      ]),
      TumblingEventTimeWindows.of(10),
      options,
    );
    expect(closed).toMatchObject({ texts: ['k 10 20 1'], late: [{ value: 2 }] });
  });

  it('window invariant 1: a record whose timestamp is the watermark is late', async () => {
    const result = await run(
      values([
        [10, 1],
        [9, 2],
      ]),
      TumblingEventTimeWindows.of(1),
      options,
    );
    expect(result.late).toEqual([{ key: 'k', at: 9, value: 2 }]);
  });

  it('window invariant 2: a record that is late for some of its windows only is not late', async () => {
    const result = await run(
      values([
        [12, 1],
        [9, 2],
      ]),
      SlidingEventTimeWindows.of(10, 5),
      options,
    );
    expect(result.texts).toContain('k 5 15 1,2');
    expect(result.texts.join()).not.toContain('k 0 10');
    expect(result.late).toEqual([]);
  });

  it('window invariant 2: without a late output, late records are counted as dropped, also over a restart', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([
      [
        ...timed([
          [1, 100],
          [2, 5],
          [3, 6],
        ]),
        PAUSE,
        ...timed([
          [4, 7],
          [5, 100],
        ]),
      ],
    ]);
    const start = () => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const strategy = WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance');
      const sink = new CollectingSink<number>();
      env
        .fromSource(source, strategy, 'numbers')
        .keyBy(() => 0)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((a, b) => a + b)
        .sinkTo(sink);
      return { job: env.executeAsync('late'), sink };
    };
    const first = start();
    await until(() => source.emitted === 3);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    first.job.cancel();
    await failureOf(first.job.result);
    source.resume();
    const second = start();
    const result = await drive(second.job, clock);
    expect(result.operators.find(({ name }) => name === 'Window Reduce')).toMatchObject({
      recordsIn: 5,
      lateRecordsDropped: 3,
    });
    expect(second.sink.values).toEqual([6]);
  });

  it('window invariant 2: a record in the gap between two windows is not late', async () => {
    const result = await run(values([[7, 1]]), SlidingEventTimeWindows.of(3, 10), options);
    expect(result).toMatchObject({ texts: [], late: [] });
  });

  it('window invariant 3: windows close in the order of their end, keys in that of their first record', async () => {
    const readings = [
      { key: 'b', at: 12, value: 1 },
      { key: 'b', at: 2, value: 2 },
      { key: 'a', at: 1, value: 3 },
      { key: 'a', at: 13, value: 4 },
    ];
    const result = await run(readings, TumblingEventTimeWindows.of(10), { ...options, bound: 100 });
    expect(result.texts).toEqual(['b 0 10 2', 'a 0 10 3', 'b 10 20 1', 'a 10 20 4']);
    expect(result.timestamps).toEqual([9, 9, 19, 19]);
  });

  it('window invariant 3: a result is emitted before the watermark that causes it is passed on', async () => {
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    const sink = new CollectingSink<number>();
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance');
    env
      .fromSource(
        new ScriptedSource([
          timed([
            [1, 5],
            [2, 15],
            [3, 25],
          ]),
        ]),
        strategy,
        'numbers',
      )
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    await drive(env.executeAsync('order'), clock);
    expect(sink.values).toEqual([1, 2, 3]);
    expect(sink.watermarks).toEqual([4, 14, 24]);
  });

  it('windows windows: results have the timestamp end − 1, so they fall into the window around them', async () => {
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    const sink = new CollectingSink<number>();
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>();
    env
      .fromSource(
        new ScriptedSource([timed(Array.from({ length: 100 }, (_, i) => [1, i] as const))]),
        strategy,
        's',
      )
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(50))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    await drive(env.executeAsync('windows of windows'), clock);
    expect(sink.values).toEqual([50, 50]);
  });

  it('fails a record without a timestamp with what to do about it', async () => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    env
      .fromSource(
        new ScriptedSource<number>([[{ value: 1 }]]),
        WatermarkStrategy.forMonotonousTimestamps<number>(),
        'In',
      )
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .print();
    const error = await failureOf(env.execute('no time'));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error).toMatchObject({ retryable: false, cause: expect.any(StreamRecordError) as unknown });
    expect(error.message).toContain('A record without a timestamp reached');
    expect(error.message).toContain('assignTimestampsAndWatermarks');
  });

  it('window invariant 4: windows go on over a restore at parallelism 1 → 3 → 2', async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage();
    const part = (from: number): ScriptStep<number>[] =>
      Array.from({ length: 20 }, (_, i) => ({ value: from + i, timestamp: i }));
    const source = new ScriptedSource<number>([[...part(0), PAUSE, ...part(100), PAUSE, ...part(200)]]);
    const system: string[] = [];
    const start = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env
        .fromSource(source, WatermarkStrategy.forBoundedOutOfOrderness<number>(1_000_000), 'numbers')
        .keyBy((n) => n % 7)
        .window(SlidingEventTimeWindows.of(20, 10))
        .process<string>((key, { window }, elements, out) => {
          out.collect(`${key} ${window.start} ${[...elements].sort((a, b) => a - b).join()}`);
        })
        .addSink({ emit: (text) => void system.push(text) });
      return env.executeAsync('rescale');
    };
    for (const parallelism of [1, 3]) {
      const job = start(parallelism);
      const emitted = source.emitted + 20;
      await until(() => source.emitted === emitted);
      const before = storage.lastId ?? 0;
      await until(
        () => (storage.lastId ?? 0) > before,
        () => clock.advance(1),
      );
      job.cancel();
      await failureOf(job.result);
      source.resume();
    }
    await drive(start(2), clock);
    const all = [0, 100, 200].flatMap((from) =>
      Array.from({ length: 20 }, (_, i) => ({ value: from + i, at: i })),
    );
    const expected: string[] = [];
    for (let key = 0; key < 7; key++) {
      for (const start of [-10, 0, 10]) {
        const inside = all.filter(({ value, at }) => value % 7 === key && at >= start && at < start + 20);
        expected.push(`${key} ${start} ${inside.map(({ value }) => value).join()}`);
      }
    }
    expect(system.sort()).toEqual(expected.sort());
  });
});
