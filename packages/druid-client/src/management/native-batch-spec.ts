import type { DataSchema } from './supervisor-spec.js';

type Spec = Readonly<{ type: string; [key: string]: unknown }>;

/**
 * A native batch task ("JSON-based batch ingestion" in Druid's documentation). It replaces what its intervals hold, unless
 * `appendToExisting`. Members that are not listed are sent as they are.
 *
 * @example
 * const task: NativeBatchTask = {
 *   type: 'index_parallel',
 *   id: 'load-2026-01-01',
 *   spec: {
 *     dataSchema: {
 *       dataSource: 'edits',
 *       timestampSpec: { column: 'ts', format: 'iso' },
 *       dimensionsSpec: { dimensions: ['page', { type: 'long', name: 'added' }] },
 *       granularitySpec: { segmentGranularity: 'DAY', rollup: false, intervals: ['2026-01-01/2026-01-02'] },
 *     },
 *     ioConfig: {
 *       type: 'index_parallel',
 *       inputSource: { type: 'http', uris: ['http://files/edits.json'] },
 *       inputFormat: { type: 'json' },
 *     },
 *   },
 * };
 */
export interface NativeBatchTask {
  readonly type: 'index_parallel';
  /** Makes it safe to submit again; without slashes. */
  readonly id?: string;
  readonly spec: {
    readonly dataSchema: DataSchema;
    readonly ioConfig: NativeBatchIoConfig;
    readonly tuningConfig?: NativeBatchTuningConfig;
  };
  readonly context?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** `ioConfig` of a native batch task: where the rows are, and what becomes of those that are there already. */
export interface NativeBatchIoConfig {
  readonly type: 'index_parallel';
  /** Such as `{ type: 'http', uris }`, `{ type: 'local', baseDir, filter }`, `{ type: 'inline', data }`. */
  readonly inputSource: Spec;
  /** Not needed by input sources of Druid's own rows. */
  readonly inputFormat?: Spec;
  /** Needs dynamic partitioning. Druid's default: false. */
  readonly appendToExisting?: boolean;
  /** Takes segments out of use that lie in the intervals, also where no new rows come. Druid's default: false. */
  readonly dropExisting?: boolean;
  readonly [key: string]: unknown;
}

/** `tuningConfig` of a native batch task. */
export interface NativeBatchTuningConfig {
  readonly type: 'index_parallel';
  /** Subtasks side by side. Druid's default: 1, the task itself. */
  readonly maxNumConcurrentSubTasks?: number;
  /** `dynamic`, `hashed` or `range`. */
  readonly partitionsSpec?: Spec;
  readonly maxRowsInMemory?: number;
  readonly maxBytesInMemory?: number;
  readonly maxRetry?: number;
  readonly forceGuaranteedRollup?: boolean;
  readonly logParseExceptions?: boolean;
  /** Rows that may fail to parse before the task fails. Druid's default: no limit. */
  readonly maxParseExceptions?: number;
  readonly maxSavedParseExceptions?: number;
  /** Milliseconds that the task waits for its segments to be loaded before it ends. Druid's default: 0. */
  readonly awaitSegmentAvailabilityTimeoutMillis?: number;
  readonly [key: string]: unknown;
}
