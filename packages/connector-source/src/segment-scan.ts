/**
 * Reads one split through Druid's native scan, until `completeness.ts` calls it complete; the invariants cited are its.
 * Boundary: knows HTTP only through the client; nothing of readers, rows or watermarks.
 */
import { judgeScan, type ScanEnd, type SegmentAvailability } from './completeness.js';
import { cutInterval, type DruidSplit } from './druid-split.js';
import { DruidSourceReadError } from './errors.js';
import { endOf, rethrowUnreadableValue, scanFailure } from './scan-failure.js';
import { descriptorOf, waitBeforeRetry, type ScanSettings, type ScanTools } from './scan-tools.js';
import { lookUpSegment } from './segment-catalog.js';

/**
 * The rows of the split from its position on, in batches, resuming after failures. Ends only when the split is complete
 * (invariant 4).
 *
 * @throws DruidSourceIncompleteError, DruidSourceSegmentGoneError, DruidSourceReadError
 */
export async function* scanSplit(
  split: DruidSplit,
  expectedRows: number,
  settings: ScanSettings,
  tools: ScanTools,
): AsyncGenerator<unknown[][], void, undefined> {
  let delivered = split.position;
  let fruitlessAttempts = 0;
  let waitingSinceMs: number | undefined;
  while (delivered !== expectedRows) {
    const before = delivered;
    let end: ScanEnd = 'clean';
    let cause: unknown;
    try {
      for await (const batch of openScan(split, delivered, settings, tools)) {
        requireColumns(batch.columns, settings.columns);
        delivered += batch.rows.length;
        if (delivered > expectedRows) break; // judged below, before any of these rows is handed on
        if (batch.rows.length > 0) yield batch.rows;
      }
    } catch (error) {
      tools.signal.throwIfAborted();
      rethrowUnreadableValue(error, split, delivered);
      cause = error;
      end = endOf(error);
    }
    fruitlessAttempts = delivered > before ? 1 : fruitlessAttempts + 1;
    if (delivered > before) waitingSinceMs = undefined;
    const availability =
      delivered < expectedRows && end !== 'refused'
        ? await askAvailability(split, settings, tools)
        : 'unknown';
    waitingSinceMs ??= tools.clock.now();
    const waitedMs = tools.clock.now() - waitingSinceMs;
    const verdict = judgeScan(
      { expectedRows, delivered, end, availability, fruitlessAttempts, waitedMs },
      settings.policy,
    );
    if (verdict.kind === 'complete') return;
    if (verdict.kind === 'fail')
      throw scanFailure(verdict.reason, split, { expected: expectedRows, delivered, cause });
    await waitBeforeRetry(split, fruitlessAttempts, availability, tools, cause);
  }
}

function openScan(split: DruidSplit, offset: number, settings: ScanSettings, tools: ScanTools) {
  const { dataSource, columns, filter, batchSize, int64, queryContext } = settings;
  return tools.druid.native.scan(
    {
      dataSource,
      segments: [descriptorOf(split, cutInterval(split.segment.interval, settings.range))],
      columns,
      batchSize,
      context: queryContext,
      ...(filter !== undefined && { filter }),
      ...(offset > 0 && { offset }), // invariant 5
    },
    { int64, signal: tools.signal },
  );
}

async function askAvailability(
  split: DruidSplit,
  { dataSource }: ScanSettings,
  { druid, signal }: ScanTools,
): Promise<SegmentAvailability> {
  try {
    return (await lookUpSegment(druid, dataSource, split.splitId, signal)).availability;
  } catch {
    signal.throwIfAborted();
    return 'unknown'; // the read itself is what fails; this question only explains it
  }
}

function requireColumns(found: readonly string[], asked: readonly string[]): void {
  if (found.length === asked.length && found.every((column, i) => column === asked[i])) return;
  throw new DruidSourceReadError(
    `Druid answers columns ${found.join(', ')} where ${asked.join(', ')} were asked for.`,
    {
      retryable: false,
    },
  );
}
