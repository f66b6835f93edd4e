/**
 * Druid's query context for SQL, by the pages "SQL query context" and "Query context reference" of its documentation.
 * Keys that are not listed are allowed and passed on. Times are in milliseconds.
 */
export interface SqlContext {
  /** Names the query; cancelling goes by it, and hits every query of that name. Default: an id of the client's own. */
  readonly sqlQueryId?: string;
  /** Zone of time functions and of printed timestamps, such as `Europe/Paris`. Default here: `UTC`. */
  readonly sqlTimeZone?: string;
  /** What `CURRENT_TIMESTAMP` gives, in ISO 8601. */
  readonly sqlCurrentTimestamp?: string;
  /** Whether arrays are printed as JSON text. Druid's default: true; false here if `columns` declares an array. */
  readonly sqlStringifyArrays?: boolean;
  /** A limit on the rows of the outermost query. */
  readonly sqlOuterLimit?: number;
  readonly sqlFinalizeOuterSketches?: boolean;
  readonly sqlReverseLookup?: boolean;
  readonly sqlPullUpLookup?: boolean;
  readonly useApproximateCountDistinct?: boolean;
  readonly useGroupingSetForExactDistinct?: boolean;
  readonly useApproximateTopN?: boolean;
  readonly useLexicographicTopN?: boolean;
  readonly enableTimeBoundaryPlanning?: boolean;
  readonly useNativeQueryExplain?: boolean;
  readonly enableJoinLeftTableScanDirect?: boolean;
  readonly maxNumericInFilters?: number;
  readonly inSubQueryThreshold?: number;
  /** IN lists of this length and more are planned as `SCALAR_IN_ARRAY`. Druid's default: 100. */
  readonly inFunctionThreshold?: number;
  /** Druid's own limit, in which the result must also have been read. 0 is none; Druid's default: 300,000. */
  readonly timeout?: number;
  /** Higher goes first. */
  readonly priority?: number;
  /** The query lane, if the server has any. */
  readonly lane?: string;
  readonly brokerService?: string;
  readonly useCache?: boolean;
  readonly populateCache?: boolean;
  readonly useResultLevelCache?: boolean;
  readonly populateResultLevelCache?: boolean;
  readonly finalize?: boolean;
  readonly maxScatterGatherBytes?: number;
  readonly maxQueuedBytes?: number;
  readonly maxSubqueryRows?: number;
  /** A number of bytes, or `auto` or `disabled`. */
  readonly maxSubqueryBytes?: number | string;
  readonly enableParallelMerge?: boolean;
  readonly parallelMergeParallelism?: number;
  readonly secondaryPartitionPruning?: boolean;
  readonly vectorize?: boolean | 'true' | 'false' | 'force';
  readonly vectorSize?: number;
  readonly vectorizeVirtualColumns?: boolean | 'true' | 'false' | 'force';
  readonly debug?: boolean;
  readonly [key: string]: unknown;
}
