import type { BatchOptions } from '../batch/batch-options.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import type { ExecutionPlan } from '../plan/execution-plan.js';
import type { Clock } from '../time/clock.js';
import type { Describer } from './describe-value.js';
import type { Logger } from './logger.js';

/** How often checkpoints are taken, where they go, and whether a job goes on from them. */
export interface CheckpointConfig {
  /** Time between two checkpoints, in milliseconds. */
  readonly intervalMs: number;
  readonly storage: CheckpointStorage;
  /**
   * Where a job starts: `latest` goes on from the newest checkpoint in `storage`, or begins where there is none (the
   * default: a restarted process goes on); `none` demands an empty storage.
   */
  readonly restore?: 'latest' | 'none';
  /** Lets a program go on from a checkpoint that holds state of operators which it no longer has: that state is lost. */
  readonly allowNonRestoredState?: boolean;
  /** How many checkpoints may wait for their sinks' commits before no further one is taken; 2 unless told. */
  readonly maxPendingCommits?: number;
}

export interface JobOptions {
  readonly jobName: string;
  readonly plan: ExecutionPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watermarkIntervalMs: number;
  readonly batch: BatchOptions;
  /** Whether chains are compiled to generated code. */
  readonly isGenerated: boolean;
  readonly checkpointing: CheckpointConfig | undefined;
  readonly createJobId: () => string;
  readonly describer: Describer;
  /** How long an attempt that ends waits for what does not settle. */
  readonly cancellationTimeoutMs: number;
  /** Called once, at the first failure or cancellation, before anything is closed. */
  readonly onFailing: () => void;
}
