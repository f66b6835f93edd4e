/**
 * What the checkpoints of a job ask of its tasks, and what tasks tell them.
 *
 * The task acts on every call in one of its own turns; `overtake` comes first, all others are mail, in the order of the calls.
 *
 * Invariants of a task
 * 1. It answers for each barrier that it has acted on: `onSnapshot` or `onDecline`, in the order of the checkpoints, also when
 *    the checkpoint was aborted meanwhile. What it has handed out (changed rows, committables) it does not hand out again.
 * 2. What it has not taken when it declines, it hands out with the next checkpoint; what it has taken already, with an
 *    `onSnapshot` of the declined one that follows. A task that cannot do either fails the job.
 * 3. Checkpoints may be aborted or overtaken: a barrier of an older checkpoint than the newest one that the task knows of,
 *    or of an aborted one, counts for nothing.
 */
import type { OperatorSnapshot } from './task.js';

export interface CheckpointableTask {
  readonly id: string;
  /** The checkpoint will not be complete: the task gives up its alignment and reads all its inputs again. */
  abortCheckpoint(checkpointId: number): void;
  /**
   * The checkpoint becomes unaligned: its barriers overtake what lies in front of them, which becomes part of the checkpoint.
   * Nothing where the task has taken its part already.
   */
  overtake(checkpointId: number): void;
}

/** A task with a source: where checkpoints, and the end of a job that is stopped, begin. */
export interface CheckpointableSourceTask extends CheckpointableTask {
  /** Takes the task's part and sends the barrier. With `suspend` nothing more is read from the source until `resume`. */
  triggerCheckpoint(checkpointId: number, suspend?: boolean): void;
  /** The checkpoint is durable. */
  notifyCheckpointComplete(checkpointId: number): void;
  /** The checkpoint that was to be the last one has failed: the task reads on. */
  resume(): void;
  /** Ends the task as if its input had ended: the watermark +∞, then the end. Nothing where it has ended. */
  drain(): void;
}

export interface CheckpointListener {
  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void;
  /** Its state cannot be encoded, for example: the checkpoint is aborted, and the job goes on where that is tolerated. */
  onDecline(taskId: string, checkpointId: number, error: unknown): void;
}
