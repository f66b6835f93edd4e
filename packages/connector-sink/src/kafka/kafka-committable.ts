import type { TransportCommittable } from './row-transport.js';

/** What one writer has prepared in mode `kafka`: its transaction, and how to find its rows in Druid. */
export interface KafkaRowsCommittable {
  readonly version: 1;
  readonly transport: TransportCommittable;
  readonly dataSource: string;
  readonly rows: number;
  readonly bytes: number;
  /** The value in `commitIdColumn` that these rows have and no others. */
  readonly commitId: string | null;
  readonly commitIdColumn: string | null;
  /** Where rows are rolled up: the metric that says how many there were. */
  readonly countMetric: string | null;
  /** Time chunks that hold the rows, as an ISO 8601 interval. */
  readonly interval: string;
  /** When its transaction began, epoch milliseconds. */
  readonly begunMs?: number | undefined;
}

/** Rows of one writer and checkpoint are where `waitUntil` wants them. */
export interface KafkaCommitDone {
  readonly dataSource: string;
  readonly checkpointId: number;
  readonly subtaskIndex: number;
  readonly rows: number;
  readonly bytes: number;
  /** Milliseconds since the commit began. */
  readonly timings: {
    /** The transaction is committed. */
    readonly submittedMs: number;
    /** As `waitUntil` says; as `submittedMs` with `submitted`. */
    readonly doneMs: number;
  };
}
