import type { QueryContext } from './query-context.js';

/** Druid's query context for SQL, by the page "SQL query context" of its documentation. */
export interface SqlContext extends QueryContext {
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
}
