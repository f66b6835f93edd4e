import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  CountEvictor,
  CountTrigger,
  DeltaTrigger,
  EventTimeSessionWindows,
  OutputTag,
  ProcessingTimeSessionWindows,
  PurgingTrigger,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  StreamConfigError,
  StreamExecutionEnvironment,
  StreamRecordError,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type AggregateFunction,
  type DataStream,
  type Window,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

const numbers = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection([1]);
const keyed = numbers.keyBy(() => 'k');
const tumbling = TumblingEventTimeWindows.of(10);
const sessions = EventTimeSessionWindows.withGap(10);
const delta = DeltaTrigger.of<number>(1, (a, b) => b - a);
const count: AggregateFunction<number, number, number> = {
  createAccumulator: () => 0,
  add: (_value, n) => n + 1,
  getResult: (n) => n,
  merge: (a, b) => a + b,
};

describe('a windowed stream refuses, when the program is built,', () => {
  it.each([
    [
      'a trigger that cannot merge for windows that do',
      () => keyed.window(sessions).trigger(delta),
      /EventTimeSessionWindows\(gap 10 ms\) merges windows, but DeltaTrigger\(1\) cannot/,
    ],
    [
      'the same around a purging one, without a key',
      () => numbers.windowAll(sessions).trigger(PurgingTrigger.of(delta)),
      /PurgingTrigger\(DeltaTrigger\(1\)\) cannot/,
    ],
    [
      'a merging assigner whose own trigger cannot merge',
      () =>
        keyed.window({
          ...assignerOf(sessions),
          mergeWindows: () => [],
          defaultTrigger: () => ({ ...triggerOfNothing }),
        }),
      /its trigger \(Object\) cannot/,
    ],
    [
      'an evictor with reduce',
      () =>
        keyed
          .window(tumbling)
          .evictor(CountEvictor.of(3))
          .reduce((a) => a),
      /'Window Reduce' has the evictor CountEvictor\(3\).*Use process\(\)/,
    ],
    [
      'an evictor with aggregate, without a key',
      () => numbers.windowAll(tumbling).evictor(CountEvictor.of(3)).aggregate(count),
      /'WindowAll Aggregate' has the evictor CountEvictor\(3\)/,
    ],
    [
      'an evictor of one’s own on a count window with reduce',
      () =>
        keyed
          .countWindow(4, 2)
          .evictor(CountEvictor.of(3))
          .sum('length' as never),
      /'Window Sum' has the evictor CountEvictor\(3\)/,
    ],
    [
      'an aggregate without merge for windows that merge',
      () => keyed.window(sessions).aggregate({ ...count, merge: undefined as never }),
      /'Window Aggregate' has EventTimeSessionWindows\(gap 10 ms\), whose windows merge/,
    ],
    ['a negative lateness', () => keyed.window(tumbling).allowedLateness(-1), /allowed lateness.*got -1/],
    ['an endless lateness', () => keyed.window(tumbling).allowedLateness(Infinity), /got Infinity/],
    ['a count window of 0', () => keyed.countWindow(0), /above 0, got 0/],
    ['a count window every 0 records', () => numbers.countWindowAll(3, 0), /above 0, got 0/],
  ])('%s', (_what, build, message) => {
    expect(build).toThrow(StreamConfigError);
    expect(build).toThrow(message);
  });
});

const triggerOfNothing = {
  onElement: () => 'CONTINUE' as const,
  onEventTime: () => 'CONTINUE' as const,
  onProcessingTime: () => 'CONTINUE' as const,
  clear: () => undefined,
};

function assignerOf(assigner: WindowAssigner): WindowAssigner {
  return {
    isEventTime: assigner.isEventTime,
    windowType: assigner.windowType,
    assignWindows: (record, timestamp, context) => assigner.assignWindows(record, timestamp, context),
    defaultTrigger: () => assigner.defaultTrigger(),
    toString: () => 'a copy',
  };
}

describe('count windows', () => {
  const values = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 });
  const join = (n: number) => String(n);

  it('are emitted when they have their size, key by key', async () => {
    await fc.assert(
      fc.asyncProperty(values, fc.integer({ min: 1, max: 5 }), async (values, size) => {
        const harness = await OperatorHarness.of((input: DataStream<number>) =>
          input
            .keyBy((n) => n % 2)
            .countWindow(size)
            .process<string>((_key, _context, elements, out) => out.collect([...elements].map(join).join())),
        );
        const expected: string[] = [];
        const open: number[][] = [[], []];
        for (const value of values) {
          harness.push(value);
          const own = open[value % 2]!;
          own.push(value);
          if (own.length === size) expected.push(own.splice(0).join());
        }
        expect(harness.values()).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it.each(['process', 'reduce', 'aggregate'] as const)('slide over the newest records: %s', async (kind) => {
    const text: AggregateFunction<string, string, string> = {
      createAccumulator: () => '',
      add: (value, all) => (all === '' ? value : `${all},${value}`),
      getResult: (all) => all,
      merge: (a, b) => `${a},${b}`,
    };
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (values, size, slide) => {
          const harness = await OperatorHarness.of((input: DataStream<string>) => {
            const windowed = input.countWindowAll(size, slide);
            if (kind === 'reduce') return windowed.reduce((a, b) => `${a},${b}`);
            if (kind === 'aggregate') return windowed.aggregate(text);
            return windowed.process<string>((_context, elements, out) => out.collect([...elements].join()));
          });
          const expected: string[] = [];
          for (const [index, value] of values.entries()) {
            harness.push(String(value));
            if ((index + 1) % slide === 0)
              expected.push(
                values
                  .slice(0, index + 1)
                  .slice(-size)
                  .join(),
              );
          }
          expect(harness.values()).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('windows over all records', () => {
  it('emit what the same windows of one key emit, with parallelism 1', async () => {
    const build = (input: DataStream<number>) =>
      input.windowAll(SlidingEventTimeWindows.of(10, 5)).aggregate(count);
    const harness = await OperatorHarness.of(build, { parallelism: 3 });
    for (let n = 0; n < 20; n++) harness.push(n, n);
    await harness.endInput();
    expect(harness.records()).toEqual([
      { value: 5, timestamp: 4 },
      { value: 10, timestamp: 9 },
      { value: 10, timestamp: 14 },
      { value: 10, timestamp: 19 },
      { value: 5, timestamp: 24 },
    ]);
  });

  it('have the operations of keyed windows', async () => {
    const tag = new OutputTag<{ n: number }>('late');
    const harness = await OperatorHarness.of((input: DataStream<{ n: number }>) =>
      input
        .windowAll(TumblingEventTimeWindows.of(10))
        .trigger(PurgingTrigger.of(CountTrigger.of(2)))
        .allowedLateness(5)
        .sideOutputLateData(tag)
        .maxBy('n'),
    );
    for (const n of [3, 1, 4, 1, 5]) harness.push({ n }, n);
    expect(harness.values()).toEqual([{ n: 3 }, { n: 4 }]);
    harness.watermark(14);
    harness.push({ n: 9 }, 9);
    expect(harness.values(tag)).toEqual([{ n: 9 }]);
  });
});

describe('aggregations by field', () => {
  it('sum, min, max, minBy and maxBy work on a window’s records', async () => {
    interface Sale {
      readonly id: string;
      readonly price: number;
    }
    const sales: Sale[] = [
      { id: 'a', price: 3 },
      { id: 'b', price: 1 },
      { id: 'c', price: 7 },
    ];
    const results: Record<string, Sale[]> = {};
    for (const kind of ['sum', 'min', 'max', 'minBy', 'maxBy'] as const) {
      const harness = await OperatorHarness.of((input: DataStream<Sale>) => {
        const windowed = input.keyBy(() => 0).window(TumblingEventTimeWindows.of(10));
        return windowed[kind]('price');
      });
      for (const sale of sales) harness.push(sale, 1);
      harness.watermark(10);
      results[kind] = harness.values();
    }
    expect(results).toEqual({
      sum: [{ id: 'a', price: 11 }],
      min: [{ id: 'a', price: 1 }],
      max: [{ id: 'a', price: 7 }],
      minBy: [{ id: 'b', price: 1 }],
      maxBy: [{ id: 'c', price: 7 }],
    });
  });
});

describe('windows and what they need', () => {
  const needsOf = (assigner: WindowAssigner<number, Window>) => {
    const input = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection([1]);
    input.windowAll(assigner).reduce((a) => a);
    const { spec } = input.scope.graph.nodes.at(-1)!;
    return spec.kind === 'operator' ? spec.needs : undefined;
  };

  it('need event time only where they follow it', () => {
    expect(needsOf(tumbling)).toEqual({ eventTime: true });
    expect(needsOf(sessions)).toEqual({ eventTime: true });
    expect(needsOf(TumblingProcessingTimeWindows.of(1))).toBeUndefined();
    expect(needsOf(ProcessingTimeSessionWindows.withGap(1))).toBeUndefined();
  });

  it.each([
    ['tumbling', tumbling],
    ['sliding', SlidingEventTimeWindows.of(10, 5)],
    ['session', sessions],
    ['custom', assignerOf(tumbling)],
  ])('%s windows of event time fail for a record without a timestamp', async (_name, assigner) => {
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input.windowAll(assigner).aggregate(count),
    );
    expect(() => harness.push(1)).toThrow(StreamRecordError);
    expect(() => harness.push(1)).toThrow(/A record without a timestamp reached 'WindowAll Aggregate'/);
  });

  it('processing-time windows that are open at the end of the input are not emitted, nor stored', async () => {
    for (const assigner of [
      TumblingProcessingTimeWindows.of(10),
      SlidingProcessingTimeWindows.of(10, 5),
      ProcessingTimeSessionWindows.withGap(10),
    ]) {
      for (const lateness of [0, 5]) {
        const build = (input: DataStream<number>) =>
          input.windowAll(assigner).allowedLateness(lateness).aggregate(count);
        const harness = await OperatorHarness.of(build);
        const untouched = await OperatorHarness.of(build);
        harness.push(1);
        await Promise.all([harness.endInput(), untouched.endInput()]);
        harness.advanceProcessingTime(100);
        expect(harness.values()).toEqual([]);
        expect(harness.snapshot().rows).toEqual(untouched.snapshot().rows);
      }
    }
  });
});

describe('a checkpoint of windows', () => {
  const counting =
    (assigner: WindowAssigner<number, Window>, isOther = false) =>
    (input: DataStream<number>) =>
      isOther
        ? input
            .windowAll(assigner)
            .reduce((a, b) => a + b)
            .uid('windows')
        : input.windowAll(assigner).aggregate(count).uid('windows');

  it.each([
    ['another size', counting(TumblingEventTimeWindows.of(20))],
    ['another offset', counting(TumblingEventTimeWindows.of(10, 1))],
    ['sliding ones', counting(SlidingEventTimeWindows.of(10, 5))],
    ['sessions', counting(sessions)],
    ['another kind of function', counting(tumbling, true)],
    [
      'the general operator',
      (input: DataStream<number>) => input.countWindowAll(10).aggregate(count).uid('windows'),
    ],
  ])('is refused by windows of %s', async (_what, build) => {
    const before = await OperatorHarness.of(counting(tumbling));
    before.push(1, 1);
    const restore = OperatorHarness.of(build, { restored: before.snapshot() });
    await expect(restore).rejects.toThrow(CheckpointError);
    await expect(restore).rejects.toThrow(/TumblingEventTimeWindows\(10 ms\).*give the operator another uid/);
  });
});
