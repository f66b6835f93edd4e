/**
 * Carries out the replace protocol for one revision: each phase's step is one call, its outcome the next event. All
 * decisions are in `replace-protocol.ts`.
 */
import type { DruidClient, TaskStatus } from '@millrace/druid-client';
import { sleep, type Logger } from '@millrace/core-stream';
import type { CommitMetrics } from '../commit/commit-metrics.js';
import { attemptId } from '../commit/ingestion-spec.js';
import { readRowStats, rowStatsMismatch } from '../commit/row-stats.js';
import type { TaskSlot, TaskSlots } from '../commit/task-slots.js';
import { callDruid, isOutage, isRefusal, monotonicNow, type Patience } from '../druid/druid-calls.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolServer } from '../spool/spool-server.js';
import type { ChunkRevision } from './chunk-committable.js';
import { RevisionInput } from './chunk-input.js';
import type { ChunkRows } from './chunk-rows.js';
import { replaceFailure } from './replace-failure.js';
import {
  beginRevision,
  nextReplaceState,
  type ReplaceEvent,
  type ReplaceRules,
  type ReplaceState,
} from './replace-protocol.js';
import { replaceQuery, replaceTask } from './replace-task.js';

/** What all runs of one committer share. */
export interface RevisionEnvironment extends Patience {
  readonly druid: DruidClient;
  readonly logger: Logger;
  readonly directory: SpoolDirectory;
  readonly server: SpoolServer;
  readonly chunkRows: ChunkRows;
  readonly metrics: CommitMetrics;
  readonly slots: TaskSlots;
  readonly written: ReadonlySet<string>;
  readonly rules: ReplaceRules;
  readonly via: 'native' | 'msq';
  readonly taskPollIntervalMs: number;
  readonly inlineMaxBytes: number;
  readonly taskContext: Readonly<Record<string, unknown>>;
  readonly tuningConfig: Readonly<Record<string, unknown>>;
}

export interface RevisionRunOptions {
  readonly revision: ChunkRevision;
  readonly baseId: string;
  readonly inherited: boolean;
  /** An earlier commit has confirmed it: its files were released. */
  readonly isConfirmed: boolean;
}

export interface RevisionResult {
  readonly taskId: string;
  readonly attempt: number;
  /** Milliseconds since the run began. */
  readonly submittedMs: number;
  readonly taskDoneMs: number;
  readonly doneMs: number;
}

type Step = Exclude<ReplaceState, { readonly phase: 'committed' | 'failed' }>;

export class RevisionRun {
  readonly #env: RevisionEnvironment;
  readonly #options: RevisionRunOptions;
  readonly #input: RevisionInput;
  #slot: TaskSlot | undefined;
  readonly #startedMs: number;
  #submittedMs = 0;
  #taskDoneMs = 0;
  /** Attempts that this process has posted: their input is its own. */
  readonly #posted = new Set<number>();
  #lastCause: unknown;
  #lastReason = 'no reason given';

  constructor(env: RevisionEnvironment, options: RevisionRunOptions) {
    this.#env = env;
    this.#options = options;
    this.#input = new RevisionInput({ ...env, revision: options.revision });
    this.#startedMs = monotonicNow(env.clock);
  }

  /** Resolves once the revision is in Druid. @throws DruidSinkError */
  async run(): Promise<RevisionResult> {
    const { inherited, revision } = this.#options;
    const { rules, signal } = this.#env;
    try {
      // A task of the process before may be reading: serve first, ask then.
      if (inherited) await this.#input.serveInherited();
      let state = beginRevision(rules, { inherited });
      while (state.phase !== 'committed' && state.phase !== 'failed') {
        signal.throwIfAborted();
        state = nextReplaceState(state, await this.#step(state));
      }
      const { attempt } = state;
      const taskId = this.#taskId(attempt);
      if (state.phase === 'failed') {
        const facts = { taskId, revision, attempt, reason: this.#lastReason, cause: this.#lastCause };
        throw replaceFailure(state.failure, facts);
      }
      const times = { submittedMs: this.#submittedMs, taskDoneMs: this.#taskDoneMs, doneMs: this.#elapsed() };
      return { taskId, attempt, ...times };
    } finally {
      this.#slot?.release();
      this.#input.close();
    }
  }

  async #step(state: Step): Promise<ReplaceEvent> {
    const { taskPollIntervalMs, clock, signal } = this.#env;
    switch (state.phase) {
      case 'resolving':
        // A second look at the same attempt means that the answers do not agree yet: give them a moment.
        if (state.posts > 0) await this.#pause(state.posts);
        return this.#askStatus(state.attempt);
      case 'submitting':
        if (state.submitted > 1 && state.posts === 1) await this.#pause(state.submitted);
        return this.#submit(state.attempt);
      case 'running':
        await sleep(clock, taskPollIntervalMs, signal);
        return this.#askStatus(state.attempt);
      case 'stopping':
        await this.#stop(state.attempt);
        return { type: 'stop-asked' };
      case 'checking':
        return this.#checkRowStats(state.attempt);
      case 'appearing':
        return this.#awaitRows(state.isProven);
    }
  }

  async #askStatus(attempt: number): Promise<ReplaceEvent> {
    const { druid, signal, server } = this.#env;
    const id = this.#taskId(attempt);
    const status = await this.#call('a task status', () => druid.tasks.status(id, { signal }));
    if (status === undefined) return { type: 'status-unknown' };
    if (status.statusCode === 'RUNNING') {
      this.#slot ??= this.#env.slots.take();
      if (status.runnerStatusCode === 'RUNNING') this.#slot.started();
      const reachable = this.#posted.has(attempt) || server.isResumed || this.#input.isInline;
      return { type: 'status-running', reachable };
    }
    this.#noteEnd(status);
    return { type: status.statusCode === 'SUCCESS' ? 'status-success' : 'status-failed' };
  }

  #noteEnd({ id, statusCode, errorMsg }: TaskStatus): void {
    this.#taskDoneMs = this.#elapsed();
    this.#slot?.release();
    this.#slot = undefined;
    if (statusCode === 'SUCCESS') return;
    this.#env.metrics.failedTasks.inc();
    this.#lastReason = errorMsg?.split('\n')[0] ?? 'no reason given';
    this.#env.logger.warn('A task that replaces a chunk failed', { taskId: id, reason: this.#lastReason });
  }

  async #submit(attempt: number): Promise<ReplaceEvent> {
    const { druid, via, metrics, slots, signal, taskContext, tuningConfig } = this.#env;
    const { revision, baseId } = this.#options;
    const input = await this.#input.open();
    const id = attemptId(baseId, attempt);
    this.#slot ??= await slots.acquire(signal);
    if (!this.#posted.has(attempt)) metrics.tasks.inc();
    this.#posted.add(attempt);
    try {
      const { alreadyExists } = await (via === 'msq'
        ? druid.msq.submit(replaceQuery(revision, input), { sqlQueryId: id, context: taskContext })
        : druid.tasks.submit(replaceTask(revision, { id, input, taskContext, tuningConfig })));
      if (!alreadyExists && this.#submittedMs === 0) this.#submittedMs = this.#elapsed();
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

  async #checkRowStats(attempt: number): Promise<ReplaceEvent> {
    const { druid, via } = this.#env;
    // The report of a multi-stage query counts per stage and worker; its rows are counted where they have to be queryable.
    if (via === 'msq') return { type: 'no-report' };
    const reports = await this.#call('a task report', () => druid.tasks.reports(this.#taskId(attempt)));
    const stats = readRowStats(reports);
    if (stats === undefined) {
      this.#log('warn', 'Druid keeps no report of a task: its row counts are not compared', attempt);
      return { type: 'no-report' };
    }
    const mismatch = rowStatsMismatch(stats, this.#options.revision.rows);
    if (mismatch === undefined) return { type: 'report-agrees' };
    this.#lastReason = mismatch;
    this.#log(
      'warn',
      `A task has ended well with other rows (${mismatch}); the chunk is written again`,
      attempt,
    );
    return { type: 'report-differs' };
  }

  async #awaitRows(isProven: boolean): Promise<ReplaceEvent> {
    const { chunkRows } = this.#env;
    const { revision, isConfirmed } = this.#options;
    const isThere = await chunkRows.untilLoaded(revision);
    // What an earlier process has published may have been compacted or dropped since: then counts prove nothing.
    if (this.#posted.size === 0 && (isProven || isConfirmed || !isThere)) return { type: 'rows-agree' };
    const { agrees, found } = await chunkRows.agree(revision);
    this.#lastReason = `the Broker counts ${found ?? 'nothing (no such table or column yet)'}`;
    return { type: agrees ? 'rows-agree' : 'rows-differ' };
  }

  #taskId(attempt: number): string {
    const id = attemptId(this.#options.baseId, attempt);
    return this.#env.via === 'msq' ? `query-${id}` : id;
  }

  #elapsed(): number {
    return Math.round(monotonicNow(this.#env.clock) - this.#startedMs);
  }

  #pause(times: number): Promise<void> {
    return sleep(this.#env.clock, Math.min(250 * 2 ** times, 30_000), this.#env.signal);
  }

  #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    return callDruid(this.#env, what, call);
  }

  #log(level: 'info' | 'warn', message: string, attempt: number): void {
    this.#env.logger[level](message, { taskId: this.#taskId(attempt), rows: this.#options.revision.rows });
  }
}
