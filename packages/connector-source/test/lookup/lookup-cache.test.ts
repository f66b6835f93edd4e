import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LookupCache } from '../../src/lookup/lookup-cache.js';
import type { LookupEntry } from '../../src/lookup/lookup-entry.js';

const entryOf = (...rows: number[]): LookupEntry<number> => ({ rows, valid: undefined });

it('invariant 1: counts a key without rows as one, and keeps nothing that is larger than all of it', () => {
  const cache = new LookupCache<number>(3);
  cache.put('none', entryOf(), 10);
  cache.put('two', entryOf(1, 2), 10);
  expect(cache.rows).toBe(3);
  cache.put('four', entryOf(1, 2, 3, 4), 10);
  expect(cache.get('four', 0)).toBeUndefined();
  expect(cache.rows).toBe(3);
  expect(cache.evictions).toBe(0);
});

it('keeps nothing with room for no rows', () => {
  const cache = new LookupCache<number>(0);
  cache.put('none', entryOf(), 10);
  expect(cache.get('none', 0)).toBeUndefined();
  expect(cache.rows).toBe(0);
});

/** The same, as a list that is searched from end to end: most recently used last. */
class NaiveCache {
  list: { id: string; entry: LookupEntry<number>; expiresAt: number }[] = [];
  readonly #maxRows: number;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  get rows(): number {
    return this.list.reduce((sum, { entry }) => sum + Math.max(1, entry.rows.length), 0);
  }

  get(id: string, now: number): LookupEntry<number> | undefined {
    const found = this.list.find((kept) => kept.id === id);
    this.list = this.list.filter((kept) => kept.id !== id);
    if (found === undefined || found.expiresAt <= now) return undefined;
    this.list.push(found);
    return found.entry;
  }

  put(id: string, entry: LookupEntry<number>, expiresAt: number): void {
    this.list = this.list.filter((kept) => kept.id !== id);
    if (Math.max(1, entry.rows.length) > this.#maxRows) return;
    this.list.push({ id, entry, expiresAt });
    while (this.rows > this.#maxRows) this.list.shift();
  }
}

it('invariants 1, 2 and 3: does what a searched list does', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ do: fc.constant('get' as const), id: key }),
    fc.record({
      do: fc.constant('put' as const),
      id: key,
      size: fc.integer({ min: 0, max: 4 }),
      ttl: fc.integer({ min: 0, max: 5 }),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), fc.array(step, { maxLength: 60 }), (maxRows, steps) => {
      const cache = new LookupCache<number>(maxRows);
      const naive = new NaiveCache(maxRows);
      let now = 0;
      steps.forEach((each, i) => {
        if (each.do === 'wait') now += each.ms;
        else if (each.do === 'get') expect(cache.get(each.id, now)).toBe(naive.get(each.id, now));
        else {
          const entry = entryOf(...Array.from({ length: each.size }, () => i));
          cache.put(each.id, entry, now + each.ttl);
          naive.put(each.id, entry, now + each.ttl);
        }
        expect(cache.rows).toBe(naive.rows);
      });
    }),
    { numRuns: 300 },
  );
});
