import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sleep, systemClock } from '../../src/index.js';
import { failureOf } from '../support/conditions.js';
import { ManualClock } from '../support/manual-clock.js';

describe('sleep', () => {
  it('resolves when its time has come', async () => {
    const clock = new ManualClock();
    const slept = sleep(clock, 10);
    clock.advance(10);
    await expect(slept).resolves.toBeUndefined();
  });

  it('rejects with the reason of an abort, and leaves nothing scheduled', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const slept = sleep(clock, 10, controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await failureOf(slept)).toBe(reason);
    expect(clock.pending).toBe(0);
    expect(await failureOf(sleep(clock, 10, controller.signal))).toBe(reason);
  });
});

describe('system clock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('calls once after the delay, unless cancelled', () => {
    const called = vi.fn();
    const cancelled = vi.fn();
    systemClock.schedule(50, called);
    systemClock.schedule(50, cancelled)();
    vi.advanceTimersByTime(100);
    expect(called).toHaveBeenCalledOnce();
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('waits longer than a Node timer can: 24.8 days are not the end of time', () => {
    const called = vi.fn();
    const days = 24 * 3600 * 1000;
    systemClock.schedule(60 * days, called);
    const cancel = systemClock.schedule(60 * days, called);
    vi.advanceTimersByTime(59 * days);
    expect(called).not.toHaveBeenCalled();
    cancel();
    vi.advanceTimersByTime(2 * days);
    expect(called).toHaveBeenCalledOnce();
  });

  it('never calls for an endless delay', () => {
    const called = vi.fn();
    const cancel = systemClock.schedule(Infinity, called);
    vi.advanceTimersByTime(1e11);
    expect(called).not.toHaveBeenCalled();
    cancel();
  });
});
