import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CacheBudget } from '../../src/state/cache-budget.js';
import { keyIdentity } from '../../src/state/canonical-encoding.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { DiskRows } from '../../src/state/disk-rows.js';
import { DiskStore, type DiskWriter } from '../../src/state/disk-store.js';
import type { KeyedRowFormat } from '../../src/state/keyed-rows.js';
import { decodeRowId, Row } from '../../src/state/rows.js';
import { temporaryDirectory } from '../support/disk-store.js';

const MAX_PARALLELISM = 16;

class Tally extends Row {
  readonly key: unknown;
  /** `undefined` when it is gone. */
  counts: number[] | undefined;

  constructor(key: unknown, counts: number[]) {
    super();
    this.key = key;
    this.counts = counts;
  }
}

const format: KeyedRowFormat<Tally> = {
  table: 'tallies',
  isGone: ({ counts }) => counts === undefined,
  dataOf: ({ counts }) => counts,
  rowOf: ({ key, data }) => new Tally(key, data as number[]),
};

/** Rows of which next to nothing is cached. */
class Tallies {
  readonly store: DiskStore;
  readonly budget: CacheBudget;
  #writer!: DiskWriter;
  rows!: DiskRows<Tally>;

  constructor(maxBytes: number) {
    this.store = new DiskStore(temporaryDirectory());
    this.budget = new CacheBudget(maxBytes);
    this.open(0);
  }

  open(checkpointId: number): void {
    this.budget.caches.clear();
    this.budget.usedBytes = 0;
    this.#writer = this.store.writer(checkpointId);
    this.rows = new DiskRows(format, {
      store: this.store,
      table: this.store.table('uid', format.table),
      writer: this.#writer,
      keyGroups: { start: 0, end: MAX_PARALLELISM },
      maxParallelism: MAX_PARALLELISM,
      budget: this.budget,
    });
  }

  get(key: unknown): Tally | undefined {
    return this.rows.get(keyIdentity(key), key);
  }

  add(key: unknown, counts: number[]): Tally {
    const row = new Tally(key, counts);
    this.rows.add(keyIdentity(key), row);
    return row;
  }

  /** What has changed since the last checkpoint. */
  checkpoint(checkpointId: number): Map<unknown, unknown> {
    this.rows.flushAll();
    const parts = [...this.store.changes(this.#writer, checkpointId)].flat();
    return new Map(parts.map(({ id, data }) => [decodeRowId(id).key, data && decodeState(data)]));
  }
}

const key = fc.oneof(fc.nat(7), fc.constantFrom('a', 'b', 'x'.repeat(2500)));
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('count' as const), key, by: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('read' as const), key, by: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), key, by: fc.constant(0) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('all' as const, 'checkpoint' as const, 'restart' as const),
      key,
      by: fc.constant(0),
    }),
  },
);

describe('rows on disk', () => {
  it('invariants 1, 3: are as a map would have them, whatever fits into the cache', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 80 }),
        fc.constantFrom(1, 900, 1 << 20),
        async (operations, maxBytes) => {
          const tallies = new Tallies(maxBytes);
          let expected = new Map<unknown, number[]>();
          let copy = new Map<unknown, number[]>();
          const copyOf = (rows: typeof expected) =>
            new Map([...rows].map(([of, counts]) => [of, [...counts]]));
          let checkpointId = 0;
          for (const { type, key: of, by } of operations) {
            switch (type) {
              case 'count': {
                const counts = expected.get(of);
                const row = tallies.get(of);
                if (counts === undefined || row === undefined) {
                  tallies.add(of, [by]);
                  expected.set(of, [by]);
                } else {
                  // First reported, then changed in place, with others looked at in between: as a user's handle may do.
                  tallies.rows.changed(row);
                  for (const other of tallies.rows.values()) if (other !== row) break;
                  row.counts!.push(by);
                  counts.push(by);
                }
                break;
              }
              case 'read':
                expect(tallies.get(of)?.counts).toEqual(expected.get(of));
                break;
              case 'remove': {
                const row = tallies.get(of);
                expect(row === undefined).toBe(!expected.delete(of));
                if (row === undefined) break;
                row.counts = undefined;
                tallies.rows.remove(keyIdentity(of), row);
                break;
              }
              case 'all': {
                const all = [...tallies.rows.values()].map((row) => [row.key, [...row.counts!]] as const);
                expect(all).toHaveLength(expected.size);
                expect(new Map(all)).toEqual(expected);
                break;
              }
              case 'checkpoint': {
                const replayed = copyOf(copy);
                for (const [changed, data] of tallies.checkpoint(++checkpointId)) {
                  if (data === undefined) replayed.delete(changed);
                  else replayed.set(changed, data as number[]);
                }
                expect(replayed).toEqual(expected);
                copy = copyOf(expected);
                break;
              }
              case 'restart':
                tallies.store.rollBackTo(checkpointId);
                tallies.open(checkpointId);
                expected = copyOf(copy);
                break;
            }
            expect(tallies.rows.size).toBe(expected.size);
          }
          await tallies.store.close();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('invariant 2: a change of a row that was evicted is not a change of the one that is there', async () => {
    const tallies = new Tallies(1);
    const dead = tallies.add('a', [1]);
    tallies.add('b', [2]);
    tallies.add('c', [3]);
    tallies.get('a')!.counts!.push(10);
    tallies.rows.changed(tallies.get('a')!);
    expect(tallies.get('a')).not.toBe(dead);
    dead.counts = undefined;
    tallies.rows.changed(dead);
    tallies.rows.remove(keyIdentity('a'), dead);
    tallies.get('b');
    expect(tallies.get('a')?.counts).toEqual([1, 10]);
    expect(tallies.rows.size).toBe(3);
    await tallies.store.close();
  });

  it('invariant 3: rows that were looked at, and are as before, are not written', async () => {
    const tallies = new Tallies(1 << 20);
    tallies.add('a', [1]);
    tallies.add('b', [2]);
    tallies.checkpoint(1);
    tallies.rows.changed(tallies.get('a')!); // handed out, not changed
    const b = tallies.get('b')!;
    tallies.rows.changed(b);
    b.counts!.push(3);
    expect(tallies.checkpoint(2)).toEqual(new Map([['b', [2, 3]]]));
    await tallies.store.close();
  });

  it('invariant 4: the cache stays within its budget, which all caches share', async () => {
    const tallies = new Tallies(100_000);
    for (let n = 0; n < 5000; n++) {
      tallies.add(n, [n]);
      expect(tallies.budget.usedBytes).toBeLessThanOrEqual(100_000);
    }
    expect(tallies.rows.size).toBe(5000);
    for (let n = 0; n < 5000; n += 7) expect(tallies.get(n)?.counts).toEqual([n]);
    await tallies.store.close();
  });
});
