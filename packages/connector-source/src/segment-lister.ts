/**
 * Asks Druid what there is to read: segments, where they are, how many rows they have, and whether they have the columns.
 * All that does not need one another's answer is asked at once, because a short read waits for little else.
 *
 * Boundary: decides nothing about segments but whose rows have to be counted.
 *
 * Invariant 1: no segment is told of before the datasource is known to have the columns to read, with their types.
 */
import type { Logger } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { checkColumns, type ColumnReading } from './druid-columns.js';
import type { TimeRange } from './druid-split.js';
import { DruidSourceError } from './errors.js';
import { isInScope } from './pin-segments.js';
import type { PublishedSegment } from './published-segment.js';
import { listColumns, listPublishedSegments } from './segment-catalog.js';
import type { SeenSegment } from './segment-replacement.js';
import { SegmentRowCounts } from './segment-row-counts.js';
import { listSegmentsToPin } from './segments-to-pin.js';

/** What Druid answers; `missing`: it has no such datasource (yet). */
export type Listing =
  { readonly segments: PublishedSegment[] } | { readonly missing: true } | { readonly failed: unknown };

export interface SegmentListerOptions {
  readonly context: { readonly logger: Logger };
  readonly dataSource: string;
  readonly readings: Readonly<Record<string, ColumnReading>>;
  readonly range: TimeRange | undefined;
  readonly query: string;
  /** Undefined if bounded. */
  readonly unbounded: object | undefined;
}

export class SegmentLister {
  readonly #options: SegmentListerOptions;
  readonly #druid: DruidClient;
  readonly #rowCounts: SegmentRowCounts;
  #hasCheckedColumns = false;

  constructor(options: SegmentListerOptions, druid: DruidClient) {
    this.#options = options;
    this.#druid = druid;
    this.#rowCounts = new SegmentRowCounts(druid, options.dataSource);
  }

  get hasCheckedColumns(): boolean {
    return this.#hasCheckedColumns;
  }

  /** The published segments; those that matter with their rows. @throws DruidSourceSchemaError (invariant 1) */
  async list(seen: readonly SeenSegment[], signal: AbortSignal): Promise<Listing> {
    const { dataSource, readings } = this.#options;
    try {
      const [sqlTypes, segments] = await Promise.all([
        this.#hasCheckedColumns ? undefined : listColumns(this.#druid, dataSource, readings, signal),
        this.#count(seen, signal),
      ]);
      if (sqlTypes?.size === 0) return { missing: true };
      if (sqlTypes !== undefined) checkColumns(dataSource, readings, sqlTypes); // invariant 1
      this.#hasCheckedColumns = true;
      return { segments };
    } catch (error) {
      signal.throwIfAborted();
      if (DruidSourceError.is(error)) throw error;
      return { failed: error };
    }
  }

  async #count(seen: readonly SeenSegment[], signal: AbortSignal): Promise<PublishedSegment[]> {
    const { context, dataSource, unbounded } = this.#options;
    const seenIds = new Set(seen.map(({ id }) => id));
    const matters = (segment: PublishedSegment): boolean =>
      isInScope(segment, this.#options) &&
      (unbounded === undefined ? !segment.isOvershadowed : !seenIds.has(segment.id));
    const segments = await (unbounded === undefined
      ? listSegmentsToPin(this.#druid, dataSource, { logger: context.logger, signal })
      : listPublishedSegments(this.#druid, dataSource, signal));
    return this.#rowCounts.count(segments, matters, signal);
  }
}
