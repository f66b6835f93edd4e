/** What a task did with the rows it read. */
export interface RowStats {
  readonly processed: number;
  readonly processedWithError: number;
  readonly thrownAway: number;
  readonly unparseable: number;
}

/** The row counts of a task's reports; `undefined` where there are none in a form we know. */
export function readRowStats(reports: Readonly<Record<string, unknown>> | undefined): RowStats | undefined {
  const payload = field(field(reports, 'ingestionStatsAndErrors'), 'payload');
  const rowStats = field(payload, 'rowStats');
  // Parallel tasks nest their totals one level deeper.
  const stats = field(rowStats, 'buildSegments') ?? field(field(rowStats, 'totals'), 'buildSegments');
  const processed = field(stats, 'processed');
  if (typeof processed !== 'number') return undefined;
  return {
    processed,
    processedWithError: count(stats, 'processedWithError'),
    thrownAway: count(stats, 'thrownAway'),
    unparseable: count(stats, 'unparseable'),
  };
}

/** What is wrong with `stats` for a file of `rows` rows, `rejected` of them left out, as a phrase; `undefined` where nothing is. */
export function rowStatsMismatch(stats: RowStats, rows: number, rejected = 0): string | undefined {
  const { processed, processedWithError, thrownAway, unparseable } = stats;
  const isWhole = processed + rejected === rows && unparseable === rejected;
  if (isWhole && processedWithError + thrownAway === 0) return undefined;
  return (
    `Druid processed ${processed} rows, ${processedWithError} with errors, threw ${thrownAway} away and could not ` +
    `parse ${unparseable}`
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function count(value: unknown, name: string): number {
  const found = field(value, name);
  return typeof found === 'number' ? found : 0;
}
