/**
 * Commits the spool files of durable checkpoints.
 *
 * Invariants:
 * 1. A spool file is deleted only after its rows are in Druid and those that Druid could not read are handed on, or in
 *    `recover` when nothing names it: no pending request, no writer's state, no entry of the journal.
 * 2. A request that was begun before, by an earlier process or by this one, is resolved before anything is submitted.
 * 3. A request is confirmed when its rows are published or queryable; with `waitUntil: 'submitted'` when Druid has its task and
 *    the journal names it.
 */
import type { CommitRequest, Committer, CommitterContext } from '@millrace/core-stream';
import type { CommitResult, CommitRunEnvironment } from './commit-environment.js';
import type { CommitDone } from './commit-event.js';
import { CommitJournal } from './commit-journal.js';
import type { PendingCommits } from './commit-metrics.js';
import { CommitRun } from './commit-run.js';
import type { SpoolCommittable } from './committable.js';
import { forEachConcurrently } from './for-each-concurrently.js';
import { taskBaseId } from './ingestion-spec.js';
import type { OpenCommits } from './open-commits.js';
import type { RejectedRow } from './rejected-rows.js';
import type { RejectedRowFile } from './rejected-row-file.js';
import { requireRestorable } from './restored-requests.js';
import type { OpenSpoolFile } from '../spool/open-rows.js';
import type { SpoolLedger } from '../spool/spool-ledger.js';

type Request = CommitRequest<SpoolCommittable>;

export interface DruidCommitterOptions {
  readonly context: CommitterContext;
  readonly environment: CommitRunEnvironment;
  readonly ledger: SpoolLedger;
  readonly open: OpenCommits;
  /** Whether a commit is confirmed when Druid has its task. */
  readonly untilSubmitted: boolean;
  readonly maxConcurrentTasks: number;
  /** Where rows go that Druid could not read; `undefined` where they end the commit. */
  readonly rejectedRows: ((row: RejectedRow) => void | Promise<void>) | RejectedRowFile | undefined;
  readonly onCommit?: ((event: CommitDone) => void) | undefined;
  /** Called once, at the end of `close`. */
  readonly onClose: () => void;
}

interface Running {
  /** Resolves when Druid has the task and the journal names it, or when all is over. Never rejects. */
  readonly accepted: Promise<void>;
  readonly ended: Promise<void>;
}

export class DruidCommitter implements Committer<SpoolCommittable, OpenSpoolFile> {
  readonly #options: DruidCommitterOptions;
  readonly #journal: CommitJournal;
  /** Requests that were begun and not confirmed, by task id. */
  readonly #inherited = new Set<string>();
  readonly #running = new Map<string, Running>();
  /** Bytes of requests that are not in Druid, by task id. */
  readonly #pending = new Map<string, number>();

  constructor(options: DruidCommitterOptions) {
    this.#options = options;
    this.#journal = new CommitJournal(options.environment.directory);
  }

  get pending(): PendingCommits {
    const bytes = [...this.#pending.values()].reduce((sum, each) => sum + each, 0);
    return { files: this.#pending.size, bytes, tasks: this.#options.environment.slots.inUse };
  }

  async recover(pending: readonly Request[], writerStates: readonly OpenSpoolFile[]): Promise<void> {
    const { environment, ledger, context, open } = this.#options;
    open.reset();
    const submitted = await this.#journal.list();
    requireRestorable(pending, writerStates, submitted);
    const committables = [...pending, ...submitted].map(({ committable }) => committable);
    const named = new Set(committables.map(({ file }) => file));
    const carriedOn = new Set(writerStates.map(({ file }) => file));
    let keptBytes = 0;
    let orphans = 0;
    for (const [file, bytes] of await environment.directory.list()) {
      if (named.has(file)) {
        keptBytes += bytes;
        continue;
      }
      if (carriedOn.has(file)) continue; // by a copy, which its writer counts
      await environment.directory.remove(file); // invariant 1
      orphans += 1;
    }
    ledger.reset(keptBytes);
    for (const request of [...pending, ...submitted]) this.#inherited.add(this.#baseId(request)); // invariant 2
    if (orphans > 0) {
      context.logger.info('Deleted spool files that no checkpoint names', {
        files: orphans,
        operatorUid: context.operatorUid,
      });
    }
    const { signal } = new AbortController();
    for (const request of submitted) this.#watch(this.#begin(request, signal));
  }

  async commit(requests: readonly Request[]): Promise<void> {
    const { ledger, maxConcurrentTasks, open } = this.#options;
    open.throwIfFailed();
    if (requests.length === 0) return;
    for (const request of requests) this.#pending.set(this.#baseId(request), request.committable.bytes);
    ledger.commitBegins();
    const failed = new AbortController();
    try {
      await forEachConcurrently(requests, maxConcurrentTasks, (request) =>
        this.#commitOne(request, failed.signal).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      );
    } finally {
      ledger.commitEnds();
    }
  }

  async close(): Promise<void> {
    await this.#options.open.settle();
    await this.#options.environment.server.close();
    this.#options.onClose();
  }

  async #commitOne(request: Request, wanted: AbortSignal): Promise<void> {
    const { open, untilSubmitted } = this.#options;
    const running = this.#running.get(this.#baseId(request)) ?? this.#begin(request, wanted);
    if (!untilSubmitted) return running.ended;
    await Promise.race([running.accepted, running.ended]); // invariant 3
    if (open.mustEnd(request.checkpointId)) await running.ended;
  }

  #begin(request: Request, wanted: AbortSignal): Running {
    const { ledger } = this.#options;
    const baseId = this.#baseId(request);
    let accept: () => void = () => undefined;
    const accepted = new Promise<void>((resolve) => {
      accept = resolve;
    });
    const onAccepted = async () => {
      if (!this.#options.untilSubmitted) return;
      await this.#journal.add(baseId, request);
      this.#watch(running);
      accept();
    };
    ledger.commitBegins();
    const ended = this.#carryOut(request, wanted, onAccepted).finally(() => {
      ledger.commitEnds();
      this.#running.delete(baseId);
    });
    const running = { accepted, ended };
    this.#running.set(baseId, running);
    return running;
  }

  #watch({ ended }: Running): void {
    const { context, open } = this.#options;
    open.watch(ended, (error) => {
      if (context.signal.aborted) return; // the job has ended, and its successor sees to it
      context.logger.error('A submitted task has failed for good; the job fails with its next commit', {
        error: context.describer.describeError(error),
      });
    });
  }

  async #carryOut(request: Request, wanted: AbortSignal, onAccepted: () => Promise<void>): Promise<void> {
    const { environment, ledger, onCommit } = this.#options;
    const { directory, metrics } = environment;
    const { committable, checkpointId, subtaskIndex } = request;
    const baseId = this.#baseId(request);
    this.#pending.set(baseId, committable.bytes);
    // A file that is gone was committed before: the runtime repeats a request, and only Druid can tell.
    const isOnDisk = await directory.has(committable.file);
    const inherited = this.#inherited.has(baseId) || !isOnDisk;
    this.#inherited.add(baseId); // invariant 2, for a request that is repeated by this process
    const result = await this.#run(request, { baseId, inherited, wanted, onAccepted });
    await this.#handOn(request, result.rejected, wanted);
    await directory.remove(committable.file); // invariant 1
    if (committable.copyOf !== undefined) await directory.remove(committable.copyOf);
    await this.#journal.remove(baseId);
    this.#inherited.delete(baseId);
    this.#pending.delete(baseId);
    if (isOnDisk) ledger.remove(committable.bytes);
    const { taskId, attempt, timings } = result;
    metrics.committed(committable.rows - result.rejected.length, timings);
    onCommit?.({
      dataSource: committable.dataSchema.dataSource,
      checkpointId,
      subtaskIndex,
      taskId,
      attempt,
      rows: committable.rows,
      rejectedRows: result.rejected.length,
      bytes: committable.bytes,
      isRecovered: inherited,
      timings,
    });
  }

  #run(
    request: Request,
    options: { baseId: string; inherited: boolean; wanted: AbortSignal; onAccepted?: () => Promise<void> },
  ): Promise<CommitResult> {
    const { environment, rejectedRows } = this.#options;
    const isDeadLetters =
      typeof rejectedRows === 'object' &&
      rejectedRows.dataSource === request.committable.dataSchema.dataSource;
    const toleratesRejected = rejectedRows !== undefined && !isDeadLetters;
    return new CommitRun(environment, { request, toleratesRejected, ...options }).run();
  }

  /** What Druid could not read goes where the sink was told: as rows of another datasource exactly once. */
  async #handOn(request: Request, rows: readonly RejectedRow[], wanted: AbortSignal): Promise<void> {
    const { environment, rejectedRows } = this.#options;
    if (rows.length === 0 || rejectedRows === undefined) return;
    environment.metrics.rejectedRows.inc(rows.length);
    environment.logger.warn('Druid could not read some rows; they are handed on', {
      file: request.committable.file,
      rows: rows.length,
      reason: rows[0]?.reason,
    });
    if (typeof rejectedRows === 'function') {
      for (const row of rows) await rejectedRows(row);
      return;
    }
    const letters = { ...request, committable: await rejectedRows.write(request.committable, rows) };
    await this.#run(letters, { baseId: this.#baseId(letters), inherited: true, wanted });
    await environment.directory.remove(letters.committable.file);
  }

  #baseId({ checkpointId, subtaskIndex, committable }: Request): string {
    const { jobId, operatorUid } = this.#options.context;
    return taskBaseId({ jobId, operatorUid, checkpointId, subtaskIndex }, committable);
  }
}
