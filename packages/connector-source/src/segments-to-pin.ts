/**
 * Lists the published segments for a read that pins them once, by the shortest way there is: which ones there are is in the
 * Coordinator's memory, and where they are in the Broker's; either answers within milliseconds. `sys.segments` joins the
 * two, but takes the planning of a statement, and the Broker may fetch the segments of all datasources for it.
 *
 * Boundary: asks, and judges nothing. Row counts are for `segment-row-counts.ts`, what is read for `pin-segments.ts`.
 *
 * Invariant 1: which segments there are is what one of the two says, never a mixture.
 * Invariant 2: whatever keeps the Coordinator or the Broker from telling, SQL is asked instead. So it is if the Coordinator
 *   knows of no segment at all: it leaves out, without a word, what the user may not read.
 * Invariant 3: a segment that the Broker does not name counts as not loaded. If that is wrong, its split asks again before
 *   it is read. (It never names what is overshadowed, nor tombstones: they become no splits.)
 */
import type { Logger } from '@millrace/core-stream';
import type { DruidClient, PublishedSegmentInfo, SegmentCandidate } from '@millrace/druid-client';
import type { SegmentAvailability } from './completeness.js';
import { timeRangeOf } from './druid-split.js';
import { judgeAvailability, partitionOf, type PublishedSegment } from './published-segment.js';
import { listPublishedSegments } from './segment-catalog.js';

// A Coordinator that hangs must not hold up what SQL can tell.
const answerWithinMs = 10_000;

/** Every published segment of a datasource, overshadowed ones and tombstones included. */
export async function listSegmentsToPin(
  druid: DruidClient,
  dataSource: string,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<PublishedSegment[]> {
  // SQL is at hand, so that nothing is asked twice.
  const once = druid.withUrl(
    druid.servers.map(({ url }) => url),
    { retry: { maxAttempts: 1 } },
  );
  const options = { signal, timeoutMs: answerWithinMs };
  try {
    const [published, located] = await Promise.all([
      once.datasources.publishedSegments(dataSource, options),
      once.datasources.segmentServers(dataSource, options),
    ]);
    if (published.length > 0) return joinLocations(published, located); // invariant 1
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error ? error.message : String(error);
    logger.info('Druid segments are listed by SQL, as the Coordinator cannot be asked', {
      dataSource,
      cause,
    });
  }
  return listPublishedSegments(druid, dataSource, signal); // invariant 2
}

/** What is published, with where the Broker would read it. Pure. */
export function joinLocations(
  published: readonly PublishedSegmentInfo[],
  located: readonly SegmentCandidate[],
): PublishedSegment[] {
  const partsInside = indexParts(located);
  return published.map((segment) => {
    const { segmentId, interval, version, partitionNumber, size, isOvershadowed, isCompacted } = segment;
    const types = partsInside(segment).flatMap(({ locations }) => locations.map(({ type }) => type));
    return {
      id: segmentId,
      descriptor: { interval, version, partition: partitionNumber },
      rows: 0, // filled in by segment-row-counts.ts
      size,
      availability: availabilityAt(types), // invariant 3
      isOvershadowed,
      isCompacted,
      ...partitionOf(segment.shardSpec),
    };
  });
}

type Placed = Pick<SegmentCandidate, 'interval' | 'version' | 'partitionNumber'>;

/**
 * Finds what the Broker names of a segment: of one that is replaced in part, the parts that are left. One version may have a
 * segment for each hour of years.
 */
function indexParts(located: readonly SegmentCandidate[]): (segment: Placed) => SegmentCandidate[] {
  const keyOf = ({ version, partitionNumber }: Placed): string => `${partitionNumber} ${version}`;
  const startOf = ({ interval }: Placed): number => timeRangeOf(interval).startMs;
  const byKey = new Map<string, SegmentCandidate[]>();
  for (const part of [...located].sort((a, b) => (startOf(a) < startOf(b) ? -1 : 1))) {
    const parts = byKey.get(keyOf(part));
    if (parts === undefined) byKey.set(keyOf(part), [part]);
    else parts.push(part);
  }
  return (segment) => {
    const parts = byKey.get(keyOf(segment)) ?? [];
    const { startMs, endMs } = timeRangeOf(segment.interval);
    let [low, high] = [0, parts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (startOf(parts[middle] as SegmentCandidate) < startMs) low = middle + 1;
      else high = middle;
    }
    let end = low; // parts of one version and partition do not overlap
    while (end < parts.length && timeRangeOf((parts[end] as SegmentCandidate).interval).endMs <= endMs) end++;
    return parts.slice(low, end);
  };
}

/** As `sys.segments` has it: `is_realtime` is set while no Historical is among those that serve the segment. */
function availabilityAt(serverTypes: readonly string[]): SegmentAvailability {
  return judgeAvailability(true, serverTypes.length > 0, !serverTypes.includes('historical'));
}
