import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyGroupRangeOf } from '../../src/state/key-groups.js';
import { TimerQueue } from '../../src/time/timer-service.js';
import { MAX_PARALLELISM, StoredRows } from '../support/stored-state.js';

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

  it.each([
    ['few timestamps, each with many keys', 8, 20],
    ['many timestamps, most with one key', 5000, 3],
  ])('agrees with a sorted list: %s', (_what, timestamps, keys) => {
    const timer = { time: fc.integer({ min: -timestamps, max: timestamps }), key: fc.nat(keys) };
    const operation = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('register' as const), ...timer }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), ...timer }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant('delete one' as const), ...timer }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('advance' as const), ...timer }) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const queue = new TimerQueue();
        let list: Fired[] = [];
        for (const { type, time, key } of operations) {
          const [at, own] = (type === 'delete one' ? list[key % list.length] : undefined) ?? [time, key];
          if (type === 'register') {
            queue.register(time, key);
            if (!list.some((other) => other[0] === time && other[1] === key)) list.push([time, key]);
          } else if (type === 'advance') {
            const expected = list.filter((other) => other[0] <= time).sort((a, b) => a[0] - b[0]);
            list = list.filter((other) => other[0] > time);
            expect(fire(queue, time)).toEqual(expected);
          } else {
            queue.delete(at, own);
            list = list.filter((other) => other[0] !== at || other[1] !== own);
          }
          const next = list.length === 0 ? undefined : Math.min(...list.map((other) => other[0]));
          expect(queue.nextTimestamp).toBe(next);
        }
        expect(fire(queue, Infinity)).toEqual(list.sort((a, b) => a[0] - b[0]));
      }),
      { numRuns: 300 },
    );
  });

  it('agrees with a sorted list also where timers register and delete others while they fire', () => {
    const timer = fc.tuple(fc.nat(6), fc.nat(3));
    /** What each timer does when it fires; each timestamp and key once, so that it ends. */
    const effects = fc.uniqueArray(fc.record({ when: timer, isDelete: fc.boolean(), what: timer }), {
      selector: ({ when }) => when.join(),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(timer, { maxLength: 12 }), effects, (timers, does) => {
        const queue = new TimerQueue();
        let list: Fired[] = [];
        const apply = (isDelete: boolean, [time, key]: readonly [number, number]): void => {
          if (isDelete) list = list.filter((other) => other[0] !== time || other[1] !== key);
          else if (!list.some((other) => other[0] === time && other[1] === key)) list.push([time, key]);
        };
        const done = new Set<string>();
        const effectOf = (fired: Fired) => {
          if (done.has(fired.join())) return undefined;
          done.add(fired.join());
          return does.find(({ when }) => when.join() === fired.join());
        };
        for (const [time, key] of timers) {
          queue.register(time, key);
          apply(false, [time, key]);
        }
        const expected: Fired[] = [];
        while (list.length > 0) {
          const first = [...list].sort((a, b) => a[0] - b[0])[0]!; // a stable sort: in order of registration
          list.splice(list.indexOf(first), 1);
          expected.push(first);
          const effect = effectOf(first);
          if (effect !== undefined) apply(effect.isDelete, effect.what);
        }
        done.clear();
        const fired: Fired[] = [];
        queue.advance(Infinity, (timestamp, key) => {
          fired.push([timestamp, key]);
          const effect = effectOf([timestamp, key]);
          if (effect?.isDelete === true) queue.delete(...effect.what);
          else if (effect !== undefined) queue.register(...effect.what);
        });
        expect(fired).toEqual(expected);
        expect(queue.nextTimestamp).toBeUndefined();
        expect(queue.heldTimestamps).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('invariant 4: timers that are moved on over and over leave nothing behind', () => {
    const queue = new TimerQueue();
    queue.register(0, 'first');
    for (let at = 1; at <= 10_000; at++) {
      for (const key of ['a', 'b']) {
        queue.register(2 * at, key);
        queue.register(2 * at + 1, key);
        queue.delete(2 * at - 2, key);
        queue.delete(2 * at - 1, key);
      }
    }
    expect(queue.heldTimestamps).toBeLessThanOrEqual(2 * 3 + 64);
    expect(fire(queue, Infinity)).toEqual([
      [0, 'first'],
      [20_000, 'a'],
      [20_000, 'b'],
      [20_001, 'a'],
      [20_001, 'b'],
    ]);
  });

  it('a timer whose key has NaN in it is known again', () => {
    const queue = new TimerQueue();
    queue.register(1, NaN);
    queue.register(1, NaN);
    expect(fire(queue, 1)).toEqual([[1, NaN]]);
    queue.register(1, NaN);
    queue.delete(1, NaN);
    expect(queue.nextTimestamp).toBeUndefined();
  });

  it('keeps its timers over a restore at any parallelism', () => {
    const timer = fc.tuple(fc.integer(), fc.oneof(fc.string(), fc.integer()));
    fc.assert(
      fc.property(fc.array(timer), fc.integer({ min: 1, max: 5 }), (timers, parallelism) => {
        const rows = new StoredRows();
        const queue = new TimerQueue('timers', rows.access);
        for (const [time, key] of timers) queue.register(time, key);
        const snapshot = rows.snapshot();
        const restored = Array.from({ length: parallelism }, (_, subtask) => {
          const range = keyGroupRangeOf(subtask, parallelism, MAX_PARALLELISM);
          return fire(new TimerQueue('timers', new StoredRows(snapshot, range).access), Infinity);
        });
        const text = (fired: readonly Fired[]) => fired.map((one) => JSON.stringify(one)).sort();
        expect(text(restored.flat())).toEqual(text(fire(queue, Infinity)));
      }),
    );
  });

  it('invariant 5: a checkpoint holds the timers that were registered and are still there, and those that have gone', () => {
    const rows = new StoredRows();
    const queue = new TimerQueue('timers', rows.access);
    queue.register(1, 'a');
    queue.register(2, { user: 'b' });
    expect(rows.changes()).toEqual([
      ['a', 1, null],
      [{ user: 'b' }, 2, null],
    ]);
    expect(rows.changes()).toEqual([]);
    for (let i = 0; i < 5_000; i++) {
      queue.register(10 + i, 'a');
      queue.delete(10 + i, 'a');
    }
    fire(queue, 1);
    queue.register(3, 'a');
    queue.register(2, { user: 'b' });
    expect(rows.changes()).toEqual([
      ['a', 1, undefined],
      ['a', 3, null],
    ]);
    queue.clear();
    queue.register(3, 'a');
    expect(rows.changes()).toEqual([
      [{ user: 'b' }, 2, undefined],
      ['a', 3, undefined],
      ['a', 3, null],
    ]);
  });

  it('what its snapshots have stored are the timers that it has, whatever has happened in between', () => {
    const time = fc.integer({ min: 0, max: 9 });
    const key = fc.constantFrom<unknown>('a', 'b', 1, { user: 1 }, [1, 'x']);
    const step = fc.oneof(
      fc.record({ type: fc.constantFrom('register' as const, 'delete' as const), time, key }),
      fc.record({
        type: fc.constantFrom('advance' as const, 'snapshot' as const, 'restore' as const),
        time,
        key,
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let rows = new StoredRows();
        let queue = new TimerQueue('timers', rows.access);
        const oracle = new Map<string, [number, unknown]>();
        for (const { type, time, key } of steps) {
          const name = JSON.stringify([time, key]);
          if (type === 'register') {
            queue.register(time, key);
            oracle.set(name, [time, key]);
          } else if (type === 'delete') {
            queue.delete(time, key);
            oracle.delete(name);
          } else if (type === 'advance') {
            fire(queue, time);
            for (const [other, [at]] of [...oracle]) if (at <= time) oracle.delete(other);
          } else {
            const stored = rows.snapshot();
            expect(stored).toHaveLength(oracle.size);
            expect(rows.changes()).toEqual([]);
            if (type === 'snapshot') continue;
            rows = new StoredRows(stored);
            queue = new TimerQueue('timers', rows.access);
          }
        }
        const text = (fired: Iterable<unknown>) => [...fired].map((one) => JSON.stringify(one)).sort();
        expect(text(fire(queue, Infinity))).toEqual(text(oracle.values()));
      }),
      { numRuns: 300 },
    );
  });
});
