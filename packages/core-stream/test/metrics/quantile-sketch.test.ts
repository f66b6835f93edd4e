import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_BUCKETS, QuantileSketch, RELATIVE_ERROR } from '../../src/metrics/quantile-sketch.js';

const RANKS = [0, 0.1, 0.5, 0.75, 0.95, 0.99, 1];

/** Magnitudes from 1e-9 to 1e18, of both signs, and 0. */
const value = fc.oneof(
  fc.constant(0),
  fc
    .tuple(fc.double({ min: -9, max: 18, noNaN: true }), fc.boolean())
    .map(([exponent, isNegative]) => (isNegative ? -1 : 1) * 10 ** exponent),
  fc.integer({ min: -1000, max: 1000 }),
);

function sketchOf(values: readonly number[]): QuantileSketch {
  const sketch = new QuantileSketch();
  for (const each of values) sketch.add(each);
  return sketch;
}

function expectNear(actual: number | undefined, exact: number): void {
  expect(Math.abs(actual! - exact)).toBeLessThanOrEqual(RELATIVE_ERROR * Math.abs(exact) * (1 + 1e-9));
}

describe('a quantile sketch', () => {
  it('gives quantiles that are off by 1 % of the value at their rank at most (invariant 1)', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), (values) => {
        const sorted = values.toSorted((a, b) => a - b);
        const quantiles = sketchOf(values).quantiles(RANKS);
        for (const [index, rank] of RANKS.entries()) {
          expectNear(quantiles[index], sorted[Math.floor(rank * (sorted.length - 1))]!);
        }
      }),
    );
  });

  it('is, merged with another one, the sketch of both', () => {
    fc.assert(
      fc.property(fc.array(value), fc.array(value), (left, right) => {
        const merged = sketchOf(left);
        merged.merge(sketchOf(right));
        expect(merged.quantiles(RANKS)).toEqual(sketchOf([...left, ...right]).quantiles(RANKS));
      }),
    );
  });

  it('has no quantiles without values', () => {
    expect(new QuantileSketch().quantiles([0, 1])).toEqual([undefined, undefined]);
  });

  it('takes magnitudes beyond its range as the nearest one in it (invariants 1 and 2)', () => {
    const sketch = sketchOf([-Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_VALUE]);
    const [low, middle, high] = sketch.quantiles([0, 0.5, 1]);
    expectNear(low, -1e18);
    expect(middle).toBe(0);
    expectNear(high, 1e18);
    expect(MAX_BUCKETS).toBeLessThan(7_000);
  });
});
