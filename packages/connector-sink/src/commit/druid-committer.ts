/**
 * Commits the spool files of durable checkpoints.
 *
 * Invariants:
 * 1. A spool file is deleted only after its commit is confirmed, or in `recover` when no pending request names it.
 * 2. A request that was begun before, by an earlier process or by this one, is resolved before anything is submitted.
 */
import type { CommitRequest, Committer, CommitterContext } from '@millrace/core-stream';
import type { CommitDone } from './commit-event.js';
import { CommitRun, type CommitRunEnvironment } from './commit-run.js';
import type { SpoolCommittable } from './committable.js';
import { taskBaseId } from './ingestion-spec.js';
import type { SpoolLedger } from '../spool/spool-ledger.js';

export interface DruidCommitterOptions {
  readonly context: CommitterContext;
  readonly environment: CommitRunEnvironment;
  readonly ledger: SpoolLedger;
  readonly maxConcurrentTasks: number;
  readonly onCommit?: ((event: CommitDone) => void) | undefined;
  /** Called once, at the end of `close`. */
  readonly onClose: () => void;
}

export class DruidCommitter implements Committer<SpoolCommittable> {
  readonly #options: DruidCommitterOptions;
  /** Requests that were begun and not confirmed, by task id. */
  readonly #inherited = new Set<string>();

  constructor(options: DruidCommitterOptions) {
    this.#options = options;
  }

  async recover(pending: readonly CommitRequest<SpoolCommittable>[]): Promise<void> {
    const { environment, ledger, context } = this.#options;
    const named = new Set(pending.map(({ committable }) => committable.file));
    let keptBytes = 0;
    let orphans = 0;
    for (const [file, bytes] of await environment.directory.list()) {
      if (named.has(file)) {
        keptBytes += bytes;
        continue;
      }
      await environment.directory.remove(file); // invariant 1
      orphans += 1;
    }
    for (const request of pending) this.#inherited.add(this.#baseId(request)); // invariant 2
    ledger.reset(keptBytes);
    if (orphans > 0) {
      context.logger.info('Deleted spool files that no checkpoint names', {
        files: orphans,
        operatorUid: context.operatorUid,
      });
    }
  }

  async commit(requests: readonly CommitRequest<SpoolCommittable>[]): Promise<void> {
    const { ledger, maxConcurrentTasks } = this.#options;
    if (requests.length === 0) return;
    ledger.commitBegins();
    try {
      await forEachConcurrently(requests, maxConcurrentTasks, (request) => this.#commitOne(request));
    } finally {
      ledger.commitEnds();
    }
  }

  async close(): Promise<void> {
    await this.#options.environment.server.close();
    this.#options.onClose();
  }

  async #commitOne(request: CommitRequest<SpoolCommittable>): Promise<void> {
    const { environment, ledger, onCommit } = this.#options;
    const { committable, checkpointId, subtaskIndex } = request;
    const baseId = this.#baseId(request);
    // A file that is gone was committed before: the runtime repeats a request, and only Druid can tell.
    const inherited = this.#inherited.has(baseId) || !(await environment.directory.has(committable.file));
    this.#inherited.add(baseId); // invariant 2, for a request that is repeated by this process
    const { taskId, attempt, timings } = await new CommitRun(environment, {
      request,
      baseId,
      inherited,
    }).run();
    await environment.directory.remove(committable.file); // invariant 1
    this.#inherited.delete(baseId);
    ledger.remove(committable.bytes);
    onCommit?.({
      dataSource: committable.dataSchema.dataSource,
      checkpointId,
      subtaskIndex,
      taskId,
      attempt,
      rows: committable.rows,
      bytes: committable.bytes,
      isRecovered: inherited,
      timings,
    });
  }

  #baseId({ checkpointId, subtaskIndex, committable }: CommitRequest<SpoolCommittable>): string {
    const { jobId, operatorUid } = this.#options.context;
    return taskBaseId({ jobId, operatorUid, checkpointId, subtaskIndex }, committable);
  }
}

/**
 * Runs `work` for each item, at most `limit` at a time. After a failure nothing new is begun, but what is under way is
 * waited for: its tasks read from this process.
 */
async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
