/** Starts a job, and gives its client. */
import type { BatchOptions } from '../batch/batch-options.js';
import { savepointStorage } from '../checkpoint/savepoint.js';
import { CheckpointError } from '../errors.js';
import { JobMetrics } from '../metrics/job-metrics.js';
import type { ExecutionPlan } from '../plan/execution-plan.js';
import { canGenerateCode } from '../runtime/chain-compiler.js';
import type { Describer } from '../runtime/describe-value.js';
import type { CheckpointConfig } from '../runtime/job-options.js';
import { JobSupervisor } from '../runtime/job-supervisor.js';
import { LocalJob } from '../runtime/local-job.js';
import { scopedLogger, type Logger } from '../runtime/logger.js';
import type { RestartStrategy } from '../runtime/restart-strategy.js';
import { heapStateBackend, type StateBackend } from '../state/state-backend.js';
import type { Clock } from '../time/clock.js';
import type { JobClient } from './job-client.js';

/** What a job is, with all its settings. */
export interface JobDefinition {
  readonly jobName: string;
  readonly plan: ExecutionPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly describer: Describer;
  readonly watermarkIntervalMs: number;
  readonly batch: BatchOptions;
  readonly codeGeneration: 'auto' | 'off';
  readonly checkpointing: CheckpointConfig | undefined;
  readonly stateBackend: StateBackend;
  readonly restartStrategy: RestartStrategy;
  readonly createJobId: () => string;
  readonly cancellationTimeoutMs: number;
  readonly random: () => number;
  /** Cancels the job when aborted. */
  readonly signal: AbortSignal | undefined;
}

export function startJob(job: JobDefinition): JobClient {
  const { jobName, plan, clock, logger, checkpointing } = job;
  const jobId = job.createJobId(); // of a job without checkpoints it is the same after every restart too
  const metrics = new JobMetrics(jobName, clock, logger);
  const onRestart = new Set<(failure: unknown) => void>();
  let reachedCheckpointId: number | undefined;
  const supervisor = new JobSupervisor<LocalJob>({
    restartStrategy: job.restartStrategy,
    clock,
    logger,
    describer: job.describer,
    random: job.random,
    signal: job.signal,
    onCancelMessage:
      `The job '${jobName}' was cancelled. ` +
      (plan.isBatch || checkpointing === undefined
        ? 'Started again, it begins at the beginning.'
        : 'Start it again to go on from its last checkpoint.'),
    createAttempt: (onFailing, previous) => {
      reachedCheckpointId = previous?.reachedCheckpointId ?? reachedCheckpointId;
      return new LocalJob({
        jobName,
        plan,
        clock,
        logger: scopedLogger(logger, { job: jobName }),
        metrics,
        describer: job.describer,
        watermarkIntervalMs: job.watermarkIntervalMs,
        batch: job.batch,
        isGenerated: job.codeGeneration !== 'off' && canGenerateCode(),
        checkpointing,
        reachedCheckpointId,
        stateBackend: plan.isBatch ? heapStateBackend() : job.stateBackend,
        createJobId: () => jobId,
        cancellationTimeoutMs: job.cancellationTimeoutMs,
        onFailing,
      });
    },
    onRestart: (failure) => onRestart.forEach((tell) => tell(failure)),
  });
  metrics.addJob(() => supervisor.snapshot());
  const result = supervisor.run();

  /** Resolves when the job has ended; rejects where it is started again instead. */
  const stopped = (what: string) =>
    new Promise<void>((resolve, reject) => {
      const tell = (failure: unknown) => reject(goesOn(what, failure, job.describer));
      onRestart.add(tell);
      result.then(() => resolve(), reject);
    });

  return {
    snapshot: () => supervisor.snapshot(),
    metrics: metrics.registry,
    triggerSavepoint: async (savepoint) => {
      const target = savepointStorage(savepoint);
      await supervisor.current.request({ target, then: 'go-on' });
      return target.location;
    },
    stop: async ({ savepoint, drain = false } = {}) => {
      const target = savepoint === undefined ? undefined : savepointStorage(savepoint);
      await supervisor.current.request({ target, then: drain ? 'drain' : 'suspend' });
      await stopped(
        target === undefined ? 'The last checkpoint was taken' : `There is a savepoint in ${target.location}`,
      );
      return target?.location;
    },
    cancel: (reason) => supervisor.cancel(reason),
    result,
  };
}

function goesOn(what: string, failure: unknown, describer: Describer): CheckpointError {
  return new CheckpointError(
    `${what}, but then the job failed, and goes on from its newest checkpoint: ${describer.describeError(failure)}. Stop it again.`,
    { cause: failure, retryable: true },
  );
}
