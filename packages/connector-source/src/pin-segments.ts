import {
  compareDescriptors,
  overlaps,
  splitsByTime,
  timeRangeOf,
  type DruidSplit,
  type SegmentDescriptor,
  type TimeRange,
} from './druid-split.js';
import type { PublishedSegment } from './published-segment.js';
import { isWhole, replaceUnits } from './segment-replacement.js';

/** What makes splits out of segments: the interval to read and the fingerprint of the read. */
export interface SplitScope {
  readonly range: TimeRange | undefined;
  readonly query: string;
}

/** The splits of a bounded read: every visible segment that the interval touches, in order of time. Pure. */
export function pinSegments(listing: readonly PublishedSegment[], scope: SplitScope): DruidSplit[] {
  const visible = listing.filter((segment) => !segment.isOvershadowed && isInScope(segment, scope));
  const replacedIn = findReplaced(listing);
  return splitsByTime(visible.map((segment) => splitOf(segment, scope, replacedIn(segment))));
}

/** Whether it may hold rows in the interval to read. */
export function isInScope(segment: PublishedSegment, scope: SplitScope): boolean {
  if (segment.isTombstone) return false;
  return scope.range === undefined || overlaps(scope.range, timeRangeOf(segment.descriptor.interval));
}

/** A split at its beginning. The row count of a segment that no Historical serves yet is not final, so it stays unknown. */
export function splitOf(
  segment: PublishedSegment,
  scope: SplitScope,
  replacedIn: readonly string[] | undefined,
): DruidSplit {
  return {
    splitId: segment.id,
    segment: segment.descriptor,
    pinnedRows: segment.availability === 'available' ? segment.rows : 0,
    expectedRows: null,
    position: 0,
    query: scope.query,
    ...(replacedIn !== undefined && { replacedIn }),
  };
}

/**
 * Tells of a visible segment where newer ones have replaced it, if they have: a day of a month that was written anew, for
 * example. To Druid it is not overshadowed then, and a query pinned to it finds the replaced rows as well.
 */
export function findReplaced(
  listing: readonly PublishedSegment[],
): (segment: PublishedSegment) => readonly string[] | undefined {
  const visible = listing.filter((segment) => !segment.isOvershadowed);
  const chunks = new Map(visible.map(({ descriptor }) => [chunkOf(descriptor), descriptor]));
  // Until a version is whole, Druid shows the one before.
  const partial = new Set(
    replaceUnits(visible).flatMap((unit) => (isWhole([unit]) ? [] : unit.map(chunkOfSegment))),
  );
  const replacedIn = new Map<string, string[]>();
  let open: SegmentDescriptor[] = []; // those that may overlap with what follows
  for (const next of [...chunks.values()].sort(compareDescriptors)) {
    const { startMs } = timeRangeOf(next.interval);
    open = open.filter(({ interval }) => timeRangeOf(interval).endMs > startMs);
    for (const other of open) {
      const [old, newer] = other.version < next.version ? [other, next] : [next, other];
      if (partial.has(chunkOf(newer))) continue;
      const found = replacedIn.get(chunkOf(old)) ?? [];
      found.push(newer.interval);
      replacedIn.set(chunkOf(old), found);
    }
    open.push(next);
  }
  return (segment) => replacedIn.get(chunkOfSegment(segment));
}

const chunkOf = ({ interval, version }: SegmentDescriptor): string => `${interval} ${version}`;
const chunkOfSegment = ({ descriptor }: PublishedSegment): string => chunkOf(descriptor);
