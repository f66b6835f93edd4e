import type { SourceSplit } from '@millrace/core-stream';
import { DruidSourceConfigError } from './errors.js';

/** A half-open stretch of time in epoch milliseconds. */
export interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

/** What identifies a segment inside its datasource: it never changes once published. */
export interface SegmentDescriptor {
  /** `start/end` as Druid writes it. */
  readonly interval: string;
  readonly version: string;
  readonly partition: number;
}

/**
 * One segment to read, and how far it has been read. Plain data: this is what a checkpoint stores.
 *
 * `splitId` is the segment's id.
 */
export interface DruidSplit extends SourceSplit {
  readonly segment: SegmentDescriptor;
  /** Rows of the whole segment according to Druid when it was pinned; 0 where Druid did not know yet. */
  readonly pinnedRows: number;
  /** Rows that the read (with filter and interval) yields; null until that is proven. */
  readonly expectedRows: number | null;
  /** Whether the segment has more such rows, which a limit leaves out. */
  readonly isCut?: boolean;
  /** Stretches whose rows newer segments have replaced, in Druid's notation: they are not read. */
  readonly replacedIn?: readonly string[];
  /** Rows taken from the segment so far, in the segment's own order: reading goes on with this one. */
  readonly position: number;
  /** Fingerprint of filter and interval: a position means nothing under others. */
  readonly query: string;
}

// Segments are compared with one another, and many have the same interval.
const knownRanges = new Map<string, TimeRange>();
const maxKnownRanges = 100_000;

/** Epoch milliseconds of both ends. Druid's eternity, which JavaScript cannot parse, becomes infinite. */
export function timeRangeOf(interval: string): TimeRange {
  let range = knownRanges.get(interval);
  if (range === undefined) {
    const [start = '', end = ''] = interval.split('/');
    range = { startMs: parseOr(start, -Infinity), endMs: parseOr(end, Infinity) };
    if (knownRanges.size === maxKnownRanges) knownRanges.clear();
    knownRanges.set(interval, range);
  }
  return range;
}

function parseOr(text: string, otherwise: number): number {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? otherwise : ms;
}

/** Rows that are still to be read, as far as is known: before the split is proven, those of the whole segment. */
export function rowsLeft({ expectedRows, pinnedRows }: DruidSplit, position: number): number {
  return Math.max(0, (expectedRows ?? pinnedRows) - position);
}

/** Earlier intervals first; ties by version and partition. Splits are handed out and read in this order. */
export function splitsByTime(splits: readonly DruidSplit[]): DruidSplit[] {
  return [...splits].sort((a, b) => compareDescriptors(a.segment, b.segment));
}

/** See {@link splitsByTime}. */
export function compareDescriptors(a: SegmentDescriptor, b: SegmentDescriptor): number {
  const [startA, startB] = [timeRangeOf(a.interval).startMs, timeRangeOf(b.interval).startMs];
  if (startA !== startB) return startA < startB ? -1 : 1;
  if (a.version !== b.version) return a.version < b.version ? -1 : 1;
  return a.partition - b.partition;
}

/** Whether the two stretches share a moment. */
export function overlaps(a: TimeRange, b: TimeRange): boolean {
  return a.startMs < b.endMs && b.startMs < a.endMs;
}

/** Whether `outer` holds all of `inner`. */
export function contains(outer: TimeRange, inner: TimeRange): boolean {
  return outer.startMs <= inner.startMs && inner.endMs <= outer.endMs;
}

/** The part of a segment's interval inside `range`, in Druid's notation; the interval itself if all of it is inside. */
export function cutInterval(interval: string, range: TimeRange | undefined): string {
  const own = timeRangeOf(interval);
  if (range === undefined || contains(range, own)) return interval;
  return formatRange({
    startMs: Math.max(own.startMs, range.startMs),
    endMs: Math.min(own.endMs, range.endMs),
  });
}

/** `start/end` in ISO 8601. */
export function formatRange(range: TimeRange): string {
  return `${new Date(range.startMs).toISOString()}/${new Date(range.endMs).toISOString()}`;
}

/** A position means nothing under another filter or interval. @throws DruidSourceConfigError */
export function requireSameQuery(stored: string, current: string): void {
  if (stored === current) return;
  throw new DruidSourceConfigError(
    `The checkpoint belongs to another read: 'dataSource', 'interval', 'filter', 'virtualColumns' or 'limit' of the ` +
      `source has changed (fingerprint ${stored}, now ${current}). Restore with the old options, or start without the checkpoint.`,
    { details: { stored, current } },
  );
}
