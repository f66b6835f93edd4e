import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SlidingEventTimeWindows,
  StreamConfigError,
  TumblingEventTimeWindows,
  type TimeWindow,
} from '../../src/index.js';
import { maxTimestampOf, windowStartOf } from '../../src/windows/windows.js';

/** Every aligned window that holds the timestamp, found by trying all starts around it. */
function naive(timestamp: number, size: number, slide: number, offset: number): TimeWindow[] {
  const windows: TimeWindow[] = [];
  for (let start = timestamp - size + 1; start <= timestamp; start++) {
    const steps = (start - offset) / slide;
    if (Number.isInteger(steps)) windows.push({ start: start + 0, end: start + size });
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
        for (const time of times)
          expect(assigner.assignWindows(time)).toEqual(naive(time, size, size, offset));
      }),
    );
  });

  it('have an exclusive end: their timestamp is end − 1', () => {
    const [window] = TumblingEventTimeWindows.of(10).assignWindows(19);
    expect(window).toEqual({ start: 10, end: 20 });
    expect(maxTimestampOf({ start: 10, end: 20 })).toBe(19);
    expect(TumblingEventTimeWindows.of(10).assignWindows(20)).toEqual([{ start: 20, end: 30 }]);
  });

  it.each([
    [-1, -10],
    [-10, -10],
    [-11, -20],
    [0, 0],
  ])('put %d in the window that starts at %d', (time, start) => {
    expect(TumblingEventTimeWindows.of(10).assignWindows(time)).toEqual([{ start, end: start + 10 }]);
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
          for (const time of times)
            expect([...assigner.assignWindows(time)]).toEqual(naive(time, size, slide, offset));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leave gaps where the slide is longer than the size', () => {
    const assigner = SlidingEventTimeWindows.of(3, 10);
    expect(assigner.assignWindows(2)).toEqual([{ start: 0, end: 3 }]);
    expect(assigner.assignWindows(3)).toEqual([]);
    expect(assigner.assignWindows(9)).toEqual([]);
    expect(assigner.assignWindows(-1)).toEqual([]);
    expect(assigner.assignWindows(-10)).toEqual([{ start: -10, end: -7 }]);
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
    ['an offset of NaN', () => SlidingEventTimeWindows.of(10, 5, NaN)],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrow(StreamConfigError);
  });

  it('say what they are', () => {
    expect(String(TumblingEventTimeWindows.of(10))).toBe('TumblingEventTimeWindows(10 ms)');
    expect(String(SlidingEventTimeWindows.of(10, 5, 1))).toBe(
      'SlidingEventTimeWindows(10 ms every 5 ms, offset 1 ms)',
    );
  });
});
