import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../src/state/canonical-encoding.js';
import { keyGroupRangeOf } from '../../src/state/key-groups.js';
import { TimerQueue, type TimerSnapshot } from '../../src/time/timer-service.js';

type Fired = readonly [timestamp: number, key: unknown];

function fire(
  queue: TimerQueue,
  time: number,
  onFire: (timestamp: number, key: unknown) => void = () => undefined,
): Fired[] {
  const fired: Fired[] = [];
  queue.advance(time, (timestamp, key) => {
    fired.push([timestamp, key]);
    onFire(timestamp, key);
  });
  return fired;
}

describe('timer queue', () => {
  it('invariant 1: the same timer registered twice fires once; keys count as values', () => {
    const queue = new TimerQueue();
    queue.register(5, { a: 1, b: 2 });
    queue.register(5, { b: 2, a: 1 });
    queue.register(5, 0);
    queue.register(5, -0);
    expect(fire(queue, 5)).toEqual([
      [5, { a: 1, b: 2 }],
      [5, 0],
    ]);
  });

  it('invariant 2: fires up to and including the time, in timestamp order, then in order of registration', () => {
    const queue = new TimerQueue();
    for (const [time, key] of [
      [7, 'x'],
      [3, 'b'],
      [3, 'a'],
      [-1, 'z'],
      [8, 'y'],
    ] as const)
      queue.register(time, key);
    expect(fire(queue, 7)).toEqual([
      [-1, 'z'],
      [3, 'b'],
      [3, 'a'],
      [7, 'x'],
    ]);
    expect(queue.nextTimestamp).toBe(8);
  });

  it('invariant 2: fires what is registered while it runs, also before the timer that is firing', () => {
    const queue = new TimerQueue();
    queue.register(10, 'a');
    queue.register(20, 'a');
    const fired = fire(queue, 20, (timestamp, key) => {
      if (timestamp === 10 && key === 'a') {
        queue.register(15, 'a');
        queue.register(5, 'a');
        queue.register(10, 'b');
        queue.register(21, 'a');
      }
    });
    expect(fired).toEqual([
      [10, 'a'],
      [5, 'a'],
      [10, 'b'],
      [15, 'a'],
      [20, 'a'],
    ]);
    expect(queue.nextTimestamp).toBe(21);
  });

  it('invariant 3: a timer that fires may be registered anew', () => {
    const queue = new TimerQueue();
    queue.register(1, 'a');
    let again = 2;
    expect(fire(queue, 1, () => again-- > 0 && queue.register(1, 'a'))).toHaveLength(3);
    expect(fire(queue, 1)).toEqual([]);
  });

  it('does not fire a deleted timer, and knows it again when it is registered anew', () => {
    const queue = new TimerQueue();
    queue.register(1, 'a');
    queue.register(1, 'b');
    queue.delete(1, 'a');
    queue.delete(2, 'never there');
    expect(fire(queue, 1)).toEqual([[1, 'b']]);
    queue.register(3, 'a');
    queue.delete(3, 'a');
    queue.register(3, 'a');
    expect(fire(queue, 3)).toEqual([[3, 'a']]);
  });

  it('does not fire a timer that was deleted by one before it', () => {
    const queue = new TimerQueue();
    queue.register(1, 'a');
    queue.register(2, 'a');
    expect(fire(queue, 2, () => queue.delete(2, 'a'))).toEqual([[1, 'a']]);
  });

  it('agrees with a sorted list', () => {
    const operation = fc.oneof(
      fc.record({
        type: fc.constant('register' as const),
        time: fc.integer({ min: -20, max: 60 }),
        key: fc.nat(3),
      }),
      fc.record({
        type: fc.constant('delete' as const),
        time: fc.integer({ min: -20, max: 60 }),
        key: fc.nat(3),
      }),
      fc.record({
        type: fc.constant('advance' as const),
        time: fc.integer({ min: -20, max: 60 }),
        key: fc.nat(3),
      }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const queue = new TimerQueue();
        let list: Fired[] = [];
        for (const { type, time, key } of operations) {
          if (type === 'register') {
            queue.register(time, key);
            if (!list.some(([at, other]) => at === time && other === key)) list.push([time, key]);
          } else if (type === 'delete') {
            queue.delete(time, key);
            list = list.filter(([at, other]) => at !== time || other !== key);
          } else {
            const expected = list.filter(([at]) => at <= time).sort((a, b) => a[0] - b[0]);
            list = list.filter(([at]) => at > time);
            expect(fire(queue, time)).toEqual(expected);
          }
        }
        expect(fire(queue, Infinity)).toEqual(list.sort((a, b) => a[0] - b[0]));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps its timers over a restore at any parallelism', () => {
    const timer = fc.tuple(fc.integer(), fc.oneof(fc.string(), fc.integer()));
    fc.assert(
      fc.property(fc.array(timer), fc.integer({ min: 1, max: 5 }), (timers, parallelism) => {
        const queue = new TimerQueue();
        for (const [time, key] of timers) queue.register(time, key);
        const snapshot = decodeState(encodeState(queue.snapshot(16))) as readonly TimerSnapshot[];
        const restored = Array.from({ length: parallelism }, (_, subtask) => {
          const own = new TimerQueue();
          own.restore(snapshot, keyGroupRangeOf(subtask, parallelism, 16));
          return fire(own, Infinity);
        });
        const text = (fired: readonly Fired[]) => fired.map((one) => JSON.stringify(one)).sort();
        expect(text(restored.flat())).toEqual(text(fire(queue, Infinity)));
      }),
    );
  });
});
