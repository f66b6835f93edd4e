import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_WATERMARK } from '../../src/index.js';
import { WatermarkValve } from '../../src/runtime/watermark-valve.js';

function valveOf(channels: number) {
  const log: (number | boolean)[] = [];
  const valve = new WatermarkValve(channels, {
    onWatermark: (timestamp) => void log.push(timestamp),
    onIdle: (isIdle) => void log.push(isIdle),
  });
  return { log, valve };
}

describe('watermark valve', () => {
  it('invariant 1: the minimum over the inputs that are not idle, never back', () => {
    const event = fc.tuple(fc.nat(2), fc.oneof(fc.integer({ min: -20, max: 20 }), fc.boolean()));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { log, valve } = valveOf(3);
        const marks = [-Infinity, -Infinity, -Infinity];
        const idle = [false, false, false];
        let current = -Infinity;
        let wasIdle = false;
        const expected: (number | boolean)[] = [];
        for (const [channel, what] of events) {
          if (typeof what === 'boolean') {
            valve.idle(channel, what);
            idle[channel] = what;
          } else {
            valve.watermark(channel, what);
            marks[channel] = Math.max(marks[channel] ?? -Infinity, what);
          }
          const active = marks.filter((_, index) => idle[index] !== true);
          const isIdle = active.length === 0;
          if (isIdle !== wasIdle) expected.push(isIdle);
          wasIdle = isIdle;
          if (!isIdle && Math.min(...active) > current) expected.push((current = Math.min(...active)));
        }
        expect(log).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('invariant 2: does not advance while all inputs are idle', () => {
    const { log, valve } = valveOf(2);
    valve.watermark(0, 5);
    valve.idle(1, true);
    valve.idle(0, true);
    valve.watermark(0, 9);
    expect(log).toEqual([5, true]);
    valve.idle(0, false);
    expect(log).toEqual([5, true, false, 9]);
  });

  it('invariant 3: passes the end on when an input ends while it is idle', () => {
    const { log, valve } = valveOf(1);
    valve.watermark(0, 5);
    valve.idle(0, true);
    valve.watermark(0, MAX_WATERMARK);
    expect(log).toEqual([5, true, false, MAX_WATERMARK]);
  });

  it('goes on from a restored watermark and not below it', () => {
    const { log, valve } = valveOf(2);
    valve.restoreWatermark(-Infinity);
    valve.restoreWatermark(7);
    valve.watermark(0, 5);
    valve.watermark(1, 5);
    valve.watermark(0, 9);
    valve.watermark(1, 8);
    expect(log).toEqual([7, 8]);
  });

  it('invariant 3: does not take the end of one input for the end of all while the others are idle', () => {
    const { log, valve } = valveOf(2);
    valve.watermark(0, 5);
    valve.watermark(1, 5);
    valve.idle(1, true);
    valve.watermark(0, MAX_WATERMARK);
    expect(log).not.toContain(MAX_WATERMARK);
    valve.idle(1, false);
    valve.watermark(1, 8);
    valve.watermark(1, MAX_WATERMARK);
    expect(log.filter((entry) => typeof entry === 'number')).toEqual([5, 8, MAX_WATERMARK]);
  });
});
