/**
 * Carries out the commit protocol for one spool file: each phase's step is one call, its outcome the next event. All
 * decisions are in `commit-protocol.ts`.
 */
import type { TaskStatus } from '@millrace/druid-client';
import { TaskInput } from '../spool/task-input.js';
import type { CommitResult, CommitRunEnvironment, CommitRunOptions } from './commit-environment.js';
import { commitFailure } from './commit-failure.js';
import { beginCommit, nextCommitState, type CommitEvent, type CommitState } from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import { appendTask, attemptId } from './ingestion-spec.js';
import { IngestionTask, type SubmitEvent } from './ingestion-task.js';
import { MAX_REJECTED_ROWS, type RejectedRow } from './rejected-rows.js';
import { examineFailure, examineSuccess } from './task-reports.js';

type Step = Exclude<CommitState, { readonly phase: 'committed' | 'failed' }>;

export class CommitRun {
  readonly #env: CommitRunEnvironment;
  readonly #options: CommitRunOptions;
  readonly #committable: SpoolCommittable;
  readonly #input: TaskInput;
  readonly #task: IngestionTask;
  #isAccepted = false;
  /** What the attempt in question has left out, or has failed by. */
  #rejected: readonly RejectedRow[] = [];
  /** Whether the attempt in question has failed by a row. */
  #hasRejected = false;
  #lastTaskError: string | undefined;

  constructor(env: CommitRunEnvironment, options: CommitRunOptions) {
    this.#env = env;
    this.#options = options;
    this.#committable = options.request.committable;
    this.#input = new TaskInput({ ...env, committable: this.#committable });
    this.#task = new IngestionTask(env, {
      idOf: (attempt) => attemptId(options.baseId, attempt),
      input: this.#input,
      about: { file: this.#committable.file },
    });
  }

  /** Resolves once the file is in Druid exactly once. @throws DruidSinkError */
  async run(): Promise<CommitResult> {
    const { rules } = this.#env;
    const { inherited, toleratesRejected, baseId } = this.#options;
    const canCount = this.#committable.commitId !== null;
    const task = this.#task;
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
          cause: task.lastCause,
        });
      }
      const nowMs = task.elapsedMs;
      const timings = {
        submittedMs: task.submittedMs ?? 0,
        taskDoneMs: task.doneMs ?? nowMs,
        queryableMs: rules.untilQueryable ? nowMs : undefined,
      };
      return { taskId, attempt: state.attempt, rejected: this.#rejected, timings };
    } finally {
      task.release();
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

  async #step(state: Step): Promise<CommitEvent> {
    const task = this.#task;
    switch (state.phase) {
      case 'resolving':
        // A second look at the same attempt means that the answers do not agree yet: give them a moment.
        if (state.posts > 0) await task.pause(state.posts);
        return this.#askStatus(state.attempt);
      case 'submitting':
        if (state.submitted > 1 && state.posts === 1) await task.pause(state.submitted);
        return this.#submit(state.attempt, state.tolerant);
      case 'running':
        await task.untilNextLook();
        return this.#askStatus(state.attempt);
      case 'stopping':
        return task.stop(state.attempt);
      case 'checking':
        return this.#checkRowStats(state.attempt);
      case 'appearing':
        return this.#awaitQueryable(state.inherited);
      case 'counting': {
        const expected = state.tolerant ? this.#expected() : this.#committable;
        const found = await this.#env.publishedRows.count(expected, state.stopped);
        task.log('warn', `A task has ended without success; its rows were counted: ${found}`, state.attempt);
        if (found !== 'all') return { type: `counted-${found}`, rejected: this.#hasRejected };
        if (!state.tolerant) this.#rejected = [];
        return { type: 'counted-all' };
      }
    }
  }

  #askStatus(attempt: number): Promise<CommitEvent> {
    this.#hasRejected = false;
    return this.#task.status(attempt, (status) => this.#noteFailure(status, attempt));
  }

  async #noteFailure({ id, errorMsg }: TaskStatus, attempt: number): Promise<void> {
    const { directory, logger } = this.#env;
    const reports = await this.#task.reports(attempt);
    const { rejected, isByRow } = await examineFailure(reports, this.#committable, directory);
    this.#rejected = rejected;
    this.#hasRejected = isByRow;
    const [row] = rejected;
    this.#lastTaskError =
      row === undefined ? (errorMsg?.split('\n')[0] ?? 'no reason given') : `line ${row.line}: ${row.reason}`;
    logger.warn('An ingestion task failed', { taskId: id, reason: this.#lastTaskError });
  }

  #submit(attempt: number, tolerant: boolean): Promise<SubmitEvent> {
    const { druid, taskContext, tuningConfig } = this.#env;
    return this.#task.submit(attempt, {
      wanted: this.#options.wanted,
      open: async () => {
        if (this.#options.inherited && !this.#task.isPosted) {
          if (await this.#wasCommittedBy(attempt)) return undefined;
          // What an earlier process wrote may have suffered in the crash; what this one wrote it has just synced.
          await this.#input.verify();
        }
        return this.#input.open();
      },
      post: (input) =>
        druid.tasks.submit(
          appendTask(this.#committable, {
            id: attemptId(this.#options.baseId, attempt),
            input,
            maxRejectedRows: tolerant ? MAX_REJECTED_ROWS : 0,
            taskContext,
            tuningConfig,
          }),
        ),
    });
  }

  /** An attempt that has left out every row leaves nothing to be counted; its file is gone when all was handed on. */
  async #wasCommittedBy(attempt: number): Promise<boolean> {
    if (await this.#env.directory.has(this.#committable.file)) return false;
    return this.#task.exists(attempt);
  }

  async #checkRowStats(attempt: number): Promise<CommitEvent> {
    const { directory, publishedRows } = this.#env;
    const { toleratesRejected } = this.#options;
    const reports = await this.#task.reports(attempt);
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
    this.#task.log('warn', 'Druid keeps no report of a task: its row counts are not compared', attempt);
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
}
