import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SlidingEventTimeWindows,
  EventTimeSessionWindows,
  GlobalWindow,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  SlidingProcessingTimeWindows,
  StreamConfigError,
  StreamRecordError,
  TimeWindow,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type WindowAssigner,
} from '../../src/index.js';
import { windowStartOf } from '../../src/windows/window.js';

/** The windows of a record with this timestamp, while the clock stands at `now`. */
function assign<T>(
  assigner: WindowAssigner<T>,
  timestamp: number,
  now = NaN,
  record = {} as T,
): TimeWindow[] {
  return [...assigner.assignWindows(record, timestamp, { currentProcessingTime: () => now })];
}

/** Every aligned window that holds the timestamp, found by trying all starts around it. */
function naive(timestamp: number, size: number, slide: number, offset: number): TimeWindow[] {
  const windows: TimeWindow[] = [];
  for (let start = timestamp - size + 1; start <= timestamp; start++) {
    const steps = (start - offset) / slide;
    if (Number.isInteger(steps)) windows.push(new TimeWindow(start, start + size));
  }
  return windows;
}

const duration = fc.integer({ min: 1, max: 40 });
const timestamps = fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 1, maxLength: 30 });

describe('tumbling windows', () => {
  it('assign each timestamp to the one aligned window that holds it, also before 1970', () => {
    fc.assert(
      fc.property(duration, fc.integer({ min: -39, max: 39 }), timestamps, (size, shift, times) => {
        const offset = shift % size;
        const assigner = TumblingEventTimeWindows.of(size, offset);
        for (const time of times) expect(assign(assigner, time)).toEqual(naive(time, size, size, offset));
      }),
    );
  });

  it('have an exclusive end: their timestamp is end − 1', () => {
    const [window] = assign(TumblingEventTimeWindows.of(10), 19);
    expect(window).toEqual(new TimeWindow(10, 20));
    expect(window?.maxTimestamp()).toBe(19);
    expect(assign(TumblingEventTimeWindows.of(10), 20)).toEqual([new TimeWindow(20, 30)]);
  });

  it.each([
    [-1, -10],
    [-10, -10],
    [-11, -20],
    [0, 0],
  ])('put %d in the window that starts at %d', (time, start) => {
    expect(assign(TumblingEventTimeWindows.of(10), time)).toEqual([new TimeWindow(start, start + 10)]);
  });
});

describe('sliding windows', () => {
  it('assign each timestamp to every aligned window that holds it, ascending, in any order of calls', () => {
    fc.assert(
      fc.property(
        duration,
        duration,
        fc.integer({ min: -39, max: 39 }),
        timestamps,
        (size, slide, shift, times) => {
          const offset = shift % slide;
          const assigner = SlidingEventTimeWindows.of(size, slide, offset);
          for (const time of times) expect(assign(assigner, time)).toEqual(naive(time, size, slide, offset));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leave gaps where the slide is longer than the size', () => {
    const assigner = SlidingEventTimeWindows.of(3, 10);
    expect(assign(assigner, 2)).toEqual([new TimeWindow(0, 3)]);
    expect(assign(assigner, 3)).toEqual([]);
    expect(assign(assigner, 9)).toEqual([]);
    expect(assign(assigner, -1)).toEqual([]);
    expect(assign(assigner, -10)).toEqual([new TimeWindow(-10, -7)]);
  });
});

describe('windows of processing time', () => {
  it('follow the clock, whatever the record says', () => {
    expect(assign(TumblingProcessingTimeWindows.of(10, 3), 500, 42)).toEqual([new TimeWindow(33, 43)]);
    expect(assign(SlidingProcessingTimeWindows.of(10, 5), 500, 42)).toEqual([
      new TimeWindow(35, 45),
      new TimeWindow(40, 50),
    ]);
    expect(assign(ProcessingTimeSessionWindows.withGap(7), 500, 42)).toEqual([new TimeWindow(42, 49)]);
  });
});

describe('session windows', () => {
  it('begin as long as the gap after their record', () => {
    expect(assign(EventTimeSessionWindows.withGap(7), -42)).toEqual([new TimeWindow(-42, -35)]);
    const dynamic = EventTimeSessionWindows.withDynamicGap((gap: number) => gap);
    expect(assign(dynamic, 5, NaN, 3)).toEqual([new TimeWindow(5, 8)]);
  });

  it.each([0, -1, NaN, 1.5, Infinity])('refuse a dynamic gap of %d', (gap) => {
    const dynamic = EventTimeSessionWindows.withDynamicGap(() => gap);
    expect(() => assign(dynamic, 5)).toThrow(StreamRecordError);
  });

  it('become one where they overlap or touch, and no others do', () => {
    const window = fc
      .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 8 }))
      .map(([start, length]) => new TimeWindow(start, start + length));
    fc.assert(
      fc.property(fc.array(window, { maxLength: 8 }), (windows) => {
        const groups = EventTimeSessionWindows.withGap(1).mergeWindows(windows);
        const touches = (a: TimeWindow, b: TimeWindow) => a.start <= b.end && b.start <= a.end;
        const groupOf = (one: TimeWindow) => groups.findIndex(({ merged }) => merged.includes(one));
        for (const { result, merged } of groups) {
          expect(merged.length).toBeGreaterThan(1);
          expect(result.start).toBe(Math.min(...merged.map(({ start }) => start)));
          expect(result.end).toBe(Math.max(...merged.map(({ end }) => end)));
        }
        for (const [index, one] of windows.entries()) {
          const others = windows.filter((_, other) => other !== index);
          expect(groupOf(one) >= 0).toBe(others.some((other) => touches(one, other)));
          for (const other of others) if (touches(one, other)) expect(groupOf(one)).toBe(groupOf(other));
        }
      }),
    );
  });
});

describe('global windows', () => {
  it('are one window, which is never complete', () => {
    const [window, ...others] = GlobalWindows.create().assignWindows();
    expect(window).toBe(GlobalWindow.get());
    expect(window?.maxTimestamp()).toBe(Infinity);
    expect(others).toEqual([]);
  });
});

describe('window assigners', () => {
  it('align starts to the offset', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 1001, max: 5000 }),
        (t, o, s) => {
          const start = windowStartOf(t, o, s);
          expect(Math.abs((start - o) % s)).toBe(0);
          expect(start <= t && t < start + s).toBe(true);
        },
      ),
    );
  });

  it.each([
    ['a size of 0', () => TumblingEventTimeWindows.of(0)],
    ['a negative size', () => TumblingEventTimeWindows.of(-1)],
    ['half a millisecond', () => TumblingEventTimeWindows.of(0.5)],
    ['NaN', () => TumblingEventTimeWindows.of(NaN)],
    ['an offset of the size', () => TumblingEventTimeWindows.of(10, 10)],
    ['an offset of minus the size', () => TumblingEventTimeWindows.of(10, -10)],
    ['a slide of 0', () => SlidingEventTimeWindows.of(10, 0)],
    ['an endless slide', () => SlidingEventTimeWindows.of(10, Infinity)],
    ['an offset of the slide', () => SlidingEventTimeWindows.of(10, 5, 5)],
    ['a gap of 0', () => EventTimeSessionWindows.withGap(0)],
    ['half a millisecond of gap', () => ProcessingTimeSessionWindows.withGap(0.5)],
    ['a size of 0 of the clock', () => TumblingProcessingTimeWindows.of(0)],
    ['a negative slide of the clock', () => SlidingProcessingTimeWindows.of(1, -1)],
    ['an offset of NaN', () => SlidingEventTimeWindows.of(10, 5, NaN)],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrow(StreamConfigError);
  });

  it('say what they are', () => {
    expect(String(TumblingEventTimeWindows.of(10))).toBe('TumblingEventTimeWindows(10 ms)');
    expect(String(SlidingEventTimeWindows.of(10, 5, 1))).toBe(
      'SlidingEventTimeWindows(10 ms every 5 ms, offset 1 ms)',
    );
    expect(String(EventTimeSessionWindows.withGap(10))).toBe('EventTimeSessionWindows(gap 10 ms)');
    expect(String(ProcessingTimeSessionWindows.withDynamicGap(() => 1))).toBe(
      'ProcessingTimeSessionWindows(dynamic gap)',
    );
    expect(String(GlobalWindows.create())).toBe('GlobalWindows()');
  });
});
