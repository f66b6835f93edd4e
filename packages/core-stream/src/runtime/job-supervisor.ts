/**
 * One job over all its starts: runs attempts until one ends well or nothing is to be tried any more.
 *
 * Role: waits, starts, counts and reports. Boundary: whether to restart is `restart-strategy`'s decision; what an attempt
 * does, and that it ends when it is cancelled, is the attempt's.
 *
 * Invariants
 * 1. Attempts do not overlap: the next begins when the one before has settled.
 * 2. A failure that cannot go away by trying again (`retryable` is false) is not tried again, whatever the strategy.
 *    Nor is an attempt that had finished when it failed: there is nothing to go on with.
 * 3. Nothing starts after a cancellation; one that comes during the wait for a restart ends the job at once.
 * 4. The status goes as `NEXT` says, and stays at the first terminal one.
 */
import { InvariantError, isRetryable, JobCancelledError } from '../errors.js';
import { publish } from '../metrics/diagnostics.js';
import { sleep, type Clock } from '../time/clock.js';
import type { Describer } from './describe-value.js';
import { reportFailure, type FailureReport } from './failure-report.js';
import type { AttemptSnapshot, JobExecutionResult, JobSnapshot, JobStatus } from './job-result.js';
import type { Logger } from './logger.js';
import {
  decideRestart,
  NO_FAILURES,
  type RestartDecision,
  type RestartHistory,
  type RestartStrategy,
} from './restart-strategy.js';

/** Failures that are kept; Flink's `web.exception-history-size`. */
const MAX_EXCEPTIONS = 16;

/** What may follow (invariant 4). Flink's, without the states of a cluster. */
const NEXT: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  created: ['running', 'cancelled'],
  running: ['failing', 'cancelling', 'finished', 'suspended'],
  failing: ['restarting', 'failed', 'cancelling'],
  restarting: ['running', 'cancelled'],
  cancelling: ['cancelled', 'finished', 'suspended'], // it may come when all is done
  cancelled: [],
  finished: [],
  failed: [],
  suspended: [],
};

/** One start of a job. */
export interface JobAttempt {
  /** Called once. Rejects with the first failure, when everything is closed. */
  run(): Promise<AttemptSnapshot>;
  /** Nothing where it has ended. One that was never run answers those who ask it for something. */
  cancel(error: JobCancelledError): void;
  snapshot(): AttemptSnapshot;
  /** Whether it has ended well because it was asked to suspend. */
  readonly isSuspended: boolean;
  /** Whether everything is processed and committed. It may fail all the same: while it closes. */
  readonly isFinished: boolean;
}

export interface SupervisorOptions<A extends JobAttempt> {
  readonly restartStrategy: RestartStrategy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly describer: Describer;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Cancels the job when aborted. */
  readonly signal: AbortSignal | undefined;
  /** What a person who reads that the job was cancelled has to know. */
  readonly onCancelMessage: string;
  /**
   * `onFailing` is to be called at the first failure, before anything is closed. `previous` is the attempt before, which has
   * failed; `undefined` for the first.
   */
  createAttempt(onFailing: () => void, previous: A | undefined): A;
  /** Called when it is certain that a failure is followed by another start. */
  onRestart?(failure: unknown): void;
}

export class JobSupervisor<A extends JobAttempt> {
  readonly #options: SupervisorOptions<A>;
  readonly #startedAt: number;
  readonly #cancellation = new AbortController();
  #status: JobStatus = 'created';
  #current: A;
  #attempts = 1;
  #failedAt: number | undefined;
  #history: RestartHistory = NO_FAILURES;
  #exceptions: readonly FailureReport[] = [];

  constructor(options: SupervisorOptions<A>) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#current = this.#createAttempt();
  }

  /** The attempt that runs; the last one where none does. */
  get current(): A {
    return this.#current;
  }

  get status(): JobStatus {
    return this.#status;
  }

  snapshot(): JobSnapshot {
    return {
      ...this.#current.snapshot(),
      durationMs: this.#options.clock.now() - this.#startedAt,
      status: this.#status,
      numRestarts: this.#attempts - 1,
      exceptions: this.#exceptions,
    };
  }

  cancel(reason?: unknown): void {
    if (this.#cancellation.signal.aborted || NEXT[this.#status].length === 0) return;
    const error = new JobCancelledError(this.#options.onCancelMessage, { cause: reason });
    if (this.#status === 'running' || this.#status === 'failing') this.#setStatus('cancelling');
    this.#cancellation.abort(error);
    this.#current.cancel(error);
  }

  /** Called once. Resolves with the attempt that ended well. */
  async run(): Promise<JobExecutionResult> {
    const { signal } = this.#options;
    const onAbort = () => this.cancel(signal?.reason);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#supervise();
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #supervise(): Promise<JobExecutionResult> {
    this.#throwIfCancelled(); // invariant 3
    for (;;) {
      this.#setStatus('running');
      try {
        await this.#current.run(); // invariant 1
        this.#setStatus(this.#current.isSuspended ? 'suspended' : 'finished');
        return this.snapshot();
      } catch (error) {
        await this.#onFailure(error);
      }
      this.#attempts++;
      this.#current = this.#createAttempt(this.#current);
    }
  }

  #createAttempt(previous?: A): A {
    this.#failedAt = undefined;
    return this.#options.createAttempt(() => this.#onFailing(), previous);
  }

  #onFailing(): void {
    this.#failedAt ??= this.#options.clock.now();
    if (this.#status === 'running') this.#setStatus('failing');
  }

  /** Resolves when the job is to be started again; throws where it is not. */
  async #onFailure(error: unknown): Promise<void> {
    const { clock, describer, logger } = this.#options;
    this.#onFailing();
    const { delayMs, history } = this.#decide(error);
    this.#history = history;
    if (error !== this.#cancellation.signal.reason) {
      const at = this.#failedAt ?? clock.now();
      const facts = { at, attempt: this.#attempts, restartAfterMs: delayMs };
      const report = reportFailure(error, describer, facts);
      this.#exceptions = [...this.#exceptions, report].slice(-MAX_EXCEPTIONS);
      this.#publishFailure(report, error);
    }
    this.#throwIfCancelled();
    const { jobName, jobId } = this.#current.snapshot();
    const message = this.#exceptions.at(-1)?.message;
    if (delayMs === undefined) {
      logger.error('job fails for good', { jobName, jobId, numRestarts: this.#attempts - 1, error: message });
      this.#setStatus('failed', error);
      throw error;
    }
    this.#setStatus('restarting', error);
    this.#options.onRestart?.(error);
    const facts = { jobName, jobId, numRestarts: this.#attempts, delayMs };
    logger.warn('job restarts', { ...facts, error: message });
    publish('millrace:job:restart', { ...facts, at: clock.now(), error });
    const { signal } = this.#cancellation;
    await sleep(clock, delayMs, signal).catch(() => undefined);
    this.#throwIfCancelled(); // invariant 3
  }

  #publishFailure({ at, operator, subtask, record }: FailureReport, error: unknown): void {
    if (operator === undefined) return;
    const { jobName, jobId } = this.#current.snapshot();
    const failed = { operatorName: operator, subtaskIndex: subtask ?? 0, record };
    publish('millrace:operator:failure', { jobName, jobId, at, ...failed, error });
  }

  #decide(error: unknown): RestartDecision {
    const { clock, random, restartStrategy } = this.#options;
    if (this.#cancellation.signal.aborted || !isRetryable(error) || this.#current.isFinished) {
      return { history: this.#history, delayMs: undefined }; // invariant 2
    }
    return decideRestart(restartStrategy, this.#history, clock.now(), random);
  }

  #throwIfCancelled(): void {
    const { signal } = this.#cancellation;
    if (!signal.aborted) return;
    this.#setStatus('cancelled');
    throw signal.reason;
  }

  #setStatus(status: JobStatus, error?: unknown): void {
    const previousStatus = this.#status;
    if (!NEXT[previousStatus].includes(status)) {
      throw new InvariantError(`a job that is ${previousStatus} cannot become ${status}`, {
        details: { invariant: 4 },
      });
    }
    this.#status = status;
    const { jobName, jobId } = this.#current.snapshot();
    publish('millrace:job:status', {
      jobName,
      jobId,
      at: this.#options.clock.now(),
      status,
      previousStatus,
      error,
    });
  }
}
