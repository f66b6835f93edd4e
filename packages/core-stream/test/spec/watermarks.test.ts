/** SPEC.md, "Watermarks": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  OutputTag,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
} from '../../src/index.js';
import {
  CollectingSink,
  drive,
  ManualClock,
  OperatorHarness,
  ScriptedSource,
  timed,
} from '../../src/testing/index.js';

const both = (left: DataStream<string>, right: DataStream<string>) => left.union(right).map((text) => text);
const late = new OutputTag<number>('late');
const sumOfTens = (numbers: DataStream<number>) =>
  numbers
    .keyBy(() => 0)
    .window(TumblingEventTimeWindows.of(10))
    .sideOutputLateData(late)
    .reduce((a, b) => a + b);

/** The numbers, as they are, with the watermarks that they meet on their way out. */
async function watermarksOf(strategy: WatermarkStrategy<number>, times: readonly number[]) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
  const sink = new CollectingSink<number>();
  const source = new ScriptedSource([timed(times.map((time) => [time, time] as const))]);
  env.fromSource(source, strategy.withEmission('on-advance'), 'numbers').sinkTo(sink);
  await drive(env.executeAsync('watermarks'), clock);
  return sink.watermarks;
}

describe('watermarks', () => {
  it('M1: the watermark is the minimum over the inputs that are not idle, and never goes back', async () => {
    const harness = await OperatorHarness.ofTwo(both);
    harness.watermarkLeft(5);
    expect(harness.watermarks()).toEqual([]);
    harness.watermarkRight(3);
    harness.watermarkRight(8);
    expect(harness.watermarks()).toEqual([3, 5]);
    harness.watermarkRight(2);
    harness.watermarkLeft(4);
    harness.watermarkLeft(6);
    expect(harness.watermarks()).toEqual([3, 5, 6]);
    harness.idleLeft();
    harness.watermarkRight(20);
    expect(harness.watermarks()).toEqual([3, 5, 6, 8, 20]);
    harness.idleLeft(false);
    harness.watermarkLeft(10);
    harness.watermarkRight(30);
    expect(harness.watermarks()).toEqual([3, 5, 6, 8, 20]);
  });

  it('M1: … whatever the order of watermarks and idleness', async () => {
    const event = fc.oneof(
      fc.record({ input: fc.constantFrom('left', 'right'), watermark: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ input: fc.constantFrom('left', 'right'), idle: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
        const harness = await OperatorHarness.ofTwo(both);
        const inputs = new Map([
          ['left', { watermark: -Infinity, isIdle: false }],
          ['right', { watermark: -Infinity, isIdle: false }],
        ]);
        let expected = -Infinity;
        for (const each of events) {
          const input = inputs.get(each.input)!;
          if ('watermark' in each) {
            input.watermark = Math.max(input.watermark, each.watermark);
            if (each.input === 'left') harness.watermarkLeft(each.watermark);
            else harness.watermarkRight(each.watermark);
          } else {
            input.isIdle = each.idle;
            if (each.input === 'left') harness.idleLeft(each.idle);
            else harness.idleRight(each.idle);
          }
          const active = [...inputs.values()].filter(({ isIdle }) => !isIdle);
          const minimum = Math.min(...active.map(({ watermark }) => watermark));
          if (active.length > 0) expected = Math.max(expected, minimum);
          expect(harness.watermarks().at(-1) ?? -Infinity).toBe(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('M2: when all inputs are idle the operator is idle and its watermark stands', async () => {
    const harness = await OperatorHarness.ofTwo(both);
    harness.watermark(5);
    harness.idleLeft();
    harness.idleRight();
    harness.watermarkLeft(9);
    harness.watermarkRight(9);
    expect(harness.elements).toEqual([
      { type: 'watermark', timestamp: 5 },
      { type: 'idle', isIdle: true },
    ]);
    harness.idleRight(false);
    expect(harness.elements.slice(2)).toEqual([
      { type: 'idle', isIdle: false },
      { type: 'watermark', timestamp: 9 },
    ]);
  });

  it('M3: an input that has ended holds nothing back; when all have, the watermark is +∞', async () => {
    const harness = await OperatorHarness.ofTwo(both);
    harness.watermarkLeft(Infinity);
    harness.watermarkRight(7);
    harness.idleRight();
    harness.idleRight(false);
    harness.watermarkRight(Infinity);
    expect(harness.elements).toEqual([
      { type: 'watermark', timestamp: 7 },
      { type: 'idle', isIdle: true },
      { type: 'idle', isIdle: false },
      { type: 'watermark', timestamp: Infinity },
    ]);
  });

  it('M4: a record at the watermark is late: strategies stay 1 ms below what may still come', async () => {
    const harness = await OperatorHarness.of(sumOfTens);
    harness.watermark(9);
    harness.push(1, 9);
    harness.push(2, 10);
    harness.watermark(19);
    expect(harness.values(late)).toEqual([1]);
    expect(harness.values()).toEqual([2]);

    const times = [3, 10, 10, 12];
    expect(await watermarksOf(WatermarkStrategy.forMonotonousTimestamps<number>(), times)).toEqual([
      -Infinity,
      2,
      9,
      9,
    ]);
    expect(await watermarksOf(WatermarkStrategy.forBoundedOutOfOrderness<number>(5), times)).toEqual([
      -Infinity,
      -3,
      4,
      4,
    ]);
  });

  it('M5: a record is not late because of itself', async () => {
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    const sink = new CollectingSink<number>();
    const eager = WatermarkStrategy.forGenerator<number>(() => ({
      onEvent: (_value, timestamp, output) => output.emitWatermark(timestamp),
      onPeriodicEmit: () => undefined,
    }));
    const source = new ScriptedSource([timed([1, 9, 9, 19].map((time) => [time, time] as const))]);
    sumOfTens(env.fromSource(source, eager, 'numbers')).sinkTo(sink);
    await drive(env.executeAsync('eager'), clock);
    expect(sink.values).toEqual([10, 19]); // the second 9 came after its own time
  });

  it('M6: what a watermark causes comes out before it', async () => {
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      sumOfTens(numbers)
        .keyBy(() => 0)
        .process<number>(() => ({
          processElement(sum, { timers, timestamp = 0 }, out) {
            out.collect(sum);
            timers.registerEventTimeTimer(timestamp);
          },
          onTimer: (timestamp, _context, out) => out.collect(timestamp),
        })),
    );
    harness.push(1, 5);
    harness.push(2, 15);
    harness.watermark(25);
    expect(harness.elements).toEqual([
      { type: 'record', value: 1, timestamp: 9 },
      { type: 'record', value: 2, timestamp: 19 },
      { type: 'record', value: 9, timestamp: 9 },
      { type: 'record', value: 19, timestamp: 19 },
      { type: 'watermark', timestamp: 25 },
    ]);
  });

  it.each([
    [1, 1],
    [2, 3],
    [3, 1],
  ])('M7: what was late is late after a restore, from parallelism %i at %i', async (before, after) => {
    const first = await OperatorHarness.of(sumOfTens, { parallelism: before });
    first.watermark(9);
    const second = await OperatorHarness.of(sumOfTens, { parallelism: after, restored: first.snapshot() });
    expect(second.watermarks()).toEqual([9]);
    second.push(1, 5);
    expect(second.values(late)).toEqual([1]);
  });
});
