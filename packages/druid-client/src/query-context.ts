/**
 * What Druid's query context may say for SQL and native queries alike, by the page "Query context reference" of its
 * documentation. Keys that are not listed are allowed and passed on. Times are in milliseconds.
 */
export interface QueryContext {
  /** Druid's own limit, in which the result must also have been read. 0 is none; Druid's default: 300,000. */
  readonly timeout?: number;
  /** The same for what one segment takes. */
  readonly perSegmentTimeout?: number;
  /** Higher goes first. */
  readonly priority?: number;
  /** The query lane, if the server has any. */
  readonly lane?: string;
  readonly brokerService?: string;
  readonly useCache?: boolean;
  readonly populateCache?: boolean;
  readonly useResultLevelCache?: boolean;
  readonly populateResultLevelCache?: boolean;
  /** Whether sketches and the like become the numbers that they stand for. Druid's default: true. */
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
