import type { SavepointTarget } from '../checkpoint/savepoint.js';
import type { MetricRegistry } from '../metrics/metric-registry.js';
import type { JobExecutionResult, JobSnapshot } from '../runtime/job-result.js';

/** How a job is stopped. */
export interface StopOptions {
  /** Where a savepoint is to be written, which another job can start from. Without it the job's own last checkpoint is it. */
  readonly savepoint?: SavepointTarget;
  /**
   * Ends the job as if its input had ended: the watermark becomes +∞, windows close, timers fire. Going on from there makes
   * sense only where that is wanted. Otherwise the job ends where it stands, and goes on later as if nothing had been.
   */
  readonly drain?: boolean;
}

/** A running job. */
export interface JobClient {
  /** Counters, watermarks and checkpoints as they stand. Cheap: call it as often as a person can read. */
  snapshot(): JobSnapshot;
  /** What reporters read: the engine's metrics of this job, and those of its functions. They stay after its end. */
  readonly metrics: MetricRegistry;
  /**
   * Takes a checkpoint now, and copies it to an empty place, complete in itself: `enableCheckpointing({ restore: { savepoint } })`
   * starts a job from it. The job goes on. Resolves with where it is, when it is durable.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where it cannot be taken: the job goes on without it; StreamConfigError
   *   `MILLRACE_CONFIG` for a job without checkpoints
   */
  triggerSavepoint(target: SavepointTarget): Promise<string>;
  /**
   * Ends the job in good order, with a last checkpoint whose sinks are committed. Resolves when it has ended, with where the
   * savepoint is, if one was asked for; `result` resolves too.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where that checkpoint cannot be taken, and the job goes on, unless it drains;
   *   or where the job fails on the way, and is started again; StreamConfigError `MILLRACE_CONFIG` for a job without checkpoints
   */
  stop(options?: StopOptions): Promise<string | undefined>;
  /** Stops the job where it stands; `result` rejects with `MILLRACE_CANCELLED`. It can go on from its last checkpoint. */
  cancel(reason?: unknown): void;
  /** Resolves when the job has ended and everything is committed; rejects with its first failure. */
  readonly result: Promise<JobExecutionResult>;
}
