/**
 * The query context of multi-stage queries ("SQL-based ingestion reference" in Druid's documentation). Members that
 * are not listed are sent as they are.
 */
export interface MsqContext {
  /** Tasks in all, the controller included; at least 2, and all their slots must be free at once. Druid's default: 2. */
  readonly maxNumTasks?: number;
  readonly taskAssignment?: 'max' | 'auto';
  readonly finalizeAggregations?: boolean;
  /** Default here `array`; Druid's own, `mvd`, stores string arrays as multi-value strings. */
  readonly arrayIngestMode?: 'array' | 'mvd' | 'none';
  readonly sqlJoinAlgorithm?: 'broadcast' | 'sortMerge';
  readonly rowsInMemory?: number;
  readonly rowsPerSegment?: number;
  /** Rows a page of results in durable storage. */
  readonly rowsPerPage?: number;
  /** Rows that may fail to parse before the query fails; -1: any number. Druid's default: 0. */
  readonly maxParseExceptions?: number;
  readonly clusterStatisticsMergeMode?: 'sequential' | 'parallel' | 'auto';
  readonly durableShuffleStorage?: boolean;
  readonly faultTolerance?: boolean;
  /** Where a SELECT puts its rows; `durableStorage` must be set up on the server. */
  readonly selectDestination?: 'taskReport' | 'durableStorage';
  /** Since Druid 29: the task ends only when its segments are loaded. */
  readonly waitUntilSegmentsLoad?: boolean;
  readonly includeSegmentSource?: 'NONE' | 'REALTIME';
  /** Since Druid 29: fail rather than do nothing where there are no rows. */
  readonly failOnEmptyInsert?: boolean;
  /** Set where compaction runs at the same time. */
  readonly useConcurrentLocks?: boolean;
  readonly priority?: number;
  readonly [key: string]: unknown;
}

/** The context to send: times in UTC, arrays as arrays, unless the caller says otherwise. */
export function msqContext(context: MsqContext | undefined, sqlQueryId: string): Record<string, unknown> {
  return { sqlTimeZone: 'UTC', arrayIngestMode: 'array', ...context, sqlQueryId };
}
