import { silentLogger } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { pinSegments } from '../../src/pin-segments.js';
import type { PublishedSegment } from '../../src/published-segment.js';
import { listPublishedSegments } from '../../src/segment-catalog.js';
import { listSegmentsToPin } from '../../src/segments-to-pin.js';

/** The published segments as Coordinator and Broker tell of them, and as SQL does. */
export async function bothListings(
  druid: DruidClient,
  dataSource: string,
): Promise<readonly [told: PublishedSegment[], listed: PublishedSegment[]]> {
  const { signal } = new AbortController();
  const info = (message: string, fields?: unknown): never => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`); // both would be SQL's
  };
  const told = await listSegmentsToPin(druid, dataSource, { logger: { ...silentLogger, info }, signal });
  return [told, await listPublishedSegments(druid, dataSource, signal)];
}

/** What there is to compare: all that is published, and of what queries read all that is known of it. */
export function comparable(segments: readonly PublishedSegment[]) {
  const byId = [...segments].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    all: byId.map(({ availability: _, ...known }) => known),
    // Where the others are the Broker does not tell, because nobody reads them.
    visible: byId.filter(({ isOvershadowed, isTombstone }) => !isOvershadowed && !isTombstone),
    splits: pinSegments(segments, { range: undefined, query: '' }),
  };
}
