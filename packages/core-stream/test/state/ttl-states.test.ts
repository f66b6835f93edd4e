import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  CheckpointError,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StreamConfigError,
  ValueStateDescriptor,
  type StateTtlConfig,
} from '../../src/index.js';
import type { KeyedState } from '../../src/state/keyed-state.js';
import type { StateTime } from '../../src/state/state-ttl.js';
import { changesOf, contentsOf, newState, stored } from '../support/stored-state.js';

const TTL_MS = 10;

class TestTime implements StateTime {
  processing = 1000;
  event = -Infinity;
  processingTime = (): number => this.processing;
  eventTime = (): number => this.event;
}

/** What each state of a key should be, said with lists of what was written when. */
interface Written {
  readonly name: number;
  value: number;
  at: number;
}

const ttlConfig = fc.record({
  ttlMs: fc.constant(TTL_MS),
  timeDomain: fc.constantFrom('processing-time' as const, 'event-time' as const),
  updateType: fc.constantFrom('on-create-and-write' as const, 'on-read-and-write' as const),
  visibility: fc.constantFrom('never-return-expired' as const, 'return-expired-if-not-cleaned-up' as const),
});
const operation = fc.record({
  type: fc.constantFrom(
    'read',
    'read',
    'write',
    'write',
    'write',
    'remove',
    'clear',
    'has',
    'checkpoint',
    'restore',
  ),
  key: fc.constantFrom('a', 'b', 'c'),
  name: fc.nat(2),
  value: fc.nat(99),
  passes: fc.constantFrom(0, 0, 1, 3, 5, 12),
});

/** Runs operations on one kind of state and on the oracle's entries of each key. */
function compare(
  run: (options: {
    readonly ttl: StateTtlConfig;
    readonly time: TestTime;
    readonly state: () => KeyedState;
    readonly entries: Map<string, Written[]>;
    readonly operation: { type: string; key: string; name: number; value: number };
    readonly now: number;
  }) => void,
): void {
  fc.assert(
    fc.property(ttlConfig, fc.array(operation, { maxLength: 40 }), (ttl, operations) => {
      const time = new TestTime();
      time.event = 1000;
      let state = newState({ time });
      const entries = new Map<string, Written[]>();
      for (const { passes, ...next } of operations) {
        time.processing += passes;
        time.event += passes;
        const now = time.processing;
        if (next.type === 'checkpoint') {
          stored(state);
          continue;
        }
        if (next.type === 'restore') {
          state = newState({ time, restored: [stored(state)] });
          continue;
        }
        state.setCurrentKey(next.key);
        run({ ttl, time, state: () => state, entries, operation: next, now });
      }
    }),
    { numRuns: 300 },
  );
}

const isAlive =
  (now: number) =>
  ({ at }: Written): boolean =>
    now - at < TTL_MS;

describe('state with a TTL', () => {
  it('invariant 1: a value agrees with a naive oracle', () => {
    compare(({ ttl, state, entries, operation: { type, key, value }, now }) => {
      const handle = state().getState(new ValueStateDescriptor<number>('v', { ttl }));
      const own = entries.get(key)?.[0];
      if (type === 'clear' || type === 'remove') {
        handle.clear();
        entries.delete(key);
      } else if (type === 'write') {
        handle.update(value);
        entries.set(key, [{ name: 0, value, at: now }]);
      } else if (own === undefined) expect(handle.value()).toBeUndefined();
      else if (isAlive(now)(own)) {
        expect(handle.value()).toBe(own.value);
        if (ttl.updateType === 'on-read-and-write') own.at = now;
      } else {
        const seen = handle.value();
        if (ttl.visibility === 'never-return-expired') expect(seen).toBeUndefined();
        else expect([undefined, own.value]).toContain(seen);
        expect(handle.value()).toBeUndefined(); // once
        entries.delete(key);
      }
    });
  });

  it('invariant 1: elements of a list age one by one, as in a naive oracle', () => {
    compare(({ ttl, state, entries, operation: { type, key, value }, now }) => {
      const handle = state().getListState(new ListStateDescriptor<number>('l', { ttl }));
      const own = entries.get(key) ?? [];
      if (type === 'clear') {
        handle.clear();
        entries.delete(key);
      } else if (type === 'remove') {
        handle.update([value, value + 1]);
        entries.set(
          key,
          [value, value + 1].map((next) => ({ name: 0, value: next, at: now })),
        );
      } else if (type === 'write') {
        handle.add(value);
        entries.set(key, [...own, { name: 0, value, at: now }]);
      } else {
        const seen = handle.get();
        const alive = own.filter(isAlive(now));
        if (ttl.visibility === 'never-return-expired') expect(seen).toEqual(alive.map((one) => one.value));
        else {
          expect(seen.length).toBeGreaterThanOrEqual(alive.length);
          expect(seen).toEqual(own.slice(own.length - seen.length).map((one) => one.value));
          expect(handle.get()).toEqual(alive.map((one) => one.value)); // once
        }
        if (ttl.updateType === 'on-read-and-write') for (const one of alive) one.at = now;
        entries.set(key, alive);
      }
    });
  });

  it('invariant 1: entries of a map age one by one, as in a naive oracle', () => {
    compare(({ ttl, state, entries, operation: { type, key, name, value }, now }) => {
      const handle = state().getMapState(new MapStateDescriptor<number, number>('m', { ttl }));
      const own = entries.get(key) ?? [];
      const one = own.find((entry) => entry.name === name);
      const without = own.filter((entry) => entry !== one);
      const mayReturnExpired = ttl.visibility === 'return-expired-if-not-cleaned-up';
      const touch = (entry: Written): void => {
        if (ttl.updateType === 'on-read-and-write') entry.at = now;
      };
      if (type === 'clear') {
        handle.clear();
        entries.delete(key);
      } else if (type === 'remove') {
        handle.remove(name);
        entries.set(key, without);
      } else if (type === 'write') {
        handle.put(name, value);
        entries.set(key, [...without, { name, value, at: now }]);
      } else if (type === 'read') {
        const alive = own.filter(isAlive(now));
        if (!mayReturnExpired) expect(handle.isEmpty()).toBe(alive.length === 0);
        const seen = new Map(handle.entries());
        for (const entry of alive) expect(seen.get(entry.name)).toBe(entry.value);
        if (!mayReturnExpired) expect(seen.size).toBe(alive.length);
        for (const entry of seen) expect(own.map((o) => [o.name, o.value])).toContainEqual(entry);
        expect([...handle.keys()].sort()).toEqual(alive.map((entry) => entry.name).sort());
        expect([...handle.values()].sort()).toEqual(alive.map((entry) => entry.value).sort());
        alive.forEach(touch);
        entries.set(key, alive);
      } else if (one === undefined) {
        expect(handle.has(name)).toBe(false);
        expect(handle.get(name)).toBeUndefined();
      } else if (isAlive(now)(one)) {
        expect(handle.has(name)).toBe(true);
        expect(handle.get(name)).toBe(one.value);
        touch(one);
      } else {
        const seen = handle.get(name);
        expect(mayReturnExpired ? [undefined, one.value] : [undefined]).toContain(seen);
        expect(handle.has(name)).toBe(false); // once
        entries.set(key, without);
      }
    });
  });

  it('a list can be added to itself', () => {
    const state = newState({ time: new TestTime() });
    const list = state.getListState(new ListStateDescriptor<number>('list', { ttl: { ttlMs: TTL_MS } }));
    state.setCurrentKey('a');
    list.addAll([1, 2]);
    list.addAll(list.get());
    expect(list.get()).toEqual([1, 2, 1, 2]);
  });

  it('a reduced and an aggregated value begin anew after they have expired', () => {
    const time = new TestTime();
    const state = newState({ time });
    const ttl = { ttlMs: TTL_MS };
    const sum = state.getReducingState(new ReducingStateDescriptor<number>('sum', (a, b) => a + b, { ttl }));
    const mean = state.getAggregatingState(
      new AggregatingStateDescriptor(
        'mean',
        {
          createAccumulator: () => ({ sum: 0, count: 0 }),
          add: (value: number, acc) => ({ sum: acc.sum + value, count: acc.count + 1 }),
          getResult: (acc) => acc.sum / acc.count,
          merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
        },
        { ttl },
      ),
    );
    state.setCurrentKey('a');
    for (const value of [1, 2]) {
      sum.add(value);
      mean.add(value);
      time.processing += TTL_MS - 1;
    }
    expect([sum.get(), mean.get()]).toEqual([3, 1.5]);
    time.processing += 1;
    expect([sum.get(), mean.get()]).toEqual([undefined, undefined]);
    sum.add(7);
    mean.add(7);
    expect([sum.get(), mean.get()]).toEqual([7, 7]);
  });

  it('has its default again after it has expired', () => {
    const time = new TestTime();
    const state = newState({ time });
    const count = state.getState(
      new ValueStateDescriptor<number>('n', { defaultValue: 5, ttl: { ttlMs: TTL_MS } }),
    );
    state.setCurrentKey('a');
    count.update(6);
    time.processing += TTL_MS;
    expect(count.value()).toBe(5);
  });

  it('invariant 2: an element that is added after the clock went back lives as long as the one before it', () => {
    const time = new TestTime();
    const state = newState({ time });
    const list = state.getListState(new ListStateDescriptor<string>('l', { ttl: { ttlMs: TTL_MS } }));
    state.setCurrentKey('a');
    list.add('before');
    time.processing -= 500;
    list.add('after');
    time.processing += 500 + TTL_MS - 1;
    expect(list.get()).toEqual(['before', 'after']);
    time.processing += 1;
    expect(list.get()).toEqual([]);
  });

  it('by event time ages with the watermark; what is older than the first one begins to age with it', () => {
    const time = new TestTime();
    const state = newState({ time });
    const ttl = { ttlMs: TTL_MS, timeDomain: 'event-time' as const };
    const value = state.getState(new ValueStateDescriptor<string>('v', { ttl }));
    state.setCurrentKey('early');
    value.update('early');
    time.processing += 1e9;
    expect(value.value()).toBe('early');
    time.event = 100;
    expect(value.value()).toBe('early');
    time.event = 109;
    state.setCurrentKey('late');
    value.update('late');
    state.setCurrentKey('early');
    expect(value.value()).toBe('early');
    time.event = 110;
    expect(value.value()).toBeUndefined();
    state.setCurrentKey('late');
    expect(value.value()).toBe('late');
    time.event = Infinity;
    expect(value.value()).toBeUndefined();
    value.update('after the end');
    expect(value.value()).toBe('after the end');
  });
});

describe('expired state that nobody reads', () => {
  const ttl: StateTtlConfig = {
    ttlMs: TTL_MS,
    visibility: 'return-expired-if-not-cleaned-up', // shows what is still there
  };

  it('sweep invariant 2: of many keys goes while others are written', () => {
    const time = new TestTime();
    const state = newState({ time });
    const descriptor = new ValueStateDescriptor<number>('v', { ttl });
    const value = state.getState(descriptor);
    for (let key = 0; key < 5000; key++) {
      state.setCurrentKey(key);
      value.update(key);
      time.processing++;
      if (key % 100 === 0) expect(state.keysOf(descriptor).length).toBeLessThanOrEqual(3 * TTL_MS);
    }
  });

  it('sweep invariant 2: of one key with a long list and a large map goes too', () => {
    const time = new TestTime();
    const state = newState({ time });
    const list = state.getListState(new ListStateDescriptor<number>('l', { ttl }));
    const map = state.getMapState(new MapStateDescriptor<number, number>('m', { ttl }));
    state.setCurrentKey('a');
    for (let i = 0; i < 5000; i++) {
      list.add(i);
      map.put(i, i);
      time.processing++;
    }
    expect(list.get().length).toBeLessThanOrEqual(3 * TTL_MS);
    expect([...map.entries()].length).toBeLessThanOrEqual(3 * TTL_MS);
  });

  it('goes with the next checkpoints', () => {
    const time = new TestTime();
    const state = newState({ time });
    const value = state.getState(new ValueStateDescriptor<number>('v', { ttl }));
    const map = state.getMapState(new MapStateDescriptor<string, number>('m', { ttl }));
    const list = state.getListState(new ListStateDescriptor<number>('l', { ttl }));
    for (const key of ['old', 'new']) {
      state.setCurrentKey(key);
      value.update(1);
      map.put('x', 1);
      list.add(1);
      time.processing += TTL_MS - 1;
    }
    for (const i of [2, 3, 4]) list.add(i);
    map.put('y', 2);
    time.processing += 1;
    const snapshot = stored(state);
    expect(contentsOf(snapshot, 'v')).toEqual([]);
    expect(contentsOf(snapshot, 'm')).toEqual([['new', new Map([['y', { value: 2, touchedAt: 1018 }]])]]);
    // A list waits until half of it has expired.
    expect(contentsOf(snapshot, 'l')).toEqual([
      ['new', { values: [1, 2, 3, 4], touchedAt: [1009, 1018, 1018, 1018] }],
    ]);
    expect(changesOf(state)).toEqual([]);
  });

  it('sweep invariant 1: a checkpoint does not look at the state of all keys, unless event time has ended', () => {
    const time = new TestTime();
    const state = newState({ time });
    const value = state.getState(
      new ValueStateDescriptor<number>('v', { ttl: { ttlMs: 1, timeDomain: 'event-time' } }),
    );
    time.event = 0;
    for (let key = 0; key < 20_000; key++) {
      state.setCurrentKey(key);
      value.update(key);
    }
    time.event = 1;
    expect(stored(state).rows.length).toBeGreaterThan(10_000);
    expect(stored(state).rows.length).toBeGreaterThan(5_000);
    time.event = Infinity;
    expect(stored(state).rows).toEqual([]);
  });

  it('is cleaned up without hurting a value that is set while the sweep is under way', () => {
    const time = new TestTime();
    const state = newState({ time });
    const map = state.getMapState(new MapStateDescriptor<number, number>('m', { ttl }));
    state.setCurrentKey('a');
    map.put(1, 1);
    map.put(2, 2);
    time.processing += TTL_MS;
    for (let i = 0; i < 20; i++) {
      map.clear();
      map.put(i, i);
      expect([...map.entries()]).toEqual([[i, i]]);
    }
  });
});

describe('switching a TTL on or off', () => {
  const time = new TestTime();
  const plain = new ValueStateDescriptor<number>('v');
  const ageing = new ValueStateDescriptor<number>('v', { ttl: { ttlMs: 5 } });

  it.each([
    ['on', plain, ageing, "'v' has no TTL in the checkpoint, but one in the program"],
    ['off', ageing, plain, "'v' has a TTL in the checkpoint, but none in the program"],
  ])('%s is refused for state that was restored', (_what, before, after, message) => {
    const state = newState({ time });
    state.setCurrentKey('a');
    state.getState(before).update(1);
    const again = newState({ time, restored: [stored(state)] });
    expect(() => again.getState(after)).toThrow(CheckpointError);
    expect(() => again.getState(after)).toThrow(message);
  });

  it('is refused within a program', () => {
    const state = newState({ time });
    state.getState(plain);
    expect(() => state.getState(ageing)).toThrow(StreamConfigError);
  });

  it.each([0, -1, NaN])('a TTL of %s ms is refused', (ttlMs) => {
    expect(() => new ListStateDescriptor<number>('clicks', { ttl: { ttlMs } })).toThrow(
      /The TTL of state 'clicks' must be more than 0 milliseconds/,
    );
  });

  it('another duration is not: it counts from what was stored', () => {
    const state = newState({ time });
    state.setCurrentKey('a');
    state.getState(ageing).update(1);
    const again = newState({ time, restored: [stored(state)] });
    const value = again.getState(new ValueStateDescriptor<number>('v', { ttl: { ttlMs: 100 } }));
    again.setCurrentKey('a');
    time.processing += 99;
    expect(value.value()).toBe(1);
    time.processing += 1;
    expect(value.value()).toBeUndefined();
  });
});
