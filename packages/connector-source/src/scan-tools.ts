import { sleep, type Clock, type Counter, type Logger, type MetricGroup } from '@millrace/core-stream';
import type {
  DruidClient,
  Int64Mode,
  RecordColumn,
  SegmentDescriptor,
  VirtualColumn,
} from '@millrace/druid-client';
import { backOffMs, type CompletenessPolicy, type SegmentAvailability } from './completeness.js';
import { contains, timeRangeOf, type DruidSplit, type TimeRange } from './druid-split.js';
import type { DataServers } from './data-servers.js';
import { and, not, type DruidFilter } from './filters.js';
import type { ReadPath } from './segment-route.js';

/** What every split of a source is read with. */
export interface ScanSettings {
  readonly dataSource: string;
  readonly columns: readonly string[];
  readonly virtualColumns: readonly VirtualColumn[];
  readonly filter: DruidFilter | undefined;
  readonly range: TimeRange | undefined;
  readonly int64: Int64Mode;
  readonly batchSize: number;
  readonly path: ReadPath;
  readonly format: 'json' | 'smile';
  readonly queryContext: Readonly<Record<string, unknown>>;
  readonly policy: CompletenessPolicy;
}

export interface ScanTools {
  /** The Broker, or the Router. */
  readonly druid: DruidClient;
  /** Undefined if only the Broker is read. */
  readonly dataServers: DataServers | undefined;
  /** What rows are made objects by; undefined if they are wanted as plain values. */
  readonly records: Readonly<Record<string, RecordColumn>> | undefined;
  readonly metrics: ScanMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What it takes to ask about a segment without reading it. */
export type QuestionTools = Pick<ScanTools, 'druid' | 'clock' | 'logger' | 'signal'>;

/** What a reader counts. */
export interface ScanMetrics {
  readonly bytesIn: Counter;
  /** Scans that data servers, and the Broker, were asked for; more than one a segment if a scan fails. */
  readonly directScans: Counter;
  readonly brokerScans: Counter;
  /** Scans that ended before the segment was complete. */
  readonly incompleteScans: Counter;
  readonly segmentsRead: Counter;
}

/** Registers them, once per reader. */
export function createScanMetrics(metrics: MetricGroup): ScanMetrics {
  const counter = (name: string, description: string) => metrics.counter(name, { description });
  return {
    bytesIn: counter('numBytesIn', 'Bytes of scan results read.'),
    directScans: counter('numDirectScans', 'Scans that data servers were asked for.'),
    brokerScans: counter('numBrokerScans', 'Scans that the Broker was asked for.'),
    incompleteScans: counter('numIncompleteScans', 'Scans that ended before the segment was complete.'),
    segmentsRead: counter('numSegmentsRead', 'Segments read completely.'),
  };
}

/** Which rows of the split are wanted, apart from the interval; undefined: all. */
export function filterOf({ replacedIn }: DruidSplit, { filter }: ScanSettings): DruidFilter | undefined {
  if (replacedIn === undefined) return filter;
  const notReplaced = not({ type: 'interval', dimension: '__time', intervals: replacedIn });
  return filter === undefined ? notReplaced : and(filter, notReplaced);
}

/** Whether the read yields only part of the segment's rows. */
export function isSelective(split: DruidSplit, settings: ScanSettings): boolean {
  const { range } = settings;
  return (
    filterOf(split, settings) !== undefined ||
    (range !== undefined && !contains(range, timeRangeOf(split.segment.interval)))
  );
}

/** The split's segment in Druid's notation, or the part of it in `interval`. */
export function descriptorOf({ segment }: DruidSplit, interval: string): SegmentDescriptor {
  return { itvl: interval, ver: segment.version, part: segment.partition };
}

/** Pauses between two attempts, and says so. */
export async function waitBeforeRetry(
  split: DruidSplit,
  attempt: number,
  availability: SegmentAvailability,
  tools: QuestionTools,
  cause: unknown,
): Promise<void> {
  const delayMs = backOffMs(attempt);
  tools.logger.warn('Druid segment not read completely yet, trying again', {
    segment: split.splitId,
    attempt,
    availability,
    delayMs,
    cause: cause instanceof Error ? cause.message : undefined,
  });
  await sleep(tools.clock, delayMs, tools.signal);
}
