/**
 * Carries out the commit protocol for one spool file: each phase's step is one call, its outcome the next event. All
 * decisions are in `commit-protocol.ts`.
 */
import type { DruidClient, TaskStatus } from '@millrace/druid-client';
import { sleep, type CommitRequest, type Logger } from '@millrace/core-stream';
import type { CommitTimings } from './commit-event.js';
import { commitFailure } from './commit-failure.js';
import {
  beginCommit,
  nextCommitState,
  type CommitEvent,
  type CommitRules,
  type CommitState,
} from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import { callDruid, isOutage, isRefusal, type Patience } from '../druid/druid-calls.js';
import { appendTask, attemptId } from './ingestion-spec.js';
import type { PublishedRows } from './published-rows.js';
import { readRowStats, rowStatsMismatch } from './row-stats.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolServer } from '../spool/spool-server.js';
import { TaskInput } from '../spool/task-input.js';

/** What all runs of one committer share. */
export interface CommitRunEnvironment extends Patience {
  readonly druid: DruidClient;
  readonly logger: Logger;
  readonly directory: SpoolDirectory;
  readonly server: SpoolServer;
  readonly publishedRows: PublishedRows;
  readonly rules: Omit<CommitRules, 'canCount'>;
  readonly taskPollIntervalMs: number;
  readonly inlineMaxBytes: number;
  readonly taskContext: Readonly<Record<string, unknown>>;
  readonly tuningConfig: Readonly<Record<string, unknown>>;
}

export interface CommitRunOptions {
  readonly request: CommitRequest<SpoolCommittable>;
  readonly baseId: string;
  readonly inherited: boolean;
}

export interface CommitResult {
  readonly taskId: string;
  readonly attempt: number;
  readonly timings: CommitTimings;
}

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
  #lastCause: unknown;
  #lastTaskError: string | undefined;

  constructor(env: CommitRunEnvironment, options: CommitRunOptions) {
    this.#env = env;
    this.#options = options;
    this.#committable = options.request.committable;
    this.#startedMs = env.clock.now();
    this.#input = new TaskInput({ ...env, committable: this.#committable });
  }

  /** Resolves once the file is in Druid exactly once. @throws DruidSinkError */
  async run(): Promise<CommitResult> {
    const { clock, rules } = this.#env;
    const { inherited, baseId } = this.#options;
    try {
      // A task of the process before may be reading: serve first, ask then.
      if (inherited) await this.#input.serveInherited();
      let state = beginCommit({ ...rules, canCount: this.#committable.commitId !== null }, { inherited });
      while (state.phase !== 'committed' && state.phase !== 'failed') {
        this.#env.signal.throwIfAborted();
        state = nextCommitState(state, await this.#step(state));
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
      const nowMs = clock.now();
      const taskDoneMs = this.#taskDoneMs ?? nowMs;
      return {
        taskId,
        attempt: state.attempt,
        timings: {
          submittedMs: (this.#submittedMs ?? this.#startedMs) - this.#startedMs,
          taskDoneMs: taskDoneMs - this.#startedMs,
          queryableMs: rules.untilQueryable ? nowMs - this.#startedMs : undefined,
        },
      };
    } finally {
      this.#input.close();
    }
  }

  async #step(state: Step): Promise<CommitEvent> {
    switch (state.phase) {
      case 'resolving':
        // A second look at the same attempt means that the answers do not agree yet: give them a moment.
        if (state.posts > 0) await this.#pause(state.posts);
        return this.#askStatus(state.attempt);
      case 'submitting':
        if (state.submitted > 1 && state.posts === 1) await this.#pause(state.submitted);
        return this.#submit(state.attempt);
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
        const found = await this.#env.publishedRows.count(this.#committable, state.stopped);
        this.#log('warn', `A task has ended without success; its rows were counted: ${found}`, state.attempt);
        return { type: `counted-${found}` };
      }
    }
  }

  async #askStatus(attempt: number): Promise<CommitEvent> {
    const { druid, signal, server } = this.#env;
    const id = this.#taskId(attempt);
    const status = await this.#call('a task status', () => druid.tasks.status(id, { signal }));
    if (status === undefined) return { type: 'status-unknown' };
    if (status.statusCode === 'RUNNING') {
      const reachable = this.#posted.has(attempt) || server.isResumed || this.#input.isInline;
      return { type: 'status-running', reachable };
    }
    this.#noteEnd(status);
    return { type: status.statusCode === 'SUCCESS' ? 'status-success' : 'status-failed' };
  }

  #noteEnd(status: TaskStatus): void {
    this.#taskDoneMs = this.#env.clock.now();
    if (status.statusCode !== 'FAILED') return;
    this.#lastTaskError = status.errorMsg?.split('\n')[0] ?? 'no reason given';
    this.#env.logger.warn('An ingestion task failed', { taskId: status.id, reason: this.#lastTaskError });
  }

  async #submit(attempt: number): Promise<CommitEvent> {
    const { druid, taskContext, tuningConfig } = this.#env;
    // What an earlier process wrote may have suffered in the crash; what this one wrote it has just synced.
    if (this.#options.inherited && this.#posted.size === 0) await this.#input.verify();
    const input = await this.#input.open();
    const task = appendTask(this.#committable, {
      id: this.#taskId(attempt),
      input,
      taskContext,
      tuningConfig,
    });
    this.#posted.add(attempt);
    try {
      const { alreadyExists } = await druid.tasks.submit(task);
      this.#submittedMs ??= this.#env.clock.now();
      return { type: alreadyExists ? 'submit-unclear' : 'submit-accepted' };
    } catch (cause) {
      this.#lastCause = cause;
      if (isRefusal(cause) && !isOutage(cause)) return { type: 'submit-refused' };
      if (!isOutage(cause)) throw cause;
      this.#log('warn', 'The answer to a task submission did not arrive; its status will tell', attempt);
      return { type: 'submit-unclear' };
    }
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
    const { druid } = this.#env;
    const reports = await this.#call('a task report', () => druid.tasks.reports(this.#taskId(attempt)));
    const stats = readRowStats(reports);
    if (stats === undefined) {
      this.#log('warn', 'Druid keeps no report of a task: its row counts are not compared', attempt);
      return { type: 'report-agrees' };
    }
    const mismatch = rowStatsMismatch(stats, this.#committable.rows);
    if (mismatch === undefined) return { type: 'report-agrees' };
    this.#lastTaskError = mismatch;
    return { type: 'report-differs' };
  }

  async #awaitQueryable(inherited: boolean): Promise<CommitEvent> {
    const { publishedRows } = this.#env;
    // What an earlier process has published may have been compacted or dropped since: then counts prove nothing.
    if (inherited || this.#committable.commitId === null) {
      await publishedRows.untilLoaded(this.#committable);
      return { type: 'rows-queryable' };
    }
    const found = await publishedRows.untilCounted(this.#committable);
    return { type: found === 'all' ? 'rows-queryable' : 'counted-other' };
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
