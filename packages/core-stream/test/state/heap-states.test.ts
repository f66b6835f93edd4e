import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StreamConfigError,
  ValueStateDescriptor,
} from '../../src/index.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import type { KeyedState } from '../../src/state/keyed-state.js';
import { changesOf, contentsOf, newState, stored } from '../support/stored-state.js';

const last = new ValueStateDescriptor<number>('last');
const all = new ListStateDescriptor<number>('all');
const counts = new MapStateDescriptor<number, number>('counts');
const total = new ReducingStateDescriptor<number>('total', (a, b) => a + b);
const distinct = new AggregatingStateDescriptor<number, Set<number>, number>('distinct', {
  createAccumulator: () => new Set(),
  add: (value, seen) => seen.add(value),
  getResult: (seen) => seen.size,
  merge: (a, b) => new Set([...a, ...b]),
});

function handlesOf(state: KeyedState) {
  return {
    last: state.getState(last),
    all: state.getListState(all),
    counts: state.getMapState(counts),
    total: state.getReducingState(total),
    distinct: state.getAggregatingState(distinct),
  };
}

const CLEARABLE = ['last', 'all', 'counts', 'total', 'distinct'] as const;

describe('keyed states together', () => {
  it('agree with what was added per key, over clearing and restoring', () => {
    const key = fc.constantFrom('a', 1, '1', 1n, 0, -0, NaN, null, true, [1, 'x'], { a: 1 }, { a: 2 });
    const operation = fc.oneof(
      { weight: 5, arbitrary: fc.record({ type: fc.constant('add' as const), key, value: fc.nat(5) }) },
      fc.record({ type: fc.constant('clear' as const), key, state: fc.constantFrom(...CLEARABLE) }),
      fc.record({ type: fc.constant('drop' as const), key }),
      fc.record({ type: fc.constantFrom('checkpoint' as const, 'restore' as const), key }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 50 }), (operations) => {
        let state = newState();
        let handles = handlesOf(state);
        /** By key as text, then by state: what was added since it was cleared. */
        const oracle = new Map<string, Record<(typeof CLEARABLE)[number], number[]>>();
        for (const next of operations) {
          const name = encodeState(Object.is(next.key, -0) ? 0 : next.key).toString('hex');
          const own = oracle.get(name) ?? { last: [], all: [], counts: [], total: [], distinct: [] };
          oracle.set(name, own);
          state.setCurrentKey(next.key);
          switch (next.type) {
            case 'add':
              for (const each of CLEARABLE) own[each].push(next.value);
              handles.last.update(next.value);
              handles.all.add(next.value);
              handles.counts.put(next.value, (handles.counts.get(next.value) ?? 0) + 1);
              handles.total.add(next.value);
              handles.distinct.add(next.value);
              break;
            case 'clear':
              own[next.state] = [];
              handles[next.state].clear();
              break;
            case 'drop':
              for (const each of CLEARABLE) own[each] = [];
              state.dropCurrentKey();
              break;
            case 'checkpoint':
              stored(state);
              expect(changesOf(state)).toEqual([]);
              break;
            case 'restore': {
              const again = newState({ restored: [stored(state)] });
              state = again;
              handles = handlesOf(state);
              state.setCurrentKey(next.key);
            }
          }
          expect(handles.last.value()).toBe(own.last.at(-1));
          expect(handles.all.get()).toEqual(own.all);
          expect(handles.total.get()).toBe(
            own.total.length === 0 ? undefined : own.total.reduce((a, b) => a + b),
          );
          expect(handles.distinct.get()).toBe(
            own.distinct.length === 0 ? undefined : new Set(own.distinct).size,
          );
          const counted = new Map<number, number>();
          for (const value of own.counts) counted.set(value, (counted.get(value) ?? 0) + 1);
          expect([...handles.counts.entries()]).toEqual([...counted]);
          expect([...handles.counts.keys()]).toEqual([...counted.keys()]);
          expect([...handles.counts.values()]).toEqual([...counted.values()]);
          expect(handles.counts.isEmpty()).toBe(counted.size === 0);
          const keysLeft = [...oracle.values()].filter((states) => states.all.length > 0);
          expect(state.keysOf(all)).toHaveLength(keysLeft.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('key table invariant 1: a key with nothing left is in no snapshot, and can have state again', () => {
    const state = newState();
    const { last: value, all: list } = handlesOf(state);
    state.setCurrentKey('a');
    value.update(1);
    list.add(1);
    value.clear();
    expect(stored(state).rows).toHaveLength(1);
    list.clear();
    expect(stored(state).rows).toEqual([]);
    value.update(2);
    state.setCurrentKey('b');
    expect(value.value()).toBeUndefined();
    state.setCurrentKey('a');
    expect(value.value()).toBe(2);
  });

  it('state that is asked for later has a place for every key', () => {
    const state = newState();
    const value = state.getState(last);
    for (const key of ['a', 'b']) {
      state.setCurrentKey(key);
      value.update(1);
    }
    value.clear(); // b is no longer among the keys, but the current one
    const list = state.getListState(all);
    expect(list.get()).toEqual([]);
    list.add(7);
    state.setCurrentKey('a');
    expect(list.get()).toEqual([]);
    state.setCurrentKey('b');
    expect(list.get()).toEqual([7]);
  });

  it('a value may be undefined, which is not the same as none', () => {
    const state = newState();
    const value = state.getState(new ValueStateDescriptor<number | undefined>('v', { defaultValue: 5 }));
    state.setCurrentKey('a');
    value.update(undefined);
    expect(value.value()).toBeUndefined();
    const again = newState({ restored: [stored(state)] });
    again.setCurrentKey('a');
    expect(
      again.getState(new ValueStateDescriptor<number>('v', { defaultValue: 5 })).value(),
    ).toBeUndefined();
  });

  it('an object that is changed after it was the current key is another key', () => {
    const state = newState();
    const value = state.getState(last);
    const key = { user: 1 };
    state.setCurrentKey(key);
    value.update(1);
    key.user = 2;
    state.setCurrentKey(key);
    expect(value.value()).toBeUndefined();
  });

  it('a list takes many elements at once', () => {
    const state = newState();
    const list = state.getListState(all);
    state.setCurrentKey('a');
    list.addAll([]);
    expect(state.keysOf(all)).toEqual([]);
    list.addAll([1, 2]);
    list.addAll([3]);
    expect(list.get()).toEqual([1, 2, 3]);
  });

  it('a list can be added to itself', () => {
    const state = newState();
    const list = state.getListState(all);
    state.setCurrentKey('a');
    list.addAll([1, 2]);
    list.addAll(list.get());
    expect(list.get()).toEqual([1, 2, 1, 2]);
  });

  it('undefined is reduced as any other value', () => {
    const state = newState();
    state.setCurrentKey('a');
    const pairs = state.getReducingState(
      new ReducingStateDescriptor<unknown>('pairs', (a, b) => (b === 'none' ? undefined : [a, b])),
    );
    for (const value of [undefined, 1, 'none', 2]) pairs.add(value);
    expect(pairs.get()).toEqual([undefined, 2]);
    const counts = state.getAggregatingState(
      new AggregatingStateDescriptor<number, number | undefined, number>('seen', {
        createAccumulator: () => 0,
        add: (_value, seen) => (seen === 0 ? undefined : (seen ?? 1) + 1),
        getResult: (seen) => seen ?? 1,
        merge: (a) => a,
      }),
    );
    for (const value of [1, 2, 3]) counts.add(value);
    expect(counts.get()).toBe(3);
  });

  it('without a current key nothing is read, and writing is refused', () => {
    const state = newState();
    const value = state.getState(last);
    expect(() => value.update(1)).toThrow(StreamConfigError);
    state.setCurrentKey('a');
    value.update(1);
    state.clearCurrentKey();
    expect(state.currentKey).toBeUndefined();
    expect(value.value()).toBeUndefined();
    value.clear();
    expect(() => value.update(2)).toThrow(/no key is current/);
    state.setCurrentKey('a');
    expect(value.value()).toBe(1);
  });

  it('a checkpoint holds the accumulator, not the result', () => {
    const state = newState();
    state.setCurrentKey('a');
    state.getAggregatingState(distinct).add(4);
    state.getReducingState(total).add(4);
    expect(contentsOf(stored(state), 'distinct')).toEqual([['a', new Set([4])]]);
    expect(contentsOf(stored(state), 'total')).toEqual([['a', 4]]);
  });

  describe('invariant 1: a change in place of what was handed out is in the next checkpoint', () => {
    interface Count {
      n: number;
    }
    const value = new ValueStateDescriptor<Count>('value');
    const list = new ListStateDescriptor<Count>('list');
    const map = new MapStateDescriptor<string, Count>('map');
    const reducing = new ReducingStateDescriptor<Count>('reducing', (a) => a);
    const aggregating = new AggregatingStateDescriptor<number, Count, Count>('aggregating', {
      createAccumulator: () => ({ n: 0 }),
      add: (_value, count) => count,
      getResult: (count) => count,
      merge: (a) => a,
    });
    const ttl = { ttlMs: 1_000 };
    const readers: Record<string, (state: KeyedState, ttl?: { ttlMs: number }) => Count | undefined> = {
      value: (state) => state.getState(value).value(),
      'a list': (state) => state.getListState(list).get()[0],
      'a map by key': (state) => state.getMapState(map).get('x'),
      "a map's values": (state) => [...state.getMapState(map).values()][0],
      "a map's entries": (state) => [...state.getMapState(map).entries()][0]?.[1],
      'a reduced value': (state) => state.getReducingState(reducing).get(),
      'an aggregated value': (state) => state.getAggregatingState(aggregating).get(),
      'a value with a TTL': (state) =>
        state.getState(new ValueStateDescriptor<Count>('value-ttl', { ttl })).value(),
      'a list with a TTL': (state) =>
        state.getListState(new ListStateDescriptor<Count>('list-ttl', { ttl })).get()[0],
      'a map with a TTL': (state) =>
        state.getMapState(new MapStateDescriptor<string, Count>('map-ttl', { ttl })).get('x'),
    };

    it.each(Object.entries(readers))('of %s', (_what, read) => {
      const time = { processingTime: () => 0, eventTime: () => 0 };
      const state = newState({ time });
      state.setCurrentKey('a');
      state.getState(value).update({ n: 1 });
      state.getListState(list).add({ n: 1 });
      state.getMapState(map).put('x', { n: 1 });
      state.getReducingState(reducing).add({ n: 1 });
      state.getAggregatingState(aggregating).add(1);
      state.getState(new ValueStateDescriptor<Count>('value-ttl', { ttl })).update({ n: 1 });
      state.getListState(new ListStateDescriptor<Count>('list-ttl', { ttl })).add({ n: 1 });
      state.getMapState(new MapStateDescriptor<string, Count>('map-ttl', { ttl })).put('x', { n: 1 });
      stored(state);
      read(state)!.n = 7;
      const again = newState({ time, restored: [stored(state)] });
      again.setCurrentKey('a');
      expect(read(again)).toEqual({ n: 7 });
    });
  });

  it('invariant 1: removing one of several entries of a map is a change', () => {
    const state = newState({ time: { processingTime: () => 0, eventTime: () => 0 } });
    state.setCurrentKey('a');
    for (const ttl of [undefined, { ttlMs: 5 }]) {
      const name = ttl === undefined ? 'plain' : 'ageing';
      const entries = state.getMapState(
        new MapStateDescriptor<number, number>(name, ttl === undefined ? {} : { ttl }),
      );
      entries.put(1, 1);
      entries.put(2, 2);
      stored(state);
      entries.remove(3);
      expect(changesOf(state)).toEqual([]);
      entries.remove(1);
      expect(changesOf(state)).toHaveLength(1);
    }
  });

  it('reading primitives changes nothing', () => {
    const state = newState();
    const handles = handlesOf(state);
    state.setCurrentKey('a');
    handles.last.update(1);
    handles.all.add(1);
    handles.counts.put(1, 1);
    handles.total.add(1);
    stored(state);
    handles.last.value();
    handles.all.get();
    handles.counts.get(1);
    handles.counts.has(1);
    handles.counts.isEmpty();
    expect([...handles.counts.entries(), ...handles.counts.keys(), ...handles.counts.values()]).toHaveLength(
      3,
    );
    handles.total.get();
    expect(changesOf(state)).toEqual([]);
  });
});
