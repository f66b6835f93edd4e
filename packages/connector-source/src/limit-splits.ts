import type { DruidSplit } from './druid-split.js';

// Counting takes Druid some milliseconds a segment; more at once than it has threads for would gain nothing.
const countedAtOnce = 8;

/**
 * The splits of a read of the first `limit` rows: in the order given, each with the number of rows to take of it. Which
 * rows these are depends on nothing but the segments, so they are the same at any parallelism and after any restart.
 *
 * @param countRows the rows that reading a split yields, proven
 */
export async function limitSplits(
  splits: readonly DruidSplit[],
  limit: number,
  countRows: (split: DruidSplit) => Promise<number>,
): Promise<DruidSplit[]> {
  const taken: DruidSplit[] = [];
  let left = limit;
  for (let at = 0; left > 0 && at < splits.length; at += countedAtOnce) {
    const group = splits.slice(at, at + countedAtOnce);
    const counts = await Promise.all(group.map(countRows));
    for (const [i, split] of group.entries()) {
      const rows = counts[i] as number;
      const expectedRows = Math.min(rows, left);
      if (expectedRows === 0) continue;
      taken.push({ ...split, expectedRows, ...(expectedRows < rows && { isCut: true }) });
      left -= expectedRows;
    }
  }
  return taken;
}
