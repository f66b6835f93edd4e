import type { FailureReport } from './failure-report.js';

/** What an operator did: sums over its subtasks, over all runs since the job's first start. */
export interface OperatorResult {
  readonly uid: string;
  readonly name: string;
  readonly parallelism: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Records per side output. */
  readonly sideOutputs: Readonly<Record<string, number>>;
  /** Records that were too late for their windows and went nowhere, because no late output was asked for. */
  readonly lateRecordsDropped: number;
  /** The lowest watermark of its subtasks, in epoch milliseconds; −∞ before the first, +∞ after the end of input. */
  readonly watermark: number;
}

/** The checkpoints of this run. */
export interface CheckpointStatistics {
  /** Completed by this run, the final one included. */
  readonly completed: number;
  /** Given up by this run. */
  readonly failed: number;
  /** The newest that is complete; so are the following. */
  readonly lastId: number | undefined;
  /** From trigger to durable. */
  readonly lastDurationMs: number | undefined;
  /** From trigger until the last task had given its part. */
  readonly lastAlignmentMs: number | undefined;
  /** Whether its barriers have overtaken records. */
  readonly isLastUnaligned: boolean | undefined;
  /** What was written for it. */
  readonly lastSizeBytes: number | undefined;
  /** What it holds, rows that are replaced or removed included: a restart reads as much. */
  readonly lastStateBytes: number | undefined;
  /** Checkpoints that are durable and whose sinks are still committing. */
  readonly pendingCommits: number;
  /** The checkpoint that this run started from. */
  readonly restoredId: number | undefined;
}

/** One start of a job as it stands. */
export interface AttemptSnapshot {
  readonly jobName: string;
  readonly jobId: string;
  /** Time since its start. */
  readonly durationMs: number;
  readonly operators: readonly OperatorResult[];
  readonly checkpoints: CheckpointStatistics;
}

/** Where a job is in its life, over all its restarts. Flink's, without the states of a cluster. */
export type JobStatus =
  /** Not started yet. */
  | 'created'
  | 'running'
  /** It has failed, and is closing. */
  | 'failing'
  /** It waits for its next start. */
  | 'restarting'
  /** It was cancelled, and is closing. */
  | 'cancelling'
  | 'cancelled'
  | 'finished'
  | 'failed'
  /** It was stopped and can go on from its last checkpoint. */
  | 'suspended';

/** A job as it stands, while it runs and when it has ended. Counters and checkpoints are those of its newest start. */
export interface JobSnapshot extends AttemptSnapshot {
  readonly status: JobStatus;
  /** Restarts so far. */
  readonly numRestarts: number;
  /** The newest failures, oldest first: 16 at most. */
  readonly exceptions: readonly FailureReport[];
}

/** What `execute` resolves with: the job has ended, and everything it wrote is committed. */
export type JobExecutionResult = JobSnapshot;
