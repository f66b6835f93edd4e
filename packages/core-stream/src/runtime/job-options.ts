import type { BatchOptions } from '../batch/batch-options.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import type { SavepointTarget } from '../checkpoint/savepoint.js';
import { StreamConfigError } from '../errors.js';
import type { ExecutionPlan } from '../plan/execution-plan.js';
import type { JobMetrics } from '../metrics/job-metrics.js';
import type { StateBackend } from '../state/state-backend.js';
import type { Clock } from '../time/clock.js';
import type { Describer } from './describe-value.js';
import type { Logger } from './logger.js';

/** How often checkpoints are taken, where they go, and whether a job goes on from them. Times are in milliseconds. */
export interface CheckpointConfig {
  /** Time between two checkpoints. */
  readonly intervalMs: number;
  readonly storage: CheckpointStorage;
  /**
   * Where a job starts: `latest` goes on from the newest checkpoint in `storage`, or begins where there is none (the
   * default: a restarted process goes on); `none` demands an empty storage; a savepoint is where it begins instead, as long
   * as `storage` has no checkpoint.
   */
  readonly restore?: 'latest' | 'none' | { readonly savepoint: SavepointTarget };
  /** Lets a program go on from a checkpoint that holds state of operators which it no longer has: that state is lost. */
  readonly allowNonRestoredState?: boolean;
  /** Time between the end of a checkpoint and the next one; 0 unless told. */
  readonly minPauseMs?: number;
  /** How long a checkpoint may take before it is given up, and writing a savepoint of it; ten minutes unless told. */
  readonly timeoutMs?: number;
  /** How many checkpoints in a row may fail before the job does; 0 unless told. */
  readonly tolerableFailures?: number;
  /**
   * How long barriers wait in line. After that they overtake the records before them, which become part of the checkpoint:
   * so it is complete soon, also while sinks are slow. They never do unless told; 0 is at once.
   */
  readonly alignedTimeoutMs?: number;
  /** How many checkpoints may wait for their sinks' commits before no further one is taken; 2 unless told. */
  readonly maxPendingCommits?: number;
}

export interface CheckpointLimits {
  readonly minPauseMs: number;
  /** `Infinity` where there is none. */
  readonly timeoutMs: number;
  readonly tolerableFailures: number;
  readonly alignedTimeoutMs: number | undefined;
  readonly maxPendingCommits: number;
}

/** Flink's. */
const DEFAULT_TIMEOUT_MS = 600_000;

/** Sinks commit one checkpoint while the next one is taken. */
const DEFAULT_MAX_PENDING_COMMITS = 2;

/** Without checkpointing there is a final checkpoint only, which nothing limits. */
export function checkpointLimits(config: CheckpointConfig | undefined): CheckpointLimits {
  return {
    minPauseMs: config?.minPauseMs ?? 0,
    timeoutMs: config === undefined ? Infinity : (config.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    tolerableFailures: config?.tolerableFailures ?? 0,
    alignedTimeoutMs: config?.alignedTimeoutMs,
    maxPendingCommits: config?.maxPendingCommits ?? DEFAULT_MAX_PENDING_COMMITS,
  };
}

/** @throws StreamConfigError `MILLRACE_CONFIG` for a number that makes no sense */
export function requireValid(config: CheckpointConfig): void {
  const { intervalMs, minPauseMs, timeoutMs, tolerableFailures, alignedTimeoutMs, maxPendingCommits } =
    config;
  const { storage }: { readonly storage?: unknown } = config; // programs in JavaScript are not checked by a compiler
  demand(
    typeof storage === 'object' && storage !== null,
    'storage',
    "a CheckpointStorage, such as new FileCheckpointStorage('checkpoints')",
    typeof storage === 'string' ? `'${storage}'` : typeof storage,
  );
  demand(intervalMs > 0, 'intervalMs', 'more than 0 milliseconds', intervalMs);
  demand(timeoutMs === undefined || timeoutMs > 0, 'timeoutMs', 'more than 0 milliseconds', timeoutMs);
  for (const [name, value] of Object.entries({ minPauseMs, alignedTimeoutMs })) {
    demand(value === undefined || (value >= 0 && value < Infinity), name, '0 milliseconds or more', value);
  }
  demand(
    tolerableFailures === undefined || (Number.isInteger(tolerableFailures) && tolerableFailures >= 0),
    'tolerableFailures',
    'a whole number, 0 or more',
    tolerableFailures,
  );
  demand(
    maxPendingCommits === undefined || (Number.isInteger(maxPendingCommits) && maxPendingCommits > 0),
    'maxPendingCommits',
    'a whole number above 0',
    maxPendingCommits,
  );
}

function demand(isRight: boolean, name: string, what: string, value: number | string | undefined): void {
  if (!isRight) throw new StreamConfigError(`Checkpointing's ${name} must be ${what}, got ${value}`);
}

export interface JobOptions {
  readonly jobName: string;
  readonly plan: ExecutionPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The job's, over all its runs. */
  readonly metrics: JobMetrics;
  readonly watermarkIntervalMs: number;
  readonly batch: BatchOptions;
  /** Whether chains are compiled to generated code. */
  readonly isGenerated: boolean;
  readonly checkpointing: CheckpointConfig | undefined;
  /**
   * The newest checkpoint that earlier attempts of this run have taken or started from, 0 where they began with none:
   * `undefined` for the first attempt, and where none has come as far.
   */
  readonly reachedCheckpointId: number | undefined;
  readonly stateBackend: StateBackend;
  readonly createJobId: () => string;
  readonly describer: Describer;
  /** How long an attempt that ends waits for what does not settle. */
  readonly cancellationTimeoutMs: number;
  /** Called once, at the first failure or cancellation, before anything is closed. */
  readonly onFailing: () => void;
}
