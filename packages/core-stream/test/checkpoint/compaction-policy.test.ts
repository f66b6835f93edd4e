import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseMerge, FANOUT, SMALLEST_TIER_BYTES, tierOf } from '../../src/checkpoint/compaction-policy.js';

const KIB = 1024;

/** A segment as far as merging is concerned: its size, and in which order its rows came. */
interface Segment {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}

const sumOf = (all: readonly number[]) => all.reduce((total, one) => total + one, 0);

/** Adds segments one by one and merges whenever something is to be merged. `mergedBytes` is how large that becomes. */
function run(sizes: readonly number[], mergedBytes: (merged: readonly number[]) => number = sumOf) {
  const list: Segment[] = [];
  let rewritten = 0;
  let longest = 0;
  sizes.forEach((bytes, index) => {
    list.push({ bytes, from: index, to: index + 1 });
    for (let range = chooseMerge(list.map((one) => one.bytes)); range !== undefined;) {
      const merged = list.slice(range.start, range.end);
      expect(merged.length).toBeGreaterThan(1);
      const bytes = merged.map((one) => one.bytes);
      rewritten += sumOf(bytes);
      list.splice(range.start, merged.length, {
        bytes: mergedBytes(bytes),
        from: merged[0]!.from,
        to: merged.at(-1)!.to,
      });
      range = chooseMerge(list.map((one) => one.bytes));
    }
    longest = Math.max(longest, list.length);
  });
  return { list, rewritten, longest };
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 100 * KIB }),
  fc.integer({ min: 1, max: 10_000 * KIB }),
  fc.constantFrom(SMALLEST_TIER_BYTES - 1, SMALLEST_TIER_BYTES, SMALLEST_TIER_BYTES * FANOUT),
);
const sizes = fc.array(size, { maxLength: 300 });
/** What merging leaves: from all bytes to nearly none, where rows replace each other or are removed. */
const kept = fc
  .infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }))
  .map((parts) => (merged: readonly number[]) => Math.ceil(sumOf(merged) * (parts.next().value ?? 1)) || 1);

describe('compaction policy', () => {
  it('leaves few segments alone, and merges as many as make a larger one', () => {
    expect(chooseMerge([])).toBeUndefined();
    expect(chooseMerge([5, 5, 5])).toBeUndefined();
    expect(chooseMerge([5, 5, 5, 5])).toEqual({ start: 0, end: 4 });
    expect(chooseMerge([900 * KIB, 5, 5, 5])).toBeUndefined();
    expect(chooseMerge([900 * KIB, 5, 5, 5, 5])).toEqual({ start: 1, end: 5 });
  });

  it('takes small segments before a large one along with it', () => {
    expect(chooseMerge([5, 5, 900 * KIB])).toEqual({ start: 0, end: 3 });
    expect(chooseMerge([900 * KIB, 5, 900 * KIB])).toEqual({ start: 1, end: 3 });
  });

  it('keeps the list short: fewer than four segments per tier, large ones first', () => {
    fc.assert(
      fc.property(sizes, fc.option(kept, { nil: undefined }), (all, mergedBytes) => {
        const { list, longest } = run(all, mergedBytes);
        const tiers = list.map(({ bytes }) => tierOf(bytes));
        expect(tiers).toEqual([...tiers].sort((a, b) => b - a));
        const highest = tierOf(sumOf(all));
        expect(longest).toBeLessThanOrEqual((FANOUT - 1) * (highest + 1));
      }),
      { numRuns: 200 },
    );
  });

  it('rewrites a byte a few times per tier at most', () => {
    fc.assert(
      fc.property(sizes, fc.option(kept, { nil: undefined }), (all, mergedBytes) => {
        // Below the smallest tier sizes do not matter, the number of segments does.
        const charged = sumOf(all.map((one) => Math.max(one, SMALLEST_TIER_BYTES)));
        const { rewritten } = run(all, mergedBytes);
        expect(rewritten).toBeLessThanOrEqual(2 * (tierOf(sumOf(all)) + 1) * charged);
      }),
      { numRuns: 200 },
    );
  });

  it('rewrites little also where rows replace each other: a large segment and many small changes of it', () => {
    const changes = Array.from({ length: 400 }, () => 100 * KIB);
    const { rewritten, list } = run([10_000 * KIB, ...changes], (merged) => Math.max(...merged));
    expect(list.length).toBeLessThan(10);
    expect(rewritten).toBeLessThan(5 * (10_000 * KIB + 400 * 100 * KIB));
  });

  it('keeps the order of segments', () => {
    fc.assert(
      fc.property(sizes, (all) => {
        const { list } = run(all);
        expect(list.map(({ from }) => from)).toEqual(
          [0, ...list.slice(0, -1).map(({ to }) => to)].slice(0, list.length),
        );
        expect(list.at(-1)?.to ?? 0).toBe(all.length);
      }),
      { numRuns: 100 },
    );
  });
});
