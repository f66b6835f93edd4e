import type { JobExecutionResult, JobSnapshot } from '../runtime/job-result.js';

/** A running job. */
export interface JobClient {
  /** Counters, watermarks and checkpoints as they stand. Cheap: call it as often as a person can read. */
  snapshot(): JobSnapshot;
  /** Stops the job where it stands; `result` rejects with `MILLRACE_CANCELLED`. It can go on from its last checkpoint. */
  cancel(reason?: unknown): void;
  /** Resolves when the job has ended and everything is committed; rejects with its first failure. */
  readonly result: Promise<JobExecutionResult>;
}
