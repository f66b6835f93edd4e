import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ListStateDescriptor, StreamConfigError } from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { HeapOperatorState, type OperatorStateSnapshot } from '../../src/state/operator-state.js';

const offsets = new ListStateDescriptor<number>('offsets');
const seen = new ListStateDescriptor<number>('seen');

function fresh(): HeapOperatorState {
  return new HeapOperatorState({ subtaskIndex: 0, parallelism: 1 }, []);
}

/** What a checkpoint of all subtasks holds. */
function stored(subtasks: readonly HeapOperatorState[]): readonly (readonly OperatorStateSnapshot[])[] {
  const snapshots = subtasks.map((subtask) => subtask.snapshot());
  return decodeState(encodeState(snapshots)) as readonly (readonly OperatorStateSnapshot[])[];
}

function restored(
  snapshots: readonly (readonly OperatorStateSnapshot[])[],
  parallelism: number,
): HeapOperatorState[] {
  return Array.from(
    { length: parallelism },
    (_, subtaskIndex) => new HeapOperatorState({ subtaskIndex, parallelism }, snapshots),
  );
}

describe('operator list state', () => {
  it('adds, replaces and clears', () => {
    const list = fresh().getOperatorListState(offsets);
    expect(list.get()).toEqual([]);
    list.add(1);
    list.addAll([2, 3]);
    expect(list.get()).toEqual([1, 2, 3]);
    const replacement = [4];
    list.update(replacement);
    replacement.push(5);
    expect(list.get()).toEqual([4]);
    list.clear();
    expect(list.get()).toEqual([]);
  });

  it('can be added to itself', () => {
    const list = fresh().getOperatorListState(offsets);
    list.addAll([1, 2]);
    list.addAll(list.get());
    expect(list.get()).toEqual([1, 2, 1, 2]);
  });

  it('is the same list for every handle of its name', () => {
    const state = fresh();
    state.getOperatorListState(offsets).add(1);
    expect(state.getOperatorListState(new ListStateDescriptor<number>('offsets')).get()).toEqual([1]);
  });

  it('invariant 1: every element is in one list, and every union list has all, at any parallelism', () => {
    const lists = fc.array(fc.array(fc.nat(99), { maxLength: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 5 }), fc.boolean(), (elements, parallelism, isAsked) => {
        const before = restored([], elements.length);
        for (const [index, own] of elements.entries()) {
          before[index]!.getOperatorListState(offsets).addAll(own);
          before[index]!.getUnionListState(seen).addAll(own);
        }
        // Once more through a checkpoint in which the program may not ask for the state at all (invariant 2).
        const between = restored(stored(before), parallelism);
        if (isAsked) for (const subtask of between) subtask.getOperatorListState(offsets);
        const after = restored(stored(between), parallelism);
        const split = after.map((subtask) => subtask.getOperatorListState(offsets).get());
        const union = after.map((subtask) => subtask.getUnionListState(seen).get());
        const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);
        expect(sorted(split.flat())).toEqual(sorted(elements.flat()));
        for (const all of union) expect(sorted(all)).toEqual(sorted(elements.flat()));
        if (parallelism === elements.length) expect(split).toEqual(elements);
        const sizes = split.map((list) => list.length);
        if (parallelism !== elements.length)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 200 },
    );
  });

  it('invariant 1: elements are dealt out in turn when the parallelism changes', () => {
    const [before] = restored([], 1);
    before!.getOperatorListState(offsets).addAll([0, 1, 2, 3, 4]);
    const after = restored(stored([before!]), 2);
    expect(after.map((subtask) => subtask.getOperatorListState(offsets).get())).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
  });

  it('invariant 3: one name has one kind, also after a restore', () => {
    const state = fresh();
    state.getOperatorListState(offsets);
    expect(() => state.getUnionListState(offsets)).toThrow(StreamConfigError);
    const [again] = restored(stored([state]), 1);
    expect(() => again!.getUnionListState(offsets)).toThrow(
      /'offsets' is split state, but is asked for as union state/,
    );
  });

  it('refuses a TTL', () => {
    const descriptor = new ListStateDescriptor<number>('offsets', { ttl: { ttlMs: 1 } });
    expect(() => fresh().getOperatorListState(descriptor)).toThrow(StreamConfigError);
  });
});
