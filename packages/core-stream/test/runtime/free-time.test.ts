import { describe, expect, it } from 'vitest';
import { FreeTime } from '../../src/runtime/free-time.js';
import { ManualClock } from '../support/manual-clock.js';

function measure() {
  const clock = new ManualClock();
  return { clock, freeTime: new FreeTime(clock, 10) };
}

describe('free time of a reader', () => {
  it('is the time for which it waited, also across ticks', () => {
    const { clock, freeTime } = measure();
    clock.advance(3);
    freeTime.onWait();
    clock.advance(7);
    expect(freeTime.take()).toBe(7);
    clock.advance(4);
    freeTime.onAvailable();
    clock.advance(100);
    expect(freeTime.take()).toBe(4);
    expect(freeTime.take()).toBe(0);
  });

  it('is the time between two ticks in which it was polled', () => {
    const { clock, freeTime } = measure();
    freeTime.onPoll();
    clock.advance(9);
    expect(freeTime.take()).toBe(9);
    clock.advance(10);
    expect(freeTime.take()).toBe(0);
  });

  it('is one tick at most where the tick itself was late, because the task was blocked', () => {
    const { clock, freeTime } = measure();
    freeTime.onPoll();
    clock.advance(60_000);
    expect(freeTime.take()).toBe(10);
  });
});
