/**
 * Puts the chunks of durable checkpoints into Druid.
 *
 * Invariants:
 * 1. A spool file is deleted only when its chunk gets no more revisions and the last one is confirmed, or in `recover` when
 *    nothing that is restored names it.
 * 2. A revision that was begun before, by an earlier process or by this one, is resolved before anything is submitted.
 * 3. A chunk's revisions are committed one after the other, in order; of several in one call only the newest is, which has
 *    the rows of all. The others are never submitted, by nobody.
 */
import type { CommitRequest, Committer, CommitterContext } from '@millrace/core-stream';
import type { PendingCommits } from '../commit/commit-metrics.js';
import { forEachConcurrently } from '../commit/for-each-concurrently.js';
import { DruidSinkCheckpointError } from '../errors.js';
import type { SpoolLedger } from '../spool/spool-ledger.js';
import {
  filesOf,
  revisionBaseId,
  type ChunkPart,
  type ChunkRevision,
  type ReplaceCommittable,
  type ReplaceWriterState,
} from './chunk-committable.js';
import type { ChunkReplaced } from './replace-options.js';
import { RevisionRun, type RevisionEnvironment } from './revision-run.js';

export interface ReplaceCommitterOptions {
  readonly context: CommitterContext;
  readonly environment: RevisionEnvironment;
  readonly ledger: SpoolLedger;
  /** Files that this process has written; what is deleted is taken out. */
  readonly written: Set<string>;
  readonly maxConcurrentTasks: number;
  readonly onCommit?: ((event: ChunkReplaced) => void) | undefined;
  /** Called once, at the end of `close`. */
  readonly onClose: () => void;
}

type RevisionRequest = CommitRequest<ChunkRevision>;

export class ReplaceCommitter implements Committer<ReplaceCommittable, ReplaceWriterState> {
  readonly #options: ReplaceCommitterOptions;
  /** Revisions that were begun and not confirmed, by task id. */
  readonly #inherited = new Set<string>();
  /** What is being committed. */
  #pending: readonly ChunkRevision[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor(options: ReplaceCommitterOptions) {
    this.#options = options;
  }

  get pending(): PendingCommits {
    const bytes = this.#pending.reduce((sum, each) => sum + each.bytes, 0);
    return { files: this.#pending.length, bytes, tasks: this.#options.environment.slots.inUse };
  }

  async recover(
    pending: readonly CommitRequest<ReplaceCommittable>[],
    writerStates: readonly ReplaceWriterState[],
  ): Promise<void> {
    const { environment, ledger, context } = this.#options;
    const stored = [...pending.map(({ committable }) => committable), ...writerStates];
    requireChunks(stored);
    const named = new Set(stored.flatMap(filesOf));
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
    for (const { committable } of pending)
      if (committable.kind === 'revision') this.#inherited.add(this.#baseId(committable)); // invariant 2
    ledger.reset(keptBytes);
    if (orphans === 0) return;
    const { operatorUid } = context;
    context.logger.info('Deleted spool files that no checkpoint names', { files: orphans, operatorUid });
  }

  commit(requests: readonly CommitRequest<ReplaceCommittable>[]): Promise<void> {
    const commit = this.#last.then(() => this.#commit(requests)); // invariant 3
    this.#last = commit.catch(() => undefined); // told to whoever asked for it
    return commit;
  }

  async close(): Promise<void> {
    await this.#options.environment.server.close();
    this.#options.onClose();
  }

  async #commit(requests: readonly CommitRequest<ReplaceCommittable>[]): Promise<void> {
    const { ledger, maxConcurrentTasks } = this.#options;
    const newest = new Map<number, RevisionRequest>();
    const released: ChunkPart[] = [];
    for (const { committable, ...request } of requests) {
      if (committable.kind === 'release') {
        released.push(...committable.parts);
        continue;
      }
      const { start } = committable.chunk;
      const other = newest.get(start)?.committable.revision ?? 0;
      if (committable.revision > other) newest.set(start, { ...request, committable }); // invariant 3
    }
    this.#pending = Array.from(newest.values(), ({ committable }) => committable);
    ledger.commitBegins();
    try {
      await forEachConcurrently([...newest.values()], maxConcurrentTasks, (request) =>
        this.#replace(request),
      );
      for (const part of released) await this.#delete(part); // invariant 1
    } finally {
      ledger.commitEnds();
    }
  }

  async #replace({ checkpointId, subtaskIndex, committable: revision }: RevisionRequest): Promise<void> {
    const { environment, onCommit } = this.#options;
    const { dataSchema, rows, bytes, chunk } = revision;
    const baseId = this.#baseId(revision);
    // Files that are gone were released after this was committed: the runtime repeats a request, and only Druid can tell.
    const isConfirmed = !(await this.#hasFiles(revision));
    const inherited = isConfirmed || this.#inherited.has(baseId);
    this.#inherited.add(baseId); // invariant 2, for a request that is repeated by this process
    const result = await new RevisionRun(environment, { revision, baseId, inherited, isConfirmed }).run();
    this.#inherited.delete(baseId);
    this.#pending = this.#pending.filter((each) => each !== revision);
    const { taskId, attempt, submittedMs, taskDoneMs, doneMs } = result;
    const timings = {
      submittedMs,
      taskDoneMs,
      queryableMs: environment.rules.untilQueryable ? doneMs : undefined,
    };
    environment.metrics.committed(rows, timings);
    onCommit?.({
      dataSource: dataSchema.dataSource,
      chunk,
      revision: revision.revision,
      checkpointId,
      subtaskIndex,
      taskId,
      attempt,
      rows,
      bytes,
      isRecovered: inherited,
      timings,
    });
  }

  async #hasFiles({ parts }: ChunkRevision): Promise<boolean> {
    const { directory } = this.#options.environment;
    const found = await Promise.all(parts.map(({ file }) => directory.has(file)));
    return found.every(Boolean);
  }

  async #delete({ file, bytes }: ChunkPart): Promise<void> {
    const { environment, ledger, written } = this.#options;
    if (!(await environment.directory.has(file))) return; // this is a repetition
    await environment.directory.remove(file);
    written.delete(file);
    ledger.remove(bytes);
  }

  #baseId(revision: ChunkRevision): string {
    return revisionBaseId(this.#options.context, revision);
  }
}

/** Dead letters, and what the sink has prepared in mode `append`, have no kind. */
function requireChunks(stored: readonly (ReplaceCommittable | ReplaceWriterState)[]): void {
  const other = stored.find((each) => !('kind' in each)) as { readonly file?: string } | undefined;
  if (other === undefined) return;
  throw new DruidSinkCheckpointError(
    `The restored checkpoint has rows to append (file '${String(other.file)}'), which this sink in mode 'replace' cannot. Give it ` +
      `back its 'deadLetters', or run it in the mode in which the checkpoint was taken until they are committed.`,
    { details: { file: other.file } },
  );
}
