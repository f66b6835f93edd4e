import type { MetricRegistry } from '../metrics/metric-registry.js';
import type { JobExecutionResult, JobSnapshot } from '../runtime/job-result.js';

/** A running job. */
export interface JobClient {
  /** Counters, watermarks and checkpoints as they stand. Cheap: call it as often as a person can read. */
  snapshot(): JobSnapshot;
  /** What reporters read: the engine's metrics of this job, and those of its functions. They stay after its end. */
  readonly metrics: MetricRegistry;
  /** Stops the job where it stands; `result` rejects with `MILLRACE_CANCELLED`. It can go on from its last checkpoint. */
  cancel(reason?: unknown): void;
  /** Resolves when the job has ended and everything is committed; rejects with its first failure. */
  readonly result: Promise<JobExecutionResult>;
}
