/** SPEC.md, "Windows": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  CountTrigger,
  EventTimeSessionWindows,
  GlobalWindows,
  OutputTag,
  PurgingTrigger,
  SlidingEventTimeWindows,
  StreamConfigError,
  TriggerResult,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type GlobalWindow,
  type TimeWindow,
  type Trigger,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';
import { bytesOf } from '../support/stored-state.js';

interface Reading {
  readonly key: string;
  readonly value: number;
}

const late = new OutputTag<Reading>('late');

/** Per firing of a window: `key [start, end) values`. */
const windowed =
  (
    assigner: WindowAssigner<unknown, TimeWindow>,
    options: { readonly allowedLatenessMs?: number; readonly trigger?: Trigger<unknown, TimeWindow> } = {},
  ) =>
  (readings: DataStream<Reading>) => {
    const stream = readings
      .keyBy(({ key }) => key)
      .window(assigner)
      .allowedLateness(options.allowedLatenessMs ?? 0)
      .sideOutputLateData(late);
    return (options.trigger === undefined ? stream : stream.trigger(options.trigger)).process<string>(
      (key, { window }, elements, out) => {
        const values = Array.from(elements, ({ value }) => value);
        out.collect(`${key} [${window.start}, ${window.end}) ${values.join(' ')}`);
      },
    );
  };

const reading = (value: number, key = 'a'): Reading => ({ key, value });

describe('windows', () => {
  it('W1: a window’s end is exclusive, and the timestamp of its results is end − 1', async () => {
    const harness = await OperatorHarness.of(windowed(TumblingEventTimeWindows.of(10)));
    for (const time of [0, 9, 10]) harness.push(reading(time), time);
    harness.watermark(100);
    expect(harness.records()).toEqual([
      { value: 'a [0, 10) 0 9', timestamp: 9 },
      { value: 'a [10, 20) 10', timestamp: 19 },
    ]);
  });

  it('W2: windows start at offset + k·slide, also before 1970, and a record is in all that hold it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ size: fc.integer({ min: 1, max: 30 }), slide: fc.integer({ min: 1, max: 30 }) }),
        fc.integer({ min: 0, max: 29 }),
        fc.integer({ min: -200, max: 200 }),
        async ({ size, slide }, anyOffset, time) => {
          const offset = anyOffset % slide;
          const harness = await OperatorHarness.of(windowed(SlidingEventTimeWindows.of(size, slide, offset)));
          harness.push(reading(1), time);
          await harness.endInput();
          const expected: string[] = [];
          for (let start = -300; start <= 300; start++) {
            const isStart = (start - offset) % slide === 0;
            if (isStart && start <= time && time < start + size)
              expected.push(`a [${start}, ${start + size}) 1`);
          }
          expect(harness.values()).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('W3: a record is late when end − 1 + allowed lateness is at or below the watermark: it goes to the late output only', async () => {
    const harness = await OperatorHarness.of(
      windowed(TumblingEventTimeWindows.of(10), { allowedLatenessMs: 5 }),
    );
    harness.push(reading(1), 1);
    harness.watermark(13);
    harness.push(reading(2), 2);
    expect(harness.values(late)).toEqual([]);
    harness.watermark(14);
    harness.push(reading(3), 9);
    harness.push(reading(4), 10);
    expect(harness.records(late)).toEqual([{ value: reading(3), timestamp: 9 }]);
    await harness.endInput();
    expect(harness.values()).toEqual(['a [0, 10) 1', 'a [0, 10) 1 2', 'a [10, 20) 4']);
  });

  it('W3: … for the windows where it is; it enters the others', async () => {
    const harness = await OperatorHarness.of(windowed(SlidingEventTimeWindows.of(20, 10)));
    harness.watermark(9);
    harness.push(reading(1), 5); // [-10, 10) has closed, [0, 20) has not
    harness.watermark(19);
    harness.push(reading(2), 5);
    expect(harness.values()).toEqual(['a [0, 20) 1']);
    expect(harness.values(late)).toEqual([reading(2)]);
  });

  it('W4: a window fires when the watermark reaches end − 1, windows in the order of their ends', async () => {
    const harness = await OperatorHarness.of(windowed(TumblingEventTimeWindows.of(10)));
    harness.push(reading(1, 'b'), 12);
    harness.push(reading(2, 'b'), 2);
    harness.push(reading(3, 'a'), 25);
    harness.push(reading(4, 'a'), 1);
    harness.watermark(8);
    expect(harness.records()).toEqual([]);
    harness.watermark(19);
    expect(harness.values()).toEqual(['b [0, 10) 2', 'a [0, 10) 4', 'b [10, 20) 1']);
    harness.watermark(24);
    expect(harness.values()).toHaveLength(3);
    harness.watermark(29);
    expect(harness.values()).toHaveLength(4);
  });

  it('W5: within the allowed lateness each late record fires its window again, with all that it holds', async () => {
    const harness = await OperatorHarness.of(
      windowed(TumblingEventTimeWindows.of(10), { allowedLatenessMs: 10 }),
    );
    harness.push(reading(1), 1);
    harness.watermark(9);
    harness.push(reading(2), 2);
    harness.push(reading(3), 3);
    harness.watermark(18);
    harness.push(reading(5, 'b'), 3);
    expect(harness.values()).toEqual(['a [0, 10) 1', 'a [0, 10) 1 2', 'a [0, 10) 1 2 3', 'b [0, 10) 5']);
    expect(harness.records().map(({ timestamp }) => timestamp)).toEqual([9, 9, 9, 9]);
    harness.clear();
    harness.watermark(19);
    harness.push(reading(4), 4);
    expect(harness.values()).toEqual([]);
    expect(harness.values(late)).toEqual([reading(4)]);
  });

  it('W6: sessions that meet become one: contents, timers and the trigger’s state', async () => {
    const sessions = await OperatorHarness.of(windowed(EventTimeSessionWindows.withGap(10)));
    sessions.push(reading(1), 0);
    sessions.push(reading(3), 20);
    sessions.watermark(5);
    sessions.push(reading(2), 10); // [10, 20) touches both
    sessions.push(reading(9, 'b'), 8);
    sessions.watermark(28);
    expect(sessions.values()).toEqual(['b [8, 18) 9']);
    sessions.watermark(29);
    expect(sessions.values()[1]?.split(' ').slice(0, 3).join(' ')).toBe('a [0, 30)');
    expect(sessions.values()[1]?.split(' ').slice(3).sort()).toEqual(['1', '2', '3']);

    const counted = await OperatorHarness.of(
      windowed(EventTimeSessionWindows.withGap(10), { trigger: CountTrigger.of(3) }),
    );
    counted.push(reading(1), 0);
    counted.push(reading(3), 20);
    expect(counted.values()).toEqual([]);
    counted.push(reading(2), 10);
    expect(counted.values()).toHaveLength(1);
    counted.watermark(1_000);
    expect(counted.values()).toHaveLength(1); // neither the merged windows' timers nor a time trigger
  });

  it('W6: … in whatever order their records come', async () => {
    const times = fc.uniqueArray(fc.integer({ min: -60, max: 60 }), { minLength: 1, maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 12 }), async (unsorted, gap) => {
        const harness = await OperatorHarness.of(windowed(EventTimeSessionWindows.withGap(gap)));
        for (const time of unsorted) harness.push(reading(time), time);
        await harness.endInput();
        const sessions: number[][] = [];
        for (const time of [...unsorted].sort((a, b) => a - b)) {
          const last = sessions.at(-1);
          if (last !== undefined && time - last.at(-1)! <= gap) last.push(time);
          else sessions.push([time]);
        }
        const texts = harness.values().map((text) => {
          const [key, start, end, ...values] = text.split(' ');
          return [key, start, end, ...values.sort((a, b) => Number(a) - Number(b))].join(' ');
        });
        expect(texts).toEqual(sessions.map((s) => `a [${s[0]}, ${s.at(-1)! + gap}) ${s.join(' ')}`));
      }),
      { numRuns: 150 },
    );
  });

  it('W7: a trigger that cannot merge is refused for windows that merge, when the graph is built', async () => {
    const trigger: Trigger<unknown, TimeWindow> = {
      onElement: () => TriggerResult.FIRE,
      onEventTime: () => TriggerResult.CONTINUE,
      onProcessingTime: () => TriggerResult.CONTINUE,
      clear: () => undefined,
    };
    const build = (assigner: WindowAssigner<unknown, TimeWindow>) =>
      OperatorHarness.of(windowed(assigner, { trigger }));
    await expect(build(EventTimeSessionWindows.withGap(10))).rejects.toThrow(StreamConfigError);
    const harness = await build(TumblingEventTimeWindows.of(10));
    harness.push(reading(1), 1);
    expect(harness.values()).toEqual(['a [0, 10) 1']);
  });

  it('W8: FIRE keeps a window’s contents, PURGE drops them', async () => {
    const sums = (trigger: Trigger<unknown, GlobalWindow>) => (numbers: DataStream<number>) =>
      numbers
        .keyBy(() => 0)
        .window(GlobalWindows.create())
        .trigger(trigger)
        .reduce((a, b) => a + b);
    const firing = await OperatorHarness.of(sums(CountTrigger.of(2)));
    const purging = await OperatorHarness.of(sums(PurgingTrigger.of(CountTrigger.of(2))));
    for (const n of [1, 2, 3, 4, 5]) {
      firing.push(n);
      purging.push(n);
    }
    await firing.endInput();
    await purging.endInput();
    expect(firing.values()).toEqual([3, 10]);
    expect(purging.values()).toEqual([3, 7]);
  });

  it.each([
    [1, 3],
    [3, 2],
    [4, 1],
  ])('W9: open windows go on after a restore, from parallelism %i at %i', async (before, after) => {
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    for (const assigner of [
      TumblingEventTimeWindows.of(10),
      SlidingEventTimeWindows.of(10, 10),
      EventTimeSessionWindows.withGap(7),
    ]) {
      const program = windowed(assigner);
      const first = await OperatorHarness.of(program, { parallelism: before });
      for (const key of keys) first.push(reading(1, key), 0);
      first.watermark(2);
      const second = await OperatorHarness.of(program, { parallelism: after, restored: first.snapshot() });
      for (const key of keys) second.push(reading(2, key), 3);
      second.watermark(9);
      expect(second.values().sort()).toEqual(keys.map((key) => `${key} [0, 10) 1 2`).sort());
    }
  });

  it('W10: a record in the gap between two windows is not late while the watermark is below it', async () => {
    const harness = await OperatorHarness.of(windowed(SlidingEventTimeWindows.of(3, 10)));
    harness.watermark(5);
    harness.push(reading(1), 7);
    await harness.endInput();
    expect(harness.values()).toEqual([]);
    expect(harness.values(late)).toEqual([]);
    expect(harness.lateRecordsDropped).toBe(0);
  });

  it('W11: windows of processing time fire when the clock has passed their end; at the end of the input they do not', async () => {
    const harness = await OperatorHarness.of(windowed(TumblingProcessingTimeWindows.of(10)));
    harness.push(reading(1));
    harness.advanceProcessingTime(9);
    harness.push(reading(2));
    harness.watermark(1_000);
    expect(harness.values()).toEqual([]);
    harness.advanceProcessingTime(1);
    expect(harness.values()).toEqual(['a [0, 10) 1 2']);
    harness.push(reading(3));
    await harness.endInput();
    harness.advanceProcessingTime(100);
    expect(harness.values()).toHaveLength(1);
  });

  it('W12: state of a window lasts as long as the window', async () => {
    const firings = new ValueStateDescriptor<number>('firings', { defaultValue: 0 });
    const harness = await OperatorHarness.of((readings: DataStream<Reading>) =>
      readings
        .keyBy(({ key }) => key)
        .window(TumblingEventTimeWindows.of(10))
        .allowedLateness(10)
        .process<string>((key, { window, windowState, globalState }, _elements, out) => {
          const own = windowState.getState(firings);
          const all = globalState.getState(firings);
          own.update((own.value() ?? 0) + 1);
          all.update((all.value() ?? 0) + 1);
          out.collect(`${key} ${window.start}: ${String(own.value())} of ${String(all.value())}`);
        }),
    );
    harness.push(reading(1), 1);
    harness.watermark(9);
    harness.push(reading(2), 2);
    harness.push(reading(3), 12);
    harness.watermark(19);
    expect(harness.values()).toEqual(['a 0: 1 of 1', 'a 0: 2 of 2', 'a 10: 1 of 3']);
    const size = () => bytesOf(harness.snapshot());
    const before = size();
    harness.watermark(29);
    expect(size()).toBeLessThan(before);
  });
});
