/**
 * Which of an operator's segments are merged, so that they stay few and little is written for it.
 *
 * Segments have tiers by their size, each `FANOUT` times as large as the one below. Merging keeps two things: an older segment
 * is in the same tier as a newer one or in a higher one, and no tier has `FANOUT` segments. So their number grows with the
 * logarithm of their size, and a byte is rewritten about twice per tier at most, because merging takes it a tier up.
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
  return bytes < SMALLEST_TIER_BYTES ? 0 : 1 + Math.floor(Math.log2(bytes / SMALLEST_TIER_BYTES) / Math.log2(FANOUT));
}

/** `sizes` in bytes, oldest first. `undefined` where all is well. */
export function chooseMerge(sizes: readonly number[]): MergeRange | undefined {
  const tiers = sizes.map(tierOf);
  let start = tiers.length; // of the newest segments that are of one tier
  for (let i = tiers.length - 1; i >= 0; i--) {
    const newer = tiers[i + 1];
    if (newer !== undefined && tiers[i]! < newer) {
      let first = i;
      while (first > 0 && tiers[first - 1]! < newer) first--;
      return { start: first, end: i + 2 };
    }
    if (tiers[i] !== newer) start = i + 1;
    if (start - i >= FANOUT) return wholeTier(tiers, i, start);
  }
  return undefined;
}

function wholeTier(tiers: readonly number[], from: number, end: number): MergeRange {
  let start = from;
  while (start > 0 && tiers[start - 1] === tiers[from]) start--;
  return { start, end };
}
