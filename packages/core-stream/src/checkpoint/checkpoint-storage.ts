import type { CommitRequest } from '../connectors/sink.js';

/** One subtask's part of a checkpoint: opaque, encoded by the engine. */
export interface StateBlob {
  readonly uid: string;
  readonly subtaskIndex: number;
  readonly bytes: Uint8Array;
}

/** Everything that a restart needs. */
export interface CheckpointData {
  readonly checkpointId: number;
  readonly jobName: string;
  /** The job's lineage: made at its first start, the same in all its checkpoints. */
  readonly jobId: string;
  readonly maxParallelism: number;
  /** Epoch milliseconds of the engine's clock. */
  readonly createdAt: number;
  /** Operator states, by operator and subtask. */
  readonly operators: readonly StateBlob[];
  /** Enumerator states, encoded, by source uid. */
  readonly enumerators: readonly { readonly uid: string; readonly bytes: Uint8Array }[];
  /** What was not committed when the checkpoint was taken, including what it brings itself, by sink uid. */
  readonly pendingCommits: readonly {
    readonly uid: string;
    readonly requests: readonly CommitRequest<unknown>[];
  }[];
}

/** Who a job is, over all its runs. */
export interface JobLineage {
  readonly jobName: string;
  readonly jobId: string;
}

/**
 * Where checkpoints are kept. Implementations make `write` atomic and durable: after a crash a checkpoint is there as a
 * whole or not at all.
 */
export interface CheckpointStorage {
  /** For messages: where this is. */
  readonly location: string;
  /**
   * The lineage that this storage belongs to: the stored one, or `candidate`, which is stored durably before this resolves.
   * So a job has one identity from its first start on, also before its first checkpoint.
   */
  claim(candidate: JobLineage): Promise<JobLineage>;
  /**
   * The newest checkpoint; `undefined` if there is none.
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where the newest one is damaged: an older one may have been overtaken by
   *   commits, so going back to it is not this interface's decision
   */
  latest(): Promise<CheckpointData | undefined>;
  /**
   * Resolves with the bytes written, once they are durable.
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where it cannot be written, or where the storage has this checkpoint or a
   *   newer one already: then another process runs the same job
   */
  write(checkpoint: CheckpointData): Promise<number>;
}
