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
 *   it is read.
 */
import type { Logger } from '@millrace/core-stream';
import type { DruidClient, PublishedSegmentInfo, SegmentCandidate } from '@millrace/druid-client';
import type { SegmentAvailability } from './completeness.js';
import { contains, timeRangeOf } from './druid-split.js';
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
  const partsOf = new Map<string, SegmentCandidate[]>();
  for (const part of located) {
    const key = partitionKey(part);
    const parts = partsOf.get(key);
    if (parts === undefined) partsOf.set(key, [part]);
    else parts.push(part);
  }
  return published.map((segment) => {
    const { segmentId, interval, version, partitionNumber, size, isOvershadowed, isCompacted } = segment;
    const range = timeRangeOf(interval);
    // Of a segment that is replaced in part the Broker names the parts that are left.
    const types = (partsOf.get(partitionKey(segment)) ?? [])
      .filter((part) => contains(range, timeRangeOf(part.interval)))
      .flatMap(({ locations }) => locations.map(({ type }) => type));
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

const partitionKey = (segment: { readonly version: string; readonly partitionNumber: number }): string =>
  `${segment.partitionNumber} ${segment.version}`;

/** As `sys.segments` has it: `is_realtime` is set while no Historical is among those that serve the segment. */
function availabilityAt(serverTypes: readonly string[]): SegmentAvailability {
  return judgeAvailability(true, serverTypes.length > 0, !serverTypes.includes('historical'));
}
