import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  StateSchema,
  StreamConfigError,
  ValueStateDescriptor,
} from '../../src/index.js';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../../src/state/key-groups.js';
import {
  changesOf,
  contentsOf,
  MAX_PARALLELISM,
  newState,
  stored,
  type StoredState,
} from '../support/stored-state.js';

const sum = new ValueStateDescriptor<number>('sum');
const list = new ListStateDescriptor<number>('list');
const map = new MapStateDescriptor<string, number>('map');

describe('value state', () => {
  it('has the default until it is set, and again after it was cleared', () => {
    const state = newState();
    const value = state.getState(new ValueStateDescriptor<number>('v', { defaultValue: 7 }));
    state.setCurrentKey('a');
    expect(value.value()).toBe(7);
    value.update(8);
    expect(value.value()).toBe(8);
    value.clear();
    expect(value.value()).toBe(7);
  });

  it('gives each key a default of its own, also where it is an object that the program changes', () => {
    const state = newState();
    const value = state.getState(new ValueStateDescriptor('v', { defaultValue: { n: 0 } }));
    const counts = ['a', 'b', 'a'].map((key) => {
      state.setCurrentKey(key);
      const current = value.value() ?? { n: NaN };
      current.n++;
      value.update(current);
      return current.n;
    });
    expect(counts).toEqual([1, 1, 2]);
  });

  it('is undefined without a default', () => {
    const state = newState();
    state.setCurrentKey('a');
    expect(state.getState(sum).value()).toBeUndefined();
  });
});

describe('list state', () => {
  it('appends, replaces and clears', () => {
    const state = newState();
    const items = state.getListState(list);
    state.setCurrentKey('a');
    expect(items.get()).toEqual([]);
    items.add(1);
    items.add(2);
    expect(items.get()).toEqual([1, 2]);
    const replacement = [3];
    items.update(replacement);
    replacement.push(4);
    expect(items.get()).toEqual([3]);
    items.update([]);
    expect(items.get()).toEqual([]);
    items.add(5);
    items.clear();
    expect(items.get()).toEqual([]);
  });
});

describe('map state', () => {
  it('puts, removes and clears, and leaves nothing behind', () => {
    const state = newState();
    const entries = state.getMapState(map);
    state.setCurrentKey('a');
    expect(entries.isEmpty()).toBe(true);
    entries.put('x', 1);
    entries.put('y', 2);
    expect(entries.get('x')).toBe(1);
    expect(entries.has('z')).toBe(false);
    expect([...entries.entries()]).toEqual([
      ['x', 1],
      ['y', 2],
    ]);
    entries.remove('x');
    entries.remove('y');
    entries.remove('never there');
    expect(entries.isEmpty()).toBe(true);
    expect(stored(state).rows).toEqual([]);
    entries.put('x', 3);
    entries.clear();
    expect(entries.has('x')).toBe(false);
  });
});

describe('keyed state', () => {
  it('invariant 1: a handle works on the current key; keys see nothing of each other', () => {
    const operation = fc.record({
      key: fc.constantFrom('a', 'b', 1, 1n, '1'),
      value: fc.integer(),
      clear: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(operation), (operations) => {
        const state = newState();
        const value = state.getState(sum);
        const items = state.getListState(list);
        const oracle = new Map<unknown, number[]>();
        for (const { key, value: next, clear } of operations) {
          state.setCurrentKey(key);
          if (clear) {
            oracle.delete(key);
            value.clear();
            items.clear();
          } else {
            oracle.set(key, [...(oracle.get(key) ?? []), next]);
            value.update(next);
            items.add(next);
          }
          for (const other of ['a', 'b', 1, 1n, '1']) {
            state.setCurrentKey(other);
            expect(value.value()).toBe(oracle.get(other)?.at(-1));
            expect(items.get()).toEqual(oracle.get(other) ?? []);
          }
        }
      }),
    );
  });

  it('invariant 1: keys are the same by value, not by identity', () => {
    const state = newState();
    const value = state.getState(sum);
    state.setCurrentKey({ a: 1, b: 2 });
    value.update(5);
    state.setCurrentKey({ b: 2, a: 1 });
    expect(value.value()).toBe(5);
  });

  it('invariant 2: a checkpoint holds the keys that have changed since the last one', () => {
    const state = newState();
    const value = state.getState(sum);
    const set = (key: string, next: number) => {
      state.setCurrentKey(key);
      value.update(next);
    };
    set('a', 1);
    set('b', 2);
    expect(changesOf(state)).toEqual([
      ['a', undefined, ['sum', 1, 1]],
      ['b', undefined, ['sum', 1, 2]],
    ]);
    expect(changesOf(state)).toEqual([]);
    set('b', 3);
    set('came and went', 4);
    value.clear();
    state.setCurrentKey('a');
    value.clear();
    expect(changesOf(state)).toEqual([
      ['b', undefined, ['sum', 1, 3]],
      ['a', undefined, undefined],
    ]);
  });

  it('key table invariant 2: clearing one of several states of a key is a change', () => {
    const state = newState();
    state.setCurrentKey('a');
    state.getState(sum).update(1);
    state.getListState(list).add(2);
    stored(state);
    state.getState(sum).clear();
    state.getState(sum).clear();
    expect(changesOf(state)).toEqual([['a', undefined, ['list', 1, [2]]]]);
  });

  it('invariant 2: goes from parallelism 1 to 2 to 3 and back to 1 with nothing lost or doubled', () => {
    const keyed = fc.uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.tuple(fc.string(), fc.integer())), {
      selector: (key) => JSON.stringify(key),
    });
    fc.assert(
      fc.property(keyed, (keys) => {
        let states = [newState()];
        const subtaskOf = (key: unknown, parallelism: number) =>
          subtaskOfKeyGroup(keyGroupOf(key, MAX_PARALLELISM), parallelism, MAX_PARALLELISM);
        for (const [round, parallelism] of [1, 2, 3, 1].entries()) {
          const restored = states.map((state) => stored(state));
          states = Array.from({ length: parallelism }, (_, subtask) => {
            return newState({ restored, keyGroups: keyGroupRangeOf(subtask, parallelism, MAX_PARALLELISM) });
          });
          for (const [index, key] of keys.entries()) {
            const state = states[subtaskOf(key, parallelism)];
            if (state === undefined) throw new Error('no such subtask');
            state.setCurrentKey(key);
            const [value, items, entries] = [
              state.getState(sum),
              state.getListState(list),
              state.getMapState(map),
            ];
            expect(value.value()).toBe(round === 0 ? undefined : index * round);
            expect(items.get()).toEqual(Array.from({ length: round }, (__, i) => i));
            expect(entries.get(`r${round - 1}`)).toBe(round === 0 ? undefined : index);
            value.update(index * (round + 1));
            items.add(round);
            entries.put(`r${round}`, index);
          }
        }
        const count = states.flatMap((state) => contentsOf(stored(state), 'sum'));
        expect(count).toHaveLength(keys.length);
      }),
      { numRuns: 50 },
    );
  });

  it('invariant 3: one name has one kind', () => {
    const state = newState();
    state.getState(new ValueStateDescriptor<number>('x'));
    expect(() => state.getListState(new ListStateDescriptor<number>('x'))).toThrow(StreamConfigError);
  });

  it('invariant 3: also after a restore', () => {
    const state = newState();
    state.setCurrentKey('a');
    state.getState(new ValueStateDescriptor<number>('x')).update(1);
    const restored = newState({ restored: [stored(state)] });
    expect(() => restored.getMapState(new MapStateDescriptor<string, number>('x'))).toThrow(
      /'x' is value state, but is asked for as map state/,
    );
  });

  it('invariant 5: keeps state that the program no longer asks for, also of keys that change', () => {
    const state = newState();
    state.setCurrentKey('a');
    state.getState(sum).update(1);
    const restored = newState({ restored: [stored(state)] });
    expect(stored(restored)).toEqual(stored(state));
    restored.setCurrentKey('a');
    restored.getListState(list).add(2);
    const again = newState({ restored: [stored(restored)] });
    again.setCurrentKey('a');
    expect(again.getState(sum).value()).toBe(1);
    expect(again.getListState(list).get()).toEqual([2]);
  });
});

describe('keyed state of another version', () => {
  const old = new ValueStateDescriptor<number>('v');
  const next = new ValueStateDescriptor('v', {
    schema: StateSchema.initial<number>().migrate((n) => ({ n })),
  });
  const withKey = (key: string, restored: readonly StoredState[] = []) => {
    const state = newState({ restored });
    state.setCurrentKey(key);
    return state;
  };

  it('is migrated when it is asked for, and stored so', () => {
    const before = withKey('a');
    before.getState(old).update(1);
    const after = withKey('a', [stored(before)]);
    expect(after.getState(next).value()).toEqual({ n: 1 });
    const snapshot = stored(after);
    expect(snapshot.infos).toEqual([{ name: 'v', kind: 'value', hasTtl: false, version: 2 }]);
    expect(withKey('a', [snapshot]).getState(next).value()).toEqual({ n: 1 });
  });

  it('is known again where one subtask had migrated it and another one had not', () => {
    const before = ['a', 'b'].map((key, i) => {
      const state = withKey(key);
      state.getState(old).update(i);
      return stored(state);
    });
    const migrated = withKey('b', [before[1]!]);
    migrated.getState(next);
    const together = [before[0]!, stored(migrated)];
    for (const restored of [together, together.toReversed()]) {
      const state = newState({ restored });
      state.setCurrentKey('a');
      state.getListState(list).add(7); // is stored again, with what has not been asked for
      const again = newState({ restored: [stored(state)] });
      const value = again.getState(next);
      const values = ['a', 'b'].map((key) => {
        again.setCurrentKey(key);
        return value.value();
      });
      expect(values).toEqual([{ n: 0 }, { n: 1 }]);
    }
  });

  it('is migrated once, also where rows leave memory meanwhile', () => {
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const before = newState();
    for (const [i, key] of keys.entries()) {
      before.setCurrentKey(key);
      before.getState(old).update(i);
    }
    const migrated = newState({ restored: [stored(before)] });
    migrated.getState(next);
    const again = newState({ restored: [stored(migrated)] });
    for (const [n, key] of keys.entries()) {
      again.setCurrentKey(key);
      expect(again.getState(next).value()).toEqual({ n });
    }
  });
});
