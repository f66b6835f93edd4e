/**
 * Metrics that tell how far a read has come, as what is left: that needs no memory of earlier runs, apart from the totals,
 * which the enumerator's checkpoint holds.
 */
import type { MetricGroup } from '@millrace/core-stream';

/** What was found to read so far, by this run and those before it. Plain data. */
export interface FoundSplits {
  readonly splits: number;
  readonly rows: number;
}

/** What an enumerator knows; undefined where it does not. */
export interface Progress {
  readonly splitsTotal: number | undefined;
  readonly splitsPending: number | undefined;
  readonly rowsTotal?: number | undefined;
  readonly rowsPending?: number | undefined;
}

const descriptions: Readonly<Record<keyof Progress, string>> = {
  splitsTotal: 'Splits found so far, earlier runs of the job included.',
  splitsPending: 'Splits that no reader has yet.',
  rowsTotal: 'Rows of the splits found so far.',
  rowsPending: 'Rows of the splits that no reader has yet.',
};

/** Registers the gauges of an enumerator. */
export function registerProgress(metrics: MetricGroup, read: () => Progress): void {
  for (const [name, description] of Object.entries(descriptions)) {
    metrics.gauge(name, () => read()[name as keyof Progress], { description });
  }
}

/** Adds splits to what was found. */
export function foundMore(found: FoundSplits, rows: readonly number[]): FoundSplits {
  return { splits: found.splits + rows.length, rows: found.rows + sum(rows) };
}

export function sum(rows: readonly number[]): number {
  return rows.reduce((total, count) => total + count, 0);
}
