/**
 * Quantiles of any number of values in bounded memory.
 *
 * Values are counted in buckets whose bounds grow by a constant factor, as in DDSketch (Masson, Rim and Lee, VLDB 2019), so
 * that a quantile is off by `RELATIVE_ERROR` of itself at most. Its own 60 lines rather than a package: the core installs
 * nothing, and the known packages bring rebinning and wire formats that are not needed here.
 *
 * Invariants
 * 1. Each bucket's middle is within `RELATIVE_ERROR` of every value in it, for magnitudes between `SMALLEST` and `LARGEST`.
 *    Smaller ones count as 0, larger ones as `LARGEST`.
 * 2. There are `MAX_BUCKETS` buckets at most.
 */

/** Of a quantile, against the value at its rank. */
export const RELATIVE_ERROR = 0.01;

const SMALLEST = 1e-9;
const LARGEST = 1e18;
const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const BUCKETS_PER_E = 1 / Math.log(GROWTH);

/** Of magnitudes; the buckets of negative values come first, then 0, then the positive ones. */
const FIRST = bucketOfMagnitude(SMALLEST);
const ZERO = 0;
export const MAX_BUCKETS = 2 * (bucketOfMagnitude(LARGEST) - FIRST + 1) + 1;

function bucketOfMagnitude(magnitude: number): number {
  return Math.ceil(Math.log(magnitude) * BUCKETS_PER_E);
}

/** Ordered as the values are. */
function bucketOf(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude < SMALLEST) return ZERO;
  const bucket = bucketOfMagnitude(Math.min(magnitude, LARGEST)) - FIRST + 1;
  return value > 0 ? bucket : -bucket;
}

function middleOf(bucket: number): number {
  if (bucket === ZERO) return 0;
  const upper = GROWTH ** (Math.abs(bucket) + FIRST - 1);
  return (Math.sign(bucket) * 2 * upper) / (1 + GROWTH);
}

export class QuantileSketch {
  /** Values per bucket. */
  readonly #buckets = new Map<number, number>();

  add(value: number): void {
    const bucket = bucketOf(value);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
  }

  /** Adds what `other` holds. */
  merge(other: QuantileSketch): void {
    for (const [bucket, count] of other.#buckets) {
      this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count);
    }
  }

  /** For each of `ranks`, 0 to 1, ascending, the value below which that share lies; `undefined` without values. */
  quantiles(ranks: readonly number[]): readonly (number | undefined)[] {
    const buckets = [...this.#buckets].sort(([a], [b]) => a - b);
    const count = buckets.reduce((sum, [, size]) => sum + size, 0);
    let index = 0;
    let passed = 0;
    return ranks.map((rank) => {
      const position = Math.floor(rank * (count - 1));
      while (index < buckets.length && passed + buckets[index]![1] <= position)
        passed += buckets[index++]![1];
      const bucket = buckets[index];
      return bucket === undefined ? undefined : middleOf(bucket[0]);
    });
  }
}
