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

/** Adds segments one by one and merges whenever something is to be merged. `keeps` is the part of the bytes that a merge keeps. */
function run(sizes: readonly number[], keeps = 1) {
  const list: Segment[] = [];
  let rewritten = 0;
  let longest = 0;
  sizes.forEach((bytes, index) => {
    list.push({ bytes, from: index, to: index + 1 });
    for (let range = chooseMerge(list.map((one) => one.bytes)); range !== undefined;) {
      const merged = list.slice(range.start, range.end);
      expect(merged.length).toBeGreaterThan(1);
      const sum = merged.reduce((total, one) => total + one.bytes, 0);
      rewritten += sum;
      const largest = Math.max(...merged.map((one) => one.bytes));
      list.splice(range.start, merged.length, {
        bytes: Math.max(largest, Math.ceil(sum * keeps)),
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
      fc.property(sizes, (all) => {
        const { list, longest } = run(all);
        const tiers = list.map(({ bytes }) => tierOf(bytes));
        expect(tiers).toEqual([...tiers].sort((a, b) => b - a));
        const highest = tierOf(all.reduce((sum, one) => sum + one, 0));
        expect(longest).toBeLessThanOrEqual((FANOUT - 1) * (highest + 1));
      }),
      { numRuns: 200 },
    );
  });

  it('rewrites a byte a few times per tier at most', () => {
    fc.assert(
      fc.property(sizes, (all) => {
        const total = all.reduce((sum, one) => sum + one, 0);
        // Below the smallest tier sizes do not matter, the number of segments does.
        const charged = all.reduce((sum, one) => sum + Math.max(one, SMALLEST_TIER_BYTES), 0);
        expect(run(all).rewritten).toBeLessThanOrEqual(2 * (tierOf(total) + 1) * charged);
      }),
      { numRuns: 200 },
    );
  });

  it('rewrites little also where rows replace each other: a large segment and many small changes of it', () => {
    const changes = Array.from({ length: 400 }, () => 100 * KIB);
    const { rewritten, list } = run([10_000 * KIB, ...changes], 0);
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
