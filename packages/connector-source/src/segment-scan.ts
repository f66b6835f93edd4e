/**
 * Reads one split through Druid's native scan, until `completeness.ts` calls it complete; the invariants cited are its.
 * Boundary: knows HTTP only through the client, and where an attempt goes only through `segment-route.ts`; nothing of
 * readers, rows or watermarks.
 */
import type { RecordBatch, ScanBatch } from '@millrace/druid-client';
import { isAway, judgeScan, type ScanEnd, type SegmentAvailability } from './completeness.js';
import { cutInterval, type DruidSplit } from './druid-split.js';
import { DruidSourceReadError } from './errors.js';
import { endOf, rethrowUnreadableValue, scanFailure } from './scan-failure.js';
import { descriptorOf, filterOf, waitBeforeRetry, type ScanSettings, type ScanTools } from './scan-tools.js';
import { lookUpAvailability } from './segment-catalog.js';
import { SegmentRoute, type Hop } from './segment-route.js';

/** Rows of a segment: as objects that the decoder's `recordColumns` allow, or as plain values. */
export interface ScannedRows {
  readonly length: number;
  readonly batch: RecordBatch | ScanBatch;
}

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
): AsyncGenerator<ScannedRows, void, undefined> {
  const { druid: broker, dataServers, metrics, signal } = tools;
  const route = new SegmentRoute({ split, path: settings.path, broker, dataServers });
  let delivered = split.position;
  let attempts = 0;
  let fruitlessAttempts = 0;
  let waitingSinceMs: number | undefined;
  while (delivered !== expectedRows) {
    const before = delivered;
    let end: ScanEnd = 'clean';
    let cause: unknown;
    const hop = await route.next(signal);
    try {
      for await (const batch of openScan(hop, split, delivered, settings, tools)) {
        requireColumns(batch.columns, settings.columns);
        const { length } = 'records' in batch ? batch.records : batch.rows;
        delivered += length;
        if (delivered > expectedRows) break; // judged below, before any of these rows is handed on
        if (length > 0) yield { length, batch };
      }
    } catch (error) {
      signal.throwIfAborted();
      rethrowUnreadableValue(error, split, delivered);
      cause = error;
      end = endOf(error);
      // What a data server refuses the Broker may allow; its word is final.
      if (end === 'refused' && hop.url !== undefined && settings.path === 'auto') end = 'broken';
    }
    (hop.url === undefined ? metrics.brokerScans : metrics.directScans).inc();
    if (delivered < expectedRows) metrics.incompleteScans.inc();
    // A clean end without the rows that are left: the server does not have the segment, as it also says in the response's
    // `missingSegments`. The rows are what counts.
    const outcome = delivered > before ? 'delivered' : cause === undefined ? 'missing' : 'failed';
    route.report(hop, outcome, cause);
    // That is an answer, not a failure: somebody else is asked at once. The last to be asked is the Broker.
    if (hop.url !== undefined && outcome === 'missing') continue;
    if (delivered > before) {
      attempts = fruitlessAttempts = 0;
      waitingSinceMs = undefined;
    }
    const availability =
      delivered < expectedRows && end !== 'refused'
        ? await askAvailability(split, settings, tools)
        : 'unknown';
    attempts++;
    if (!isAway({ end, availability })) fruitlessAttempts++;
    waitingSinceMs ??= tools.clock.now();
    const waitedMs = tools.clock.now() - waitingSinceMs;
    const verdict = judgeScan(
      { expectedRows, delivered, end, availability, fruitlessAttempts, waitedMs },
      settings.policy,
    );
    if (verdict.kind === 'complete') return;
    if (verdict.kind === 'fail')
      throw scanFailure(verdict.reason, split, { expected: expectedRows, delivered, cause });
    await waitBeforeRetry(split, attempts, availability, tools, cause);
  }
}

function openScan(hop: Hop, split: DruidSplit, offset: number, settings: ScanSettings, tools: ScanTools) {
  const { dataSource, columns, virtualColumns, batchSize, int64, format, queryContext } = settings;
  const filter = filterOf(split, settings);
  const { native } = hop.druid;
  const { records } = tools;
  const query = {
    dataSource,
    segments: [descriptorOf(split, cutInterval(split.segment.interval, settings.range))],
    columns,
    batchSize,
    context: queryContext,
    ...(virtualColumns.length > 0 && { virtualColumns }),
    ...(filter !== undefined && { filter }),
    ...(split.isCut === true && { limit: (split.expectedRows as number) - offset }),
    ...(offset > 0 && { offset }), // invariant 5
  };
  const options = {
    int64,
    format,
    signal: tools.signal,
    onTransfer: ({ bytes }: { readonly bytes: number }) => tools.metrics.bytesIn.inc(bytes),
  };
  return records === undefined
    ? native.scan(query, options)
    : native.scanRecords(query, { ...options, records });
}

async function askAvailability(
  split: DruidSplit,
  { dataSource }: ScanSettings,
  { druid, signal }: ScanTools,
): Promise<SegmentAvailability> {
  try {
    return await lookUpAvailability(druid, dataSource, split.splitId, signal);
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
