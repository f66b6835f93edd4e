import { overlaps, splitsByTime, timeRangeOf, type DruidSplit, type TimeRange } from './druid-split.js';
import type { PublishedSegment } from './published-segment.js';

/** What makes splits out of segments: the interval to read and the fingerprint of the read. */
export interface SplitScope {
  readonly range: TimeRange | undefined;
  readonly query: string;
}

/** The splits of a bounded read: every visible segment that the interval touches, in order of time. Pure. */
export function pinSegments(listing: readonly PublishedSegment[], scope: SplitScope): DruidSplit[] {
  const visible = listing.filter((segment) => !segment.isOvershadowed && isInScope(segment, scope));
  return splitsByTime(visible.map((segment) => splitOf(segment, scope)));
}

/** Whether the interval to read touches the segment. */
export function isInScope(segment: PublishedSegment, scope: SplitScope): boolean {
  return scope.range === undefined || overlaps(scope.range, timeRangeOf(segment.descriptor.interval));
}

/** A split at its beginning. The row count of a segment that no Historical serves yet is not final, so it stays unknown. */
export function splitOf(segment: PublishedSegment, scope: SplitScope): DruidSplit {
  return {
    splitId: segment.id,
    segment: segment.descriptor,
    pinnedRows: segment.availability === 'available' ? segment.rows : 0,
    expectedRows: null,
    position: 0,
    query: scope.query,
  };
}
