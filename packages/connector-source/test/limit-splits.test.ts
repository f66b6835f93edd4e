import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DruidSplit } from '../src/druid-split.js';
import { limitSplits } from '../src/limit-splits.js';

function splitOf(partition: number): DruidSplit {
  return {
    splitId: `segment ${partition}`,
    segment: { interval: '2024-01-01/2024-01-02', version: 'v', partition },
    pinnedRows: 0,
    expectedRows: null,
    position: 0,
    query: 'q',
  };
}

/** The rows that the splits stand for, as split and number. */
const rowsOf = (splits: readonly DruidSplit[]): string[] =>
  splits.flatMap(({ splitId, expectedRows }) =>
    Array.from({ length: expectedRows ?? NaN }, (_, i) => `${splitId} row ${i}`),
  );

it('takes the first rows of all, in the order of the splits, and knows which split has more', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 5 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 60 }),
      async (counts, limit) => {
        const splits = counts.map((_, i) => splitOf(i));
        const taken = await limitSplits(splits, limit, (split) =>
          Promise.resolve(counts[split.segment.partition] as number),
        );
        const all = rowsOf(counts.map((expectedRows, i) => ({ ...splitOf(i), expectedRows })));
        expect(rowsOf(taken)).toEqual(all.slice(0, limit));
        expect(taken.filter(({ isCut }) => isCut === true).map(({ splitId }) => splitId)).toEqual(
          taken
            .filter(({ segment, expectedRows }) => expectedRows !== counts[segment.partition])
            .map(({ splitId }) => splitId),
        );
      },
    ),
  );
});

it('counts no more segments than it needs to, give or take a few', async () => {
  const counted: number[] = [];
  const splits = Array.from({ length: 1000 }, (_, i) => splitOf(i));
  await limitSplits(splits, 20, ({ segment }) => Promise.resolve(counted.push(segment.partition) && 10));
  expect(counted.length).toBeLessThanOrEqual(8);
});
