/**
 * Carries out the replace protocol for one revision: each phase's step is one call, its outcome the next event. All
 * decisions are in `replace-protocol.ts`.
 */
import type { TaskStatus } from '@millrace/druid-client';
import { attemptId } from '../commit/ingestion-spec.js';
import { IngestionTask, type IngestionTaskEnvironment, type SubmitEvent } from '../commit/ingestion-task.js';
import { readRowStats, rowStatsMismatch } from '../commit/row-stats.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
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
export interface RevisionEnvironment extends IngestionTaskEnvironment {
  readonly directory: SpoolDirectory;
  readonly chunkRows: ChunkRows;
  readonly written: ReadonlySet<string>;
  readonly rules: ReplaceRules;
  readonly via: 'native' | 'msq';
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
  readonly #task: IngestionTask;
  #lastReason = 'no reason given';

  constructor(env: RevisionEnvironment, options: RevisionRunOptions) {
    this.#env = env;
    this.#options = options;
    this.#input = new RevisionInput({ ...env, revision: options.revision });
    this.#task = new IngestionTask(env, {
      idOf: (attempt) => this.#taskId(attempt),
      input: this.#input,
      about: { rows: options.revision.rows },
    });
  }

  /** Resolves once the revision is in Druid. @throws DruidSinkError */
  async run(): Promise<RevisionResult> {
    const { inherited, revision } = this.#options;
    const { rules, signal } = this.#env;
    const task = this.#task;
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
        const facts = { taskId, revision, attempt, reason: this.#lastReason, cause: task.lastCause };
        throw replaceFailure(state.failure, facts);
      }
      const { submittedMs = 0, doneMs: taskDoneMs = 0, elapsedMs: doneMs } = task;
      return { taskId, attempt, submittedMs, taskDoneMs, doneMs };
    } finally {
      task.release();
      this.#input.close();
    }
  }

  async #step(state: Step): Promise<ReplaceEvent> {
    const task = this.#task;
    switch (state.phase) {
      case 'resolving':
        // A second look at the same attempt means that the answers do not agree yet: give them a moment.
        if (state.posts > 0) await task.pause(state.posts);
        return this.#askStatus(state.attempt);
      case 'submitting':
        if (state.submitted > 1 && state.posts === 1) await task.pause(state.submitted);
        return this.#submit(state.attempt);
      case 'running':
        await task.untilNextLook();
        return this.#askStatus(state.attempt);
      case 'stopping':
        return task.stop(state.attempt);
      case 'checking':
        return this.#checkRowStats(state.attempt);
      case 'appearing':
        return this.#awaitRows(state.isProven);
    }
  }

  #askStatus(attempt: number): Promise<ReplaceEvent> {
    return this.#task.status(attempt, ({ id, errorMsg }: TaskStatus) => {
      this.#lastReason = errorMsg?.split('\n')[0] ?? 'no reason given';
      this.#env.logger.warn('A task that replaces a chunk failed', { taskId: id, reason: this.#lastReason });
    });
  }

  #submit(attempt: number): Promise<SubmitEvent> {
    const { druid, via, signal, taskContext, tuningConfig } = this.#env;
    const { revision, baseId } = this.#options;
    const id = attemptId(baseId, attempt);
    return this.#task.submit(attempt, {
      wanted: signal,
      open: () => this.#input.open(),
      post: (input) =>
        via === 'msq'
          ? druid.msq.submit(replaceQuery(revision, input), { sqlQueryId: id, context: taskContext })
          : druid.tasks.submit(replaceTask(revision, { id, input, taskContext, tuningConfig })),
    });
  }

  async #checkRowStats(attempt: number): Promise<ReplaceEvent> {
    // The report of a multi-stage query counts per stage and worker; its rows are counted where they have to be queryable.
    if (this.#env.via === 'msq') return { type: 'no-report' };
    const stats = readRowStats(await this.#task.reports(attempt));
    if (stats === undefined) {
      this.#task.log('warn', 'Druid keeps no report of a task: its row counts are not compared', attempt);
      return { type: 'no-report' };
    }
    const mismatch = rowStatsMismatch(stats, this.#options.revision.rows);
    if (mismatch === undefined) return { type: 'report-agrees' };
    this.#lastReason = mismatch;
    this.#task.log(
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
    if (!this.#task.isPosted && (isProven || isConfirmed || !isThere)) return { type: 'rows-agree' };
    const { agrees, found } = await chunkRows.agree(revision);
    this.#lastReason = `the Broker counts ${found ?? 'nothing (no such table or column yet)'}`;
    return { type: agrees ? 'rows-agree' : 'rows-differ' };
  }

  #taskId(attempt: number): string {
    const id = attemptId(this.#options.baseId, attempt);
    return this.#env.via === 'msq' ? `query-${id}` : id;
  }
}
