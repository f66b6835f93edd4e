/**
 * Which of an operator's segments are merged, so that they stay few and little is written for it.
 *
 * Segments have tiers by their size, each `FANOUT` times as large as the one below. Merging keeps two things: an older segment
 * is in the same tier as a newer one or in a higher one, and no tier has `FANOUT` segments. So there are at most
 * `(FANOUT - 1) * (tierOf(bytes) + 1)` segments, where `bytes` is all that ever came, and merging reads and writes each byte
 * that came at most `2 * (tierOf(bytes) + 1)` times: it takes bytes a tier up, or makes them fewer.
 */

/** Segments of one tier that become one of the next. */
export const FANOUT = 4;

/** Below this size, in bytes, all are alike: there a segment costs by its being one more. */
export const SMALLEST_TIER_BYTES = 1 << 16;

/** Adjacent segments, from `start` to before `end`. */
export interface MergeRange {
  readonly start: number;
  readonly end: number;
}

export function tierOf(bytes: number): number {
  return bytes < SMALLEST_TIER_BYTES
    ? 0
    : 1 + Math.floor(Math.log2(bytes / SMALLEST_TIER_BYTES) / Math.log2(FANOUT));
}

/** `sizes` in bytes, oldest first. `undefined` where all is well. */
export function chooseMerge(sizes: readonly number[]): MergeRange | undefined {
  const tiers = sizes.map(tierOf);
  for (let newest = tiers.length - 1; newest > 0; newest--) {
    const tier = tiers[newest]!;
    let start = newest;
    while (start > 0 && tiers[start - 1]! < tier) start--;
    if (start < newest) return { start, end: newest + 1 };
    while (start > 0 && tiers[start - 1] === tier) start--;
    if (newest + 1 - start >= FANOUT) return { start, end: newest + 1 };
  }
  return undefined;
}
