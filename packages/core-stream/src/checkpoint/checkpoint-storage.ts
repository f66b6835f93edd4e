import type { CheckpointData, JobLineage } from './checkpoint-data.js';

export type { CheckpointData, JobLineage } from './checkpoint-data.js';

/** The bytes of an object, piece by piece; produced while they are written where there are many. */
export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Part of an object, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where checkpoints are kept. Implementations make `write` and `putSegment` atomic and durable: after a crash an object is
 * there as a whole or not at all.
 */
export interface CheckpointStorage {
  /** For messages: where this is. */
  readonly location: string;
  /**
   * Takes the storage for this process and gives its lineage: the stored one, or `candidate`, which is stored durably before
   * this resolves. So a job has one identity from its first start on, also before its first checkpoint.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where a living process has it
   */
  claim(candidate: JobLineage): Promise<JobLineage>;
  /** Gives it back; the next `claim` need not wait. */
  release?(): Promise<void>;
  /**
   * The newest checkpoint; `undefined` if there is none.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where the newest one is damaged, naming it and the previous one: an older
   *   one may have been overtaken by commits, so going back to it is not this interface's decision
   */
  latest(): Promise<CheckpointData | undefined>;
  /** The ids of the checkpoints that are there, ascending. */
  list(): Promise<readonly number[]>;
  /** @throws CheckpointError `MILLRACE_CHECKPOINT` where it is not there or is damaged */
  read(checkpointId: number): Promise<CheckpointData>;
  /**
   * Resolves with the bytes written, once they are durable. Removes checkpoints, and segments, that are no longer needed.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where it cannot be written, or where the storage has this checkpoint or a
   *   newer one already, or another process has claimed it: then another process runs the same job
   */
  write(checkpoint: CheckpointData): Promise<number>;
  /**
   * Stores an immutable object; an `id` is used once, except to try again at once what has failed. It stays until two
   * checkpoints have been written, or tried, that do not refer to it, at least.
   */
  putSegment(id: string, chunks: Chunks): Promise<void>;
  /** @throws CheckpointError `MILLRACE_CHECKPOINT` where it is not there */
  readSegment(id: string, range: ByteRange): Promise<Uint8Array>;
}
