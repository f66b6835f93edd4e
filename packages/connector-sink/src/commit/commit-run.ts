/**
 * Carries out the commit protocol for one spool file: each phase's step is one call, its outcome the next event. All
 * decisions are in `commit-protocol.ts`.
 */
import { sleep } from '@millrace/core-stream';
import type { TaskStatus } from '@millrace/druid-client';
import { callDruid, isOutage, isRefusal, monotonicNow } from '../druid/druid-calls.js';
import { TaskInput } from '../spool/task-input.js';
import type { CommitResult, CommitRunEnvironment, CommitRunOptions } from './commit-environment.js';
import { commitFailure } from './commit-failure.js';
import { beginCommit, nextCommitState, type CommitEvent, type CommitState } from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import { appendTask, attemptId } from './ingestion-spec.js';
import { MAX_REJECTED_ROWS, type RejectedRow } from './rejected-rows.js';
import { examineFailure, examineSuccess } from './task-reports.js';
import type { TaskSlot } from './task-slots.js';

type Step = Exclude<CommitState, { readonly phase: 'committed' | 'failed' }>;

export class CommitRun {
  readonly #env: CommitRunEnvironment;
  readonly #options: CommitRunOptions;
  readonly #committable: SpoolCommittable;
  readonly #startedMs: number;
  #submittedMs: number | undefined;
  #taskDoneMs: number | undefined;
  readonly #input: TaskInput;
  /** Attempts that this process has posted: their input is its own. */
  readonly #posted = new Set<number>();
  #slot: TaskSlot | undefined;
  #isAccepted = false;
  /** What the attempt in question has left out, or has failed by. */
  #rejected: readonly RejectedRow[] = [];
  /** Whether the attempt in question has failed by a row. */
  #hasRejected = false;
  #lastCause: unknown;
  #lastTaskError: string | undefined;

  constructor(env: CommitRunEnvironment, options: CommitRunOptions) {
    this.#env = env;
    this.#options = options;
    this.#committable = options.request.committable;
    this.#startedMs = monotonicNow(env.clock);
    this.#input = new TaskInput({ ...env, committable: this.#committable });
  }

  /** Resolves once the file is in Druid exactly once. @throws DruidSinkError */
  async run(): Promise<CommitResult> {
    const { rules } = this.#env;
    const { inherited, toleratesRejected, baseId } = this.#options;
    const canCount = this.#committable.commitId !== null;
    try {
      // A task of the process before may be reading: serve first, ask then.
      if (inherited) await this.#input.serveInherited();
      let state = beginCommit({ ...rules, canCount, toleratesRejected }, { inherited });
      while (state.phase !== 'committed' && state.phase !== 'failed') {
        this.#env.signal.throwIfAborted();
        state = nextCommitState(state, await this.#step(state));
        await this.#noteAccepted(state);
      }
      const taskId = attemptId(baseId, state.attempt);
      if (state.phase === 'failed') {
        throw commitFailure(state.failure, {
          taskId,
          committable: this.#committable,
          attempts: state.attempt,
          taskError: this.#lastTaskError,
          cause: this.#lastCause,
        });
      }
      const nowMs = this.#elapsedMs();
      const timings = {
        submittedMs: this.#submittedMs ?? 0,
        taskDoneMs: this.#taskDoneMs ?? nowMs,
        queryableMs: rules.untilQueryable ? nowMs : undefined,
      };
      return { taskId, attempt: state.attempt, rejected: this.#rejected, timings };
    } finally {
      this.#slot?.release();
      this.#input.close();
    }
  }

  async #noteAccepted(state: CommitState): Promise<void> {
    const isHeld =
      state.phase === 'running' ? !state.stopped : ['checking', 'committed'].includes(state.phase);
    if (!isHeld || this.#isAccepted) return;
    this.#isAccepted = true;
    await this.#options.onAccepted?.();
  }

  /** Milliseconds since the commit began. */
  #elapsedMs(): number {
    return Math.round(monotonicNow(this.#env.clock) - this.#startedMs);
  }

  async #step(state: Step): Promise<CommitEvent> {
    switch (state.phase) {
      case 'resolving':
        // A second look at the same attempt means that the answers do not agree yet: give them a moment.
        if (state.posts > 0) await this.#pause(state.posts);
        return this.#askStatus(state.attempt);
      case 'submitting':
        if (state.submitted > 1 && state.posts === 1) await this.#pause(state.submitted);
        return this.#submit(state.attempt, state.tolerant);
      case 'running':
        await sleep(this.#env.clock, this.#env.taskPollIntervalMs, this.#env.signal);
        return this.#askStatus(state.attempt);
      case 'stopping':
        await this.#stop(state.attempt);
        return { type: 'stop-asked' };
      case 'checking':
        return this.#checkRowStats(state.attempt);
      case 'appearing':
        return this.#awaitQueryable(state.inherited);
      case 'counting': {
        const expected = state.tolerant ? this.#expected() : this.#committable;
        const found = await this.#env.publishedRows.count(expected, state.stopped);
        this.#log('warn', `A task has ended without success; its rows were counted: ${found}`, state.attempt);
        if (found !== 'all') return { type: `counted-${found}`, rejected: this.#hasRejected };
        if (!state.tolerant) this.#rejected = [];
        return { type: 'counted-all' };
      }
    }
  }

  async #askStatus(attempt: number): Promise<CommitEvent> {
    const { druid, signal, server } = this.#env;
    const id = this.#taskId(attempt);
    const status = await this.#call('a task status', () => druid.tasks.status(id, { signal }));
    this.#hasRejected = false;
    if (status === undefined) return { type: 'status-unknown' };
    if (status.statusCode === 'RUNNING') {
      this.#slot ??= this.#env.slots.take();
      if (status.runnerStatusCode === 'RUNNING') this.#slot.started();
      const reachable = this.#posted.has(attempt) || server.isResumed || this.#input.isInline;
      return { type: 'status-running', reachable };
    }
    this.#taskDoneMs = this.#elapsedMs();
    if (status.statusCode === 'SUCCESS') return { type: 'status-success' };
    await this.#noteFailure(status);
    return { type: 'status-failed' };
  }

  async #noteFailure({ id, errorMsg }: TaskStatus): Promise<void> {
    const { druid, directory, logger, metrics, signal } = this.#env;
    metrics.failedTasks.inc();
    const reports = await this.#call('a task report', () => druid.tasks.reports(id, { signal }));
    const { rejected, isByRow } = await examineFailure(reports, this.#committable, directory);
    this.#rejected = rejected;
    this.#hasRejected = isByRow;
    const [row] = rejected;
    this.#lastTaskError =
      row === undefined ? (errorMsg?.split('\n')[0] ?? 'no reason given') : `line ${row.line}: ${row.reason}`;
    logger.warn('An ingestion task failed', { taskId: id, reason: this.#lastTaskError });
  }

  async #submit(attempt: number, tolerant: boolean): Promise<CommitEvent> {
    const { druid, metrics, slots, taskContext, tuningConfig } = this.#env;
    this.#slot ??= await slots.acquire(this.#options.wanted);
    if (!this.#posted.has(attempt)) metrics.tasks.inc();
    if (this.#options.inherited && this.#posted.size === 0) {
      if (await this.#wasCommittedBy(attempt)) return { type: 'submit-unclear' };
      // What an earlier process wrote may have suffered in the crash; what this one wrote it has just synced.
      await this.#input.verify();
    }
    const input = await this.#input.open();
    const task = appendTask(this.#committable, {
      id: this.#taskId(attempt),
      input,
      maxRejectedRows: tolerant ? MAX_REJECTED_ROWS : 0,
      taskContext,
      tuningConfig,
    });
    this.#posted.add(attempt);
    try {
      const { alreadyExists } = await druid.tasks.submit(task);
      this.#submittedMs ??= this.#elapsedMs();
      return { type: alreadyExists ? 'submit-unclear' : 'submit-accepted' };
    } catch (cause) {
      this.#lastCause = cause;
      if (isRefusal(cause) && !isOutage(cause)) return { type: 'submit-refused' };
      if (!isOutage(cause)) throw cause;
      this.#log('warn', 'The answer to a task submission did not arrive; its status will tell', attempt);
      return { type: 'submit-unclear' };
    }
  }

  /** An attempt that has left out every row leaves nothing to be counted; its file is gone when all was handed on. */
  async #wasCommittedBy(attempt: number): Promise<boolean> {
    const { directory, druid, signal } = this.#env;
    if (await directory.has(this.#committable.file)) return false;
    const id = this.#taskId(attempt);
    return (await this.#call('a task status', () => druid.tasks.status(id, { signal }))) !== undefined;
  }

  async #stop(attempt: number): Promise<void> {
    this.#log(
      'info',
      'A task of an earlier process reads from an address that is gone; it is stopped',
      attempt,
    );
    try {
      await this.#env.druid.tasks.shutdown(this.#taskId(attempt));
    } catch (cause) {
      // It may have ended in the meantime; its status tells.
      if (!isOutage(cause) && !isRefusal(cause)) throw cause;
    }
  }

  async #checkRowStats(attempt: number): Promise<CommitEvent> {
    const { druid, directory, publishedRows, signal } = this.#env;
    const { toleratesRejected } = this.#options;
    const id = this.#taskId(attempt);
    const reports = await this.#call('a task report', () => druid.tasks.reports(id, { signal }));
    const { verdict, mismatch, rejected } = await examineSuccess(reports, this.#committable, directory);
    this.#rejected = rejected;
    const isExpected = rejected.length === 0 || toleratesRejected;
    if (verdict === 'agrees' && isExpected) return { type: 'report-agrees' };
    this.#lastTaskError = mismatch ?? (isExpected ? 'Druid keeps no report of it' : 'rows were left out');
    if (verdict !== 'unknown') return { type: 'report-differs' };
    // Without a report nobody can tell which rows the task has left out, if it was allowed to.
    if (toleratesRejected && this.#committable.commitId !== null) {
      const found = await publishedRows.count(this.#committable, false);
      return { type: found === 'all' ? 'report-agrees' : 'report-differs' };
    }
    this.#log('warn', 'Druid keeps no report of a task: its row counts are not compared', attempt);
    return { type: 'report-agrees' };
  }

  /** What is to be found in Druid. */
  #expected(): SpoolCommittable {
    return { ...this.#committable, rows: this.#committable.rows - this.#rejected.length };
  }

  async #awaitQueryable(inherited: boolean): Promise<CommitEvent> {
    const { publishedRows } = this.#env;
    // What an earlier process has published may have been compacted or dropped since: then counts prove nothing.
    if (inherited || this.#committable.commitId === null) {
      await publishedRows.untilLoaded(this.#committable);
      return { type: 'rows-queryable' };
    }
    const expected = this.#expected();
    if (expected.rows === 0) return { type: 'rows-queryable' }; // Druid could read none of them
    const found = await publishedRows.untilCounted(expected);
    return found === 'all' ? { type: 'rows-queryable' } : { type: 'counted-other', rejected: false };
  }

  #taskId(attempt: number): string {
    return attemptId(this.#options.baseId, attempt);
  }

  #pause(times: number): Promise<void> {
    return sleep(this.#env.clock, Math.min(250 * 2 ** times, 30_000), this.#env.signal);
  }

  #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    return callDruid(this.#env, what, call);
  }

  #log(level: 'info' | 'warn', message: string, attempt: number): void {
    this.#env.logger[level](message, { taskId: this.#taskId(attempt), file: this.#committable.file });
  }
}
