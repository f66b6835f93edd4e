import type { EndOffsets, TransportCommittable } from './row-transport.js';

/** What one writer has prepared in mode `kafka`: a transaction, and what is in it. */
export interface KafkaRowsCommittable {
  readonly version: 1;
  readonly transport: TransportCommittable;
  readonly parts: readonly KafkaRows[];
  /** When the transaction began, epoch milliseconds. */
  readonly begunMs?: number | undefined;
}

/** A transaction's rows for one datasource, and how to find them in Druid. */
export interface KafkaRows {
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
  readonly endOffsets: EndOffsets;
}

/** Rows of one writer, checkpoint and datasource are where `waitUntil` wants them. */
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
