import type { QueryContext } from '../query-context.js';

/** Druid's context of native queries, by the page "Query context reference" of its documentation. */
export interface NativeContext extends QueryContext {
  /** Names the query; cancelling goes by it, and hits every query of that name. Default: an id of the client's own. */
  readonly queryId?: string;
  readonly serializeDateTimeAsLong?: boolean;
  readonly enableJoinFilterPushDown?: boolean;
  readonly enableJoinFilterRewrite?: boolean;
  readonly realtimeSegmentsOnly?: boolean;
  /** Results of this form only come through `native.query`. */
  readonly bySegment?: false;
}

/** … of timeseries. */
export interface TimeseriesContext extends NativeContext {
  /** Leaves out buckets without rows. */
  readonly skipEmptyBuckets?: boolean;
  /** Adds a last row over all buckets, whose timestamp is null. */
  readonly grandTotal?: boolean;
}

/** … of topN. */
export interface TopNContext extends NativeContext {
  /** How many results each segment gives at least. Druid's default: 1,000. */
  readonly minTopNThreshold?: number;
}

/** … of groupBy, by the page "GroupBy queries". */
export interface GroupByContext extends NativeContext {
  readonly maxOnDiskStorage?: number;
  readonly maxMergingDictionarySize?: number;
  readonly groupByIsSingleThreaded?: boolean;
  readonly sortByDimsFirst?: boolean;
  readonly forceLimitPushDown?: boolean;
  readonly applyLimitPushDownToSegment?: boolean;
  readonly groupByEnableMultiValueUnnesting?: boolean;
  /** Results of this form only come through `native.query`. */
  readonly resultAsArray?: false;
}
