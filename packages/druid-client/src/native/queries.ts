/** The native queries, by the page of Druid's documentation that each is named after. Names and meanings are Druid's. */
import type { Aggregation, AggregationName } from './aggregations.js';
import type { DataSource } from './data-sources.js';
import type { Dimension } from './dimensions.js';
import type { SearchQuerySpec } from './extraction.js';
import type { Filter, SortingOrder } from './filters.js';
import type { Granularity } from './granularity.js';
import type { HavingSpec, LimitSpec } from './having.js';
import type { Intervals, SegmentDescriptor } from './intervals.js';
import type { GroupByContext, NativeContext, TimeseriesContext, TopNContext } from './native-context.js';
import type { PostAggregation } from './post-aggregations.js';
import type { VirtualColumn } from './virtual-columns.js';

/** Aggregations of a query. */
export type Aggregations = readonly Aggregation[];
/** Post-aggregations of a query. */
export type PostAggregations = readonly PostAggregation[];
/** Dimensions of a query. */
export type Dimensions = readonly Dimension[];

interface Reading {
  readonly dataSource: DataSource;
  readonly intervals: Intervals;
  readonly filter?: Filter;
  readonly virtualColumns?: readonly VirtualColumn[];
}

interface Aggregating<A extends Aggregations, P extends PostAggregations> extends Reading {
  readonly granularity: Granularity;
  readonly aggregations?: A;
  readonly postAggregations?: P;
}

/** Aggregations over time. Buckets without rows are filled in, unless the context has `skipEmptyBuckets`. */
export interface TimeseriesQuery<
  A extends Aggregations = Aggregations,
  P extends PostAggregations = PostAggregations,
  C extends TimeseriesContext = TimeseriesContext,
> extends Aggregating<A, P> {
  readonly queryType?: 'timeseries';
  /** Latest first. */
  readonly descending?: boolean;
  readonly limit?: number;
  readonly context?: C;
}

/** The groups of one dimension that come first by a metric: quick, and approximate beyond `minTopNThreshold` groups. */
export interface TopNQuery<
  D extends Dimension = Dimension,
  A extends Aggregations = Aggregations,
  P extends PostAggregations = PostAggregations,
  C extends TopNContext = TopNContext,
> extends Aggregating<A, P> {
  readonly queryType?: 'topN';
  readonly dimension: D;
  readonly threshold: number;
  /** What is sorted by, largest first: the name of an aggregation or a post-aggregation, or a {@link TopNMetric}. */
  readonly metric: AggregationName<A[number]> | P[number]['name'] | TopNMetric;
  readonly context?: C;
}

/** By Druid's page "TopNMetricSpec". */
export type TopNMetric =
  | { readonly type: 'numeric'; readonly metric: string }
  | {
      readonly type: 'dimension';
      readonly ordering?: SortingOrder;
      /** Values up to this one are left out. */
      readonly previousStop?: string;
    }
  | { readonly type: 'inverted'; readonly metric: string | TopNMetric };

/** Aggregations by any number of dimensions. */
export interface GroupByQuery<
  D extends Dimensions = Dimensions,
  A extends Aggregations = Aggregations,
  P extends PostAggregations = PostAggregations,
  C extends GroupByContext = GroupByContext,
> extends Aggregating<A, P> {
  readonly queryType?: 'groupBy';
  readonly dimensions: D;
  readonly having?: HavingSpec;
  readonly limitSpec?: LimitSpec;
  /** Several groupings in one result: lists of names of `dimensions`. What a grouping leaves out is null in its rows. */
  readonly subtotalsSpec?: readonly (readonly string[])[];
  readonly context?: C;
}

/** Values of dimensions in which a text occurs. */
export interface SearchQuery extends Reading {
  readonly queryType?: 'search';
  readonly query: SearchQuerySpec;
  /** Default: `all`. */
  readonly granularity?: Granularity;
  /** Default: all dimensions. */
  readonly searchDimensions?: Dimensions;
  readonly sort?: { readonly type: SortingOrder };
  /** Of each Historical. Druid's default: 1,000. */
  readonly limit?: number;
  readonly context?: NativeContext;
}

/** The times of the first and the last row. */
export interface TimeBoundaryQuery<B extends TimeBound | undefined = TimeBound | undefined> {
  readonly queryType?: 'timeBoundary';
  readonly dataSource: DataSource;
  /** Only this one of the two. */
  readonly bound?: B;
  /** Without a filter, the answer comes from what is known of segments, without looking at rows. */
  readonly filter?: Filter;
  readonly intervals?: Intervals;
  readonly context?: NativeContext;
}

/** One side of a time boundary. */
export type TimeBound = 'minTime' | 'maxTime';

/** What is known of the columns of segments. */
export interface SegmentMetadataQuery {
  readonly queryType?: 'segmentMetadata';
  readonly dataSource: DataSource;
  /** Default: the week before the last data, unless the Broker is configured otherwise. */
  readonly intervals?: Intervals;
  readonly toInclude?:
    { readonly type: 'all' | 'none' } | { readonly type: 'list'; readonly columns: readonly string[] };
  /** One result over all segments. */
  readonly merge?: boolean;
  /** Default: cardinality, interval and minmax; each costs time. */
  readonly analysisTypes?: readonly SegmentAnalysisType[];
  readonly aggregatorMergeStrategy?: 'strict' | 'lenient' | 'earliest' | 'latest';
  readonly lenientAggregatorMerge?: boolean;
  readonly context?: NativeContext;
}

/** What a segmentMetadata query can look at. */
export type SegmentAnalysisType =
  | 'cardinality'
  | 'interval'
  | 'minmax'
  | 'size'
  | 'timestampSpec'
  | 'queryGranularity'
  | 'aggregators'
  | 'rollup'
  | 'projections';

/** The time of the last event that was taken in. */
export interface DataSourceMetadataQuery {
  readonly queryType?: 'dataSourceMetadata';
  readonly dataSource: DataSource;
  readonly context?: NativeContext;
}

interface ScanQueryBase extends Omit<Reading, 'intervals'> {
  readonly queryType?: 'scan';
  /** At least one; an empty list would mean "all columns" to Druid, in an order that is not fixed. */
  readonly columns: readonly string[];
  /** Druid's `order`, by `__time`. */
  readonly order?: 'none' | 'ascending' | 'descending';
  readonly limit?: number;
  readonly offset?: number;
  /** Rows per batch at most; 4,096 unless given, which needs less memory than Druid's own default of 20,480. */
  readonly batchSize?: number;
  readonly context?: NativeContext;
}

/** What to scan: time intervals, or exact segments. */
export type ScanQuery = ScanQueryBase &
  (
    | { readonly intervals: Intervals; readonly segments?: never }
    | { readonly segments: readonly SegmentDescriptor[]; readonly intervals?: never }
  );

/** A query whose result another query reads; see {@link groupByQuery} and the like. */
export type SubQuery =
  | (TimeseriesQuery & { readonly queryType: 'timeseries' })
  | (TopNQuery & { readonly queryType: 'topN' })
  | (GroupByQuery & { readonly queryType: 'groupBy' })
  | (ScanQueryBase & { readonly queryType: 'scan'; readonly intervals: Intervals });

/** A timeseries query apart from its execution: to keep, or for {@link dataSource}`.query`. */
export function timeseriesQuery<
  const A extends Aggregations = readonly [],
  const P extends PostAggregations = readonly [],
  const C extends TimeseriesContext = TimeseriesContext,
>(query: TimeseriesQuery<A, P, C>): TimeseriesQuery<A, P, C> & { readonly queryType: 'timeseries' } {
  return { ...query, queryType: 'timeseries' };
}

/** A topN query apart from its execution: to keep, or for {@link dataSource}`.query`. */
export function topNQuery<
  const D extends Dimension,
  const A extends Aggregations = readonly [],
  const P extends PostAggregations = readonly [],
  const C extends TopNContext = TopNContext,
>(query: TopNQuery<D, A, P, C>): TopNQuery<D, A, P, C> & { readonly queryType: 'topN' } {
  return { ...query, queryType: 'topN' };
}

/** A groupBy query apart from its execution: to keep, or for {@link dataSource}`.query`. */
export function groupByQuery<
  const D extends Dimensions,
  const A extends Aggregations = readonly [],
  const P extends PostAggregations = readonly [],
  const C extends GroupByContext = GroupByContext,
>(query: GroupByQuery<D, A, P, C>): GroupByQuery<D, A, P, C> & { readonly queryType: 'groupBy' } {
  return { ...query, queryType: 'groupBy' };
}
