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
  readonly lastId: number | undefined;
  /** From trigger to durable. */
  readonly lastDurationMs: number | undefined;
  readonly lastSizeBytes: number | undefined;
  /** Checkpoints that are durable and whose sinks are still committing. */
  readonly pendingCommits: number;
  /** The checkpoint that this run started from. */
  readonly restoredId: number | undefined;
}

/** A job as it stands, while it runs and when it has ended. */
export interface JobSnapshot {
  readonly jobName: string;
  readonly jobId: string;
  /** Time since `execute`, of this run. */
  readonly durationMs: number;
  readonly operators: readonly OperatorResult[];
  readonly checkpoints: CheckpointStatistics;
}

/** What `execute` resolves with: the job has ended, and everything it wrote is committed. */
export type JobExecutionResult = JobSnapshot;
