/**
 * Runs a plan on one thread: every subtask takes turns in one event loop.
 *
 * Role: one attempt: gives its tasks their turns, and ends it. Boundary: what it consists of is made and closed by
 * `attempt-parts`; checkpoints are `checkpoint-driver`'s, waiting inside a task is the task's; whether there is another attempt is the
 * supervisor's business.
 *
 * Invariants
 * 1. The first failure decides: nothing is processed after it, everything is closed, `run` rejects with it.
 * 2. I/O gets its turn: after some batches the loop lets the event loop run.
 */
import { CheckpointError, JobCancelledError, StreamConfigError } from '../errors.js';
import { AttemptParts, type AttemptListener } from './attempt-parts.js';
import type { CheckpointDriver } from './checkpoint-driver.js';
import type { SavepointRequest } from './checkpoint-requests.js';
import { NO_CHECKPOINTS } from './checkpoint-statistics.js';
import type { JobOptions } from './job-options.js';
import type { AttemptSnapshot } from './job-result.js';
import type { PendingCalls } from './pending-calls.js';
import { summarize } from './summarize.js';
import type { OperatorSnapshot } from './task.js';
import { untilAborted } from './until-aborted.js';

/** Turns of all tasks before the event loop gets one (invariant 2). */
const TURNS_PER_YIELD = 16;

export class LocalJob implements AttemptListener {
  readonly #options: JobOptions;
  readonly #parts: AttemptParts;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  #checkpoints: CheckpointDriver | undefined;
  /** Asked for while the job was starting. */
  readonly #early: ((driver: CheckpointDriver | undefined) => void)[] = [];
  #failure: { readonly error: unknown } | undefined;
  /** Everything is committed; mail that is still to be read (a notification) is read before the job ends. */
  #isFinished = false;
  #isDone = false;
  #wake: (() => void) | undefined;

  constructor(options: JobOptions) {
    this.#options = options;
    this.#parts = new AttemptParts(options, this.#abort.signal);
    this.#startedAt = options.clock.now();
  }

  async run(): Promise<AttemptSnapshot> {
    try {
      // What never settles while the job starts does not keep it from being cancelled.
      this.#checkpoints = await untilAborted(this.#parts.start(this), this.#abort.signal);
      for (const ask of this.#early.splice(0)) ask(this.#checkpoints);
      await this.#loop();
    } catch (error) {
      this.onFailure(error);
    }
    this.#abort.abort(this.#failure?.error ?? new JobCancelledError('The job has ended.'));
    for (const ask of this.#early.splice(0)) ask(undefined);
    const [error] = await this.#parts.close();
    // What a writer could not close after everything was committed has lost nothing, but is not success either.
    if (error !== undefined) this.#failure ??= { error };
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.snapshot();
  }

  cancel(error: JobCancelledError): void {
    this.onFailure(error);
  }

  snapshot(): AttemptSnapshot {
    const { jobName, plan, clock } = this.#options;
    return {
      jobName,
      jobId: this.#parts.jobId,
      durationMs: clock.now() - this.#startedAt,
      operators: summarize(plan, this.#parts.tasks),
      checkpoints: this.#checkpoints?.statistics ?? { ...NO_CHECKPOINTS, pendingCommits: 0 },
    };
  }

  /** Whether it has ended because it was asked to suspend. */
  get isSuspended(): boolean {
    return this.#checkpoints?.isSuspended ?? false;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** The newest checkpoint that it has taken, or started from; 0 for none, `undefined` where it has not come as far. */
  get reachedCheckpointId(): number | undefined {
    return this.#checkpoints?.statistics.lastId ?? this.#parts.restoredId;
  }

  /**
   * Asks for a checkpoint or a savepoint, now or when the job has started.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` for a job that cannot take one
   */
  async request(request: SavepointRequest): Promise<void> {
    const { checkpointing, jobName, plan } = this.#options;
    const drainsOnly = request.then === 'drain' && request.target === undefined;
    if (plan.isBatch || (checkpointing === undefined && !drainsOnly)) {
      throw new StreamConfigError(
        `The job '${jobName}' ` +
          (plan.isBatch
            ? 'runs in batch mode, where nothing is stored before the end. Cancel it instead.'
            : 'takes no checkpoints, so there is nothing to go on from. Call enableCheckpointing, or stop it with { drain: true }.'),
      );
    }
    return new Promise((resolve, reject) => {
      const ask = (driver: CheckpointDriver | undefined) => {
        if (driver !== undefined) driver.request(request).then(resolve, reject);
        else
          reject(
            new CheckpointError(
              'The job has ended, or is being restarted, before a checkpoint could be taken.',
              { retryable: true },
            ),
          );
      };
      if (this.#checkpoints !== undefined || this.#hasFailed()) ask(this.#checkpoints);
      else this.#early.push(ask);
    });
  }

  // The loop.

  async #loop(): Promise<void> {
    let turns = 0;
    const { meterClock } = this.#options.metrics;
    while (!this.#hasFailed()) {
      let hasWorked = false;
      meterClock.read(); // there may have been a wait
      for (const task of this.#parts.tasks) {
        if (task.step()) hasWorked = true;
        if (this.#hasFailed()) return;
      }
      if (!hasWorked) {
        if (this.#isFinished) {
          this.#isDone = true;
          return;
        }
        turns = 0;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      } else if (++turns >= TURNS_PER_YIELD) {
        turns = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  #hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  // What tasks, and their checkpoints, tell.

  get storesState(): boolean {
    return this.#options.checkpointing !== undefined;
  }

  get pending(): PendingCalls {
    return this.#parts.pending;
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  onFailure(error: unknown): void {
    if (this.#failure !== undefined || this.#isDone) return; // invariant 1
    this.#failure = { error };
    this.#options.onFailing();
    this.#abort.abort(error);
    this.wake();
  }

  onFinished(): void {
    this.#isFinished = true;
    this.wake();
  }

  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void {
    if (!this.#hasFailed()) this.#checkpoints?.onSnapshot(taskId, checkpointId, operators);
  }

  isSavepoint(checkpointId: number): boolean {
    return this.#checkpoints?.isSavepoint(checkpointId) ?? false;
  }

  onDecline(_taskId: string, checkpointId: number, error: unknown): void {
    this.#checkpoints?.onDecline(checkpointId, error);
  }

  onEnd(taskId: string): void {
    this.#checkpoints?.onEnd(taskId);
  }
}
