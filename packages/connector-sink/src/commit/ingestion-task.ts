/**
 * The attempts of one task in Druid: submits them, asks for them, stops them, and holds a slot while one may run. What an
 * answer means is the protocol's to decide.
 */
import { sleep, type Logger } from '@millrace/core-stream';
import { DruidDecodeError, type DruidClient, type TaskStatus } from '@millrace/druid-client';
import { callDruid, isOutage, isRefusal, monotonicNow, type Patience } from '../druid/druid-calls.js';
import type { SpoolServer } from '../spool/spool-server.js';
import type { CommitMetrics } from './commit-metrics.js';
import type { TaskSlot, TaskSlots } from './task-slots.js';

export interface IngestionTaskEnvironment extends Patience {
  readonly druid: DruidClient;
  readonly logger: Logger;
  readonly server: SpoolServer;
  readonly slots: TaskSlots;
  readonly metrics: CommitMetrics;
  readonly taskPollIntervalMs: number;
}

export interface IngestionTaskOptions {
  /** Druid's id of an attempt. */
  readonly idOf: (attempt: number) => string;
  readonly input: { readonly isInline: boolean };
  /** What the log says of it besides its id. */
  readonly about: Readonly<Record<string, unknown>>;
}

export type StatusEvent =
  /** Druid knows no such task. */
  | { readonly type: 'status-unknown' }
  /** `reachable`: whether this process serves the input that the task reads. */
  | { readonly type: 'status-running'; readonly reachable: boolean }
  | { readonly type: 'status-success' }
  | { readonly type: 'status-failed' };

export type SubmitEvent =
  | { readonly type: 'submit-accepted' }
  /** The answer was lost, Druid had the id already, or it was too busy. */
  | { readonly type: 'submit-unclear' }
  | { readonly type: 'submit-refused' };

/** Whatever came of asking a task to stop. */
export interface StopEvent {
  readonly type: 'stop-asked';
}

export interface Submission<T> {
  /** Rejects with the reason when the task is not wanted any more; one that is in Druid goes on. */
  readonly wanted: AbortSignal;
  /** Makes the input ready. `undefined`: an earlier process has submitted the attempt. */
  readonly open: () => Promise<T | undefined>;
  readonly post: (input: T) => Promise<{ readonly alreadyExists: boolean }>;
}

/** With the pauses between them half a minute. */
const MAX_ERROR_PAGES = 6;

export class IngestionTask {
  /** Milliseconds from the beginning to Druid's first answer to a submission, and to the end of an attempt. */
  submittedMs: number | undefined;
  doneMs: number | undefined;
  /** Of the last submission that failed. */
  lastCause: unknown;
  readonly #env: IngestionTaskEnvironment;
  readonly #options: IngestionTaskOptions;
  readonly #startedMs: number;
  /** Attempts that this process has posted: their input is its own. */
  readonly #posted = new Set<number>();
  #slot: TaskSlot | undefined;

  constructor(env: IngestionTaskEnvironment, options: IngestionTaskOptions) {
    this.#env = env;
    this.#options = options;
    this.#startedMs = monotonicNow(env.clock);
  }

  /** Whether this process has posted any attempt. */
  get isPosted(): boolean {
    return this.#posted.size > 0;
  }

  get elapsedMs(): number {
    return Math.round(monotonicNow(this.#env.clock) - this.#startedMs);
  }

  async submit<T>(attempt: number, { wanted, open, post }: Submission<T>): Promise<SubmitEvent> {
    this.#slot ??= await this.#env.slots.acquire(wanted);
    const input = await open();
    if (input === undefined) return { type: 'submit-unclear' };
    if (!this.#posted.has(attempt)) this.#env.metrics.tasks.inc();
    this.#posted.add(attempt);
    try {
      const { alreadyExists } = await post(input);
      this.submittedMs ??= this.elapsedMs;
      return { type: alreadyExists ? 'submit-unclear' : 'submit-accepted' };
    } catch (cause) {
      this.lastCause = cause;
      if (isRefusal(cause) && !isOutage(cause)) return { type: 'submit-refused' };
      if (!isOutage(cause)) throw cause;
      this.log('warn', 'The answer to a task submission did not arrive; its status will tell', attempt);
      return { type: 'submit-unclear' };
    }
  }

  /** @param onFailed called before the answer of an attempt that has FAILED */
  async status(attempt: number, onFailed: (status: TaskStatus) => unknown): Promise<StatusEvent> {
    const status = await this.#ask(attempt);
    if (status === undefined) return { type: 'status-unknown' };
    if (status.statusCode === 'RUNNING') {
      this.#slot ??= this.#env.slots.take();
      if (status.runnerStatusCode === 'RUNNING') this.#slot.started();
      const reachable =
        this.#posted.has(attempt) || this.#env.server.isResumed || this.#options.input.isInline;
      return { type: 'status-running', reachable };
    }
    this.doneMs = this.elapsedMs;
    this.release();
    if (status.statusCode === 'SUCCESS') return { type: 'status-success' };
    this.#env.metrics.failedTasks.inc();
    await onFailed(status);
    return { type: 'status-failed' };
  }

  /** Whether Druid knows the attempt. */
  async exists(attempt: number): Promise<boolean> {
    return (await this.#ask(attempt)) !== undefined;
  }

  async stop(attempt: number): Promise<StopEvent> {
    this.log(
      'info',
      'A task of an earlier process reads from an address that is gone; it is stopped',
      attempt,
    );
    try {
      await this.#env.druid.tasks.shutdown(this.#options.idOf(attempt));
    } catch (cause) {
      // It may have ended in the meantime; its status tells.
      if (!isOutage(cause) && !isRefusal(cause)) throw cause;
    }
    return { type: 'stop-asked' };
  }

  /**
   * What the attempt reports of itself; `undefined` where Druid keeps nothing. While a task ends, the Overlord may pass on an
   * error page of its worker, with status 200: then it is asked again.
   */
  async reports(attempt: number): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { druid, signal } = this.#env;
    for (let pages = 1; ; pages++) {
      const reports = await callDruid(this.#env, 'a task report', () =>
        druid.tasks.reports(this.#options.idOf(attempt), { signal }).catch((error: unknown) => {
          if (DruidDecodeError.is(error) && pages <= MAX_ERROR_PAGES) return 'page' as const;
          throw error;
        }),
      );
      if (reports !== 'page') return reports;
      await this.pause(pages);
    }
  }

  /** Waits until it is time to ask for a running task again. */
  untilNextLook(): Promise<void> {
    const { clock, taskPollIntervalMs, signal } = this.#env;
    return sleep(clock, taskPollIntervalMs, signal);
  }

  /** Waits longer from time to time, half a minute at most. */
  pause(times: number): Promise<void> {
    const { clock, signal } = this.#env;
    return sleep(clock, Math.min(250 * 2 ** times, 30_000), signal);
  }

  log(level: 'info' | 'warn', message: string, attempt: number): void {
    this.#env.logger[level](message, { taskId: this.#options.idOf(attempt), ...this.#options.about });
  }

  /** Gives the slot back, where it holds one. */
  release(): void {
    this.#slot?.release();
    this.#slot = undefined;
  }

  #ask(attempt: number): Promise<TaskStatus | undefined> {
    const { druid, signal } = this.#env;
    const id = this.#options.idOf(attempt);
    return callDruid(this.#env, 'a task status', () => druid.tasks.status(id, { signal }));
  }
}
