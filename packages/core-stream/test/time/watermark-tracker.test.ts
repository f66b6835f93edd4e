import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_TIMESTAMP, StreamConfigError, StreamRecordError, WatermarkStrategy } from '../../src/index.js';
import { WatermarkTracker } from '../../src/time/watermark-tracker.js';
import { ManualClock } from '../support/manual-clock.js';

function track(strategy: WatermarkStrategy<unknown>) {
  const clock = new ManualClock();
  const log: (number | boolean)[] = [];
  const tracker = new WatermarkTracker(
    strategy,
    clock,
    { emitWatermark: (timestamp) => void log.push(timestamp), emitIdle: (isIdle) => void log.push(isIdle) },
    'Source',
  );
  return { clock, log, tracker };
}

const onAdvance = WatermarkStrategy.forBoundedOutOfOrderness<unknown>(0).withEmission('on-advance');

describe('watermark tracker', () => {
  it('invariant 1: the watermark is the minimum over the splits and never goes back', () => {
    const event = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: -50, max: 50 }));
    fc.assert(
      fc.property(fc.array(event), fc.integer({ min: 0, max: 5 }), (events, bound) => {
        const { log, tracker } = track(
          WatermarkStrategy.forBoundedOutOfOrderness<unknown>(bound).withEmission('on-advance'),
        );
        const newest = new Map([
          ['a', -Infinity],
          ['b', -Infinity],
          ['c', -Infinity],
        ]);
        for (const split of newest.keys()) tracker.addSplit(split);
        const expected: number[] = [];
        for (const [split, timestamp] of events) {
          tracker.onEvent(undefined, timestamp, tracker.addSplit(split));
          newest.set(split, Math.max(newest.get(split) ?? -Infinity, timestamp));
          const minimum = Math.min(...newest.values()) - bound - 1;
          if (minimum > (expected.at(-1) ?? -Infinity)) expected.push(minimum);
        }
        expect(log).toEqual(expected);
      }),
    );
  });

  it('emits periodic watermarks at the tick only', () => {
    const { log, tracker } = track(WatermarkStrategy.forBoundedOutOfOrderness<unknown>(2));
    tracker.onPeriodicEmit();
    tracker.onEvent(undefined, 10);
    tracker.onEvent(undefined, 7);
    expect(log).toEqual([]);
    tracker.onPeriodicEmit();
    tracker.onPeriodicEmit();
    expect(log).toEqual([7]);
  });

  it('goes on without records as far as the source says, less the bound, and at once', () => {
    const { log, tracker } = track(WatermarkStrategy.forBoundedOutOfOrderness<unknown>(2));
    const split = tracker.addSplit('a');
    tracker.onEvent(undefined, 5, split);
    tracker.onProgress(20, split);
    tracker.removeSplit('a');
    tracker.onProgress(9);
    expect(log).toEqual([17]);
  });

  it('lets progress of one split wait for the others, and wakes an idle one', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(100));
    const [a, b] = [tracker.addSplit('a'), tracker.addSplit('b')];
    tracker.onProgress(20, a);
    expect(log).toEqual([]);
    tracker.onProgress(10, b);
    clock.advance(200);
    tracker.onPeriodicEmit();
    clock.advance(200);
    tracker.onPeriodicEmit();
    tracker.onProgress(30, b);
    expect(log).toEqual([9, true, false, 29]);
  });

  it('ignores progress of the source where times are those of an assigner, or the generator does not know of it', () => {
    const assigning = onAdvance.withTimestampAssigner(() => 1);
    const silent = WatermarkStrategy.forGenerator(() => ({ onEvent: () => {}, onPeriodicEmit: () => {} }));
    for (const strategy of [assigning, silent, WatermarkStrategy.noWatermarks()]) {
      const { log, tracker } = track(strategy);
      tracker.onProgress(20, tracker.addSplit('a'));
      expect(log).toEqual([]);
    }
    expect(() => track(onAdvance).tracker.onProgress(Infinity)).toThrow(StreamRecordError);
  });

  it('invariant 1: a finished split no longer holds the watermark back', () => {
    const { log, tracker } = track(onAdvance);
    tracker.addSplit('a');
    tracker.addSplit('b');
    tracker.onEvent(undefined, 100, tracker.addSplit('a'));
    expect(log).toEqual([]);
    tracker.removeSplit('b');
    expect(log).toEqual([99]);
    tracker.removeSplit('a');
    expect(log).toEqual([99]);
  });

  it('invariant 2: a split without records for its time-out no longer holds the watermark back', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.addSplit('a');
    tracker.addSplit('b');
    tracker.onEvent(undefined, 100, tracker.addSplit('a'));
    clock.advance(999);
    tracker.onEvent(undefined, 101, tracker.addSplit('a'));
    tracker.onPeriodicEmit();
    expect(log).toEqual([]);
    clock.advance(1);
    tracker.onEvent(undefined, 102, tracker.addSplit('a'));
    tracker.onPeriodicEmit();
    expect(log).toEqual([101]);
    tracker.onEvent(undefined, 50, tracker.addSplit('b'));
    tracker.onEvent(undefined, 103, tracker.addSplit('a'));
    expect(log).toEqual([101]); // b is back and holds at 49, but nothing goes back
    tracker.onEvent(undefined, 200, tracker.addSplit('b'));
    expect(log).toEqual([101, 102]);
  });

  it('invariant 2: with all splits idle the subtask is idle until the next record', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.addSplit('a');
    tracker.onEvent(undefined, 100, tracker.addSplit('a'));
    tracker.onPeriodicEmit();
    clock.advance(1000);
    tracker.onPeriodicEmit();
    tracker.onPeriodicEmit();
    expect(log).toEqual([99, true]);
    tracker.onEvent(undefined, 110, tracker.addSplit('a'));
    expect(log).toEqual([99, true, false, 109]);
  });

  it('invariant 2: a reader without any split becomes idle too', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.onPeriodicEmit();
    clock.advance(1000);
    tracker.onPeriodicEmit();
    expect(log).toEqual([true]);
    tracker.addSplit('a');
    expect(log).toEqual([true, false]);
  });

  it('invariant 2: a reader that was idle for want of splits is not so once it is given one, and has its time again', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.onPeriodicEmit();
    clock.advance(1000);
    tracker.onPeriodicEmit();
    clock.advance(500);
    tracker.onSplitsAdded();
    expect(log).toEqual([true, false]);
    clock.advance(999);
    tracker.onPeriodicEmit();
    expect(log).toEqual([true, false]);
    clock.advance(1);
    tracker.onPeriodicEmit();
    expect(log).toEqual([true, false, true]);
    const split = tracker.addSplit('a');
    tracker.onPeriodicEmit();
    clock.advance(1000);
    tracker.onPeriodicEmit();
    tracker.onSplitsAdded(); // of another split: the one that is there decides
    expect([split.isIdle, ...log]).toEqual([true, true, false, true, false, true]);
  });

  it('invariant 4: counts no time in which nothing could be emitted', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.addSplit('a');
    for (let i = 0; i < 10; i++) {
      clock.advance(1000);
      tracker.onPeriodicEmit(99);
    }
    expect(log).toEqual([]);
    tracker.onPeriodicEmit(10);
    expect(log).toEqual([true]);
  });

  it('invariant 4: does not count the time in which a split is paused', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    const ahead = tracker.addSplit('ahead');
    const behind = tracker.addSplit('behind');
    tracker.onEvent(undefined, 1000, ahead);
    tracker.onEvent(undefined, 10, behind);
    tracker.onPeriodicEmit();
    expect(tracker.pauseSplitsAbove(500)).toEqual({ toPause: ['ahead'], toResume: [] });
    expect(tracker.pauseSplitsAbove(500)).toEqual({ toPause: [], toResume: [] });
    clock.advance(1000);
    tracker.onEvent(undefined, 11, behind);
    tracker.onPeriodicEmit();
    expect(ahead.isIdle).toBe(false);
    expect(tracker.pauseSplitsAbove(999)).toEqual({ toPause: [], toResume: ['ahead'] });
    clock.advance(1000);
    tracker.onPeriodicEmit();
    expect(ahead.isIdle).toBe(true);
    expect(log).toEqual([9, 10, true]);
  });

  it('counts the time of a split from when it was made', () => {
    const { clock, log, tracker } = track(onAdvance.withIdleness(1000));
    tracker.onPeriodicEmit();
    clock.advance(900);
    tracker.addSplit('a');
    clock.advance(100);
    tracker.onPeriodicEmit();
    clock.advance(899);
    tracker.onPeriodicEmit();
    expect(log).toEqual([]);
    clock.advance(1);
    tracker.onPeriodicEmit();
    expect(log).toEqual([true]);
  });

  it('invariant 3: a record counts after it was emitted, so the assigner alone moves nothing', () => {
    const { log, tracker } = track(onAdvance.withTimestampAssigner(() => 10));
    expect(tracker.assignTimestamp('x', MIN_TIMESTAMP)).toBe(10);
    expect(log).toEqual([]);
  });

  it('goes on from a restored watermark and not below it', () => {
    const { log, tracker } = track(onAdvance);
    tracker.restoreWatermark(50);
    tracker.restoreWatermark(MIN_TIMESTAMP);
    tracker.onEvent(undefined, 40);
    tracker.onEvent(undefined, 60);
    expect(log).toEqual([50, 59]);
    expect(tracker.watermark).toBe(59);
  });

  it('gives the assigner the timestamp that the record came with', () => {
    const seen: (number | undefined)[] = [];
    const { tracker } = track(
      onAdvance.withTimestampAssigner((_value, timestamp) => {
        seen.push(timestamp);
        return 1;
      }),
    );
    tracker.assignTimestamp('x', 5);
    tracker.assignTimestamp('x', MIN_TIMESTAMP);
    expect(seen).toEqual([5, undefined]);
  });

  it.each([NaN, Infinity, -Infinity, 8.64e15 + 1, -1e18, undefined, '5'])(
    'refuses %s from an assigner',
    (timestamp) => {
      const { tracker } = track(onAdvance.withTimestampAssigner(() => timestamp as number));
      expect(() => tracker.assignTimestamp('x', 0)).toThrow(StreamRecordError);
    },
  );

  it('says which record an assigner threw for, and where', () => {
    const { tracker } = track(
      onAdvance.withTimestampAssigner((value) => (value as { at: { ms: number } }).at.ms),
    );
    const assign = () => tracker.assignTimestamp({ id: 7 }, undefined);
    expect(assign).toThrow(StreamRecordError);
    expect(assign).toThrow(/The timestamp assigner of 'Source' threw '.*' for the record \{"id":7\}/);
  });

  it.each([NaN, Infinity, 8.64e15 + 1, -1e18, '5', 5n, null])('refuses %s from a source', (given) => {
    const { tracker } = track(onAdvance);
    const timestamp = given as number;
    expect(() => tracker.assignTimestamp('x', timestamp)).toThrow(StreamRecordError);
    expect(() => tracker.assignTimestamp('x', timestamp)).toThrow("'Source' gave the timestamp");
    expect(tracker.assignTimestamp('x', undefined)).toBe(MIN_TIMESTAMP);
    expect(tracker.assignTimestamp('x', MIN_TIMESTAMP)).toBe(MIN_TIMESTAMP);
  });
});

describe('watermark strategy', () => {
  it('is immutable: each with… returns a new one', () => {
    const first = WatermarkStrategy.forMonotonousTimestamps<number>();
    const second = first.withIdleness(5).withTimestampAssigner((value) => value);
    expect(first.idleTimeoutMs).toBeUndefined();
    expect(first.timestampAssigner).toBeUndefined();
    expect(second.idleTimeoutMs).toBe(5);
  });

  it('says whether event time advances', () => {
    expect(WatermarkStrategy.noWatermarks().emitsWatermarks).toBe(false);
    expect(WatermarkStrategy.noWatermarks().withTimestampAssigner(() => 1).emitsWatermarks).toBe(false);
    expect(WatermarkStrategy.forMonotonousTimestamps().withIdleness(1).emitsWatermarks).toBe(true);
    const ownGenerator = { onEvent: () => undefined, onPeriodicEmit: () => undefined };
    expect(WatermarkStrategy.forGenerator(() => ownGenerator).emitsWatermarks).toBe(true);
  });

  it('keeps its alignment through other settings', () => {
    const strategy = WatermarkStrategy.forMonotonousTimestamps().withWatermarkAlignment('g', 5);
    expect(strategy.withIdleness(1).alignment).toEqual({ group: 'g', maxDriftMs: 5, updateIntervalMs: 1000 });
    expect(WatermarkStrategy.forMonotonousTimestamps().alignment).toBeUndefined();
  });

  it('refuses bounds that are none', () => {
    expect(() => WatermarkStrategy.forBoundedOutOfOrderness(-1)).toThrow(StreamConfigError);
    expect(() => WatermarkStrategy.forBoundedOutOfOrderness(NaN)).toThrow(StreamConfigError);
    expect(() => WatermarkStrategy.noWatermarks().withIdleness(0)).toThrow(StreamConfigError);
  });

  it('emits what a generator of one’s own decides', () => {
    const { log, tracker } = track(
      WatermarkStrategy.forGenerator<unknown>(() => ({
        onEvent: (value, _timestamp, output) => {
          if (value === 'mark') output.emitWatermark(7);
        },
        onPeriodicEmit: (output) => output.emitWatermark(9),
      })),
    );
    tracker.onEvent('x', 1);
    tracker.onEvent('mark', 1);
    tracker.onEvent('mark', 1);
    tracker.onPeriodicEmit();
    expect(log).toEqual([7, 9]);
  });
});
