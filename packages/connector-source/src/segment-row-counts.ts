/**
 * The row counts of published segments, from the servers that hold them.
 *
 * Why `sys.segments.num_rows` is not enough: the Broker asks for it once per `metadataRefreshPeriod` (a minute, unless
 * configured) while a streaming task is still writing the segment, and never again once a Historical has it. So it may say
 * less than there is, or more where rows were merged when the segment was finished, for as long as the Broker runs.
 *
 * Invariant 1: a count is asked for only while a Historical serves the segment; it is final then, and asked for once.
 * Invariant 2: a segment that is missing from the answer has an unknown number of rows (0).
 */
import type { DruidClient } from '@millrace/druid-client';
import type { PublishedSegment } from './published-segment.js';

// Druid's own Broker asks for 15,000 at a time.
const segmentsPerQuery = 5000;

export class SegmentRowCounts {
  private readonly druid: DruidClient;
  private readonly dataSource: string;
  private known = new Map<string, number>();

  constructor(druid: DruidClient, dataSource: string) {
    this.druid = druid;
    this.dataSource = dataSource;
  }

  /** The listing with the rows of those segments that matter; 0 for all others. */
  async count(
    listing: readonly PublishedSegment[],
    matters: (segment: PublishedSegment) => boolean,
    signal: AbortSignal,
  ): Promise<PublishedSegment[]> {
    const served = listing.filter((segment) => segment.availability === 'available' && matters(segment)); // invariant 1
    const unknown = served.filter(({ id }) => !this.known.has(id));
    const answered = new Map<string, number>();
    for (let at = 0; at < unknown.length; at += segmentsPerQuery) {
      const analyses = await this.druid.native.segmentMetadata(
        {
          dataSource: this.dataSource,
          intervals: {
            type: 'segments',
            segments: unknown.slice(at, at + segmentsPerQuery).map(({ descriptor }) => ({
              itvl: descriptor.interval,
              ver: descriptor.version,
              part: descriptor.partition,
            })),
          },
          toInclude: { type: 'none' },
          analysisTypes: [],
        },
        { signal },
      );
      for (const { id, numRows } of analyses) answered.set(id, numRows);
    }
    const rowsOf = (id: string): number => this.known.get(id) ?? answered.get(id) ?? 0; // invariant 2
    this.known = new Map(served.map(({ id }) => [id, rowsOf(id)] as const).filter(([, rows]) => rows > 0));
    return listing.map((segment) => ({ ...segment, rows: this.known.get(segment.id) ?? 0 }));
  }
}
