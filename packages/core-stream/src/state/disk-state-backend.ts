/**
 * State on disk: opens the store of a job, finds out whether it can be taken back to the restored checkpoint, else fills it
 * from the checkpoint.
 *
 * Invariants
 * 1. While a store is being opened or filled its history has no runs: if the process ends meanwhile, it is filled anew.
 * 2. A store that may be damaged is removed without being opened.
 * 3. Of an operator that the restored checkpoint has no rows of, none are found in the store.
 * 4. A store is used only with the history that was written with it: it says which run has written it last.
 */
import { randomUUID } from 'node:crypto';
import { storageFailure } from '../checkpoint/storage-failure.js';
import { StreamConfigError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';
import { CacheBudget } from './cache-budget.js';
import { currentBootId, DiskDirectory } from './disk-directory.js';
import { fillSubtask } from './disk-fill.js';
import { whyUnusable, withRun, type StoreHistory } from './disk-history.js';
import { DiskStore } from './disk-store.js';
import { DiskSubtaskRows } from './disk-subtask-rows.js';
import type {
  JobStateStore,
  StateBackend,
  StateBackendContext,
  SubtaskStateOptions,
} from './state-backend.js';
import type { SubtaskRows } from './subtask-rows.js';

export interface DiskStateOptions {
  /** Where the state is while the job runs: on a local disk, for this job alone. What is in it is no backup. */
  readonly directory: string;
  /** Estimated bytes of the rows that are kept in memory as objects, of the whole job; 128 MiB unless told. */
  readonly cacheBytes?: number;
}

const DEFAULT_CACHE_BYTES = 128 << 20;
/** Undo records that are removed before others get their turn. */
const FORGOTTEN_TOGETHER = 512;

/**
 * Keyed state in an embedded store on disk, with what was used lately in memory: for state that is larger than memory, and to
 * start again without reading all of it.
 *
 * @throws StreamConfigError `MILLRACE_CONFIG` for a cache of less than a byte
 */
export function diskStateBackend({ directory, cacheBytes }: DiskStateOptions): StateBackend {
  const maxBytes = cacheBytes ?? DEFAULT_CACHE_BYTES;
  if (!(maxBytes >= 1)) {
    throw new StreamConfigError(`cacheBytes must be at least 1, got ${maxBytes}. Leave it out for 128 MiB.`);
  }
  return {
    name: 'disk',
    open: (context) =>
      DiskJobState.open(directory, maxBytes, context).catch((error: unknown) => {
        throw storageFailure('The state on disk cannot be opened', directory, error);
      }),
  };
}

/** The store that `history` tells of (invariant 4), or why there is none. */
async function openStore(directory: DiskDirectory, history: StoreHistory): Promise<DiskStore | string> {
  // Opening a damaged file ends the process: then the next one does not open it (invariant 1).
  await directory.writeHistory({ ...history, runs: [] });
  const store = new DiskStore(directory.store);
  if (store.fact('run') === history.runs.at(-1)?.id) return store;
  await store.close();
  return 'it is not the one that its history tells of';
}

class DiskJobState implements JobStateStore {
  readonly run = randomUUID();
  readonly #directory: DiskDirectory;
  readonly #context: StateBackendContext;
  readonly #bootId: string | undefined;
  readonly #budget: CacheBudget;
  readonly #subtasks: DiskSubtaskRows[] = [];
  /** Operators of which rows are read from segments, and not all of them may be in the store. */
  readonly #read = new Set<string>();
  /** Operators that have asked for their rows. */
  readonly #asked = new Set<string>();
  readonly #filled: { readonly uid: string; readonly table: string }[] = [];
  /** Operators all of whose rows are in the store: nothing of theirs needs to be read from segments. */
  readonly #complete: Set<string>;
  readonly #store: DiskStore;
  /** What is in the store can be taken back to the restored checkpoint, and has been. */
  #isRecovered = false;
  #history: StoreHistory;
  /** Facts are written one after the other. */
  #writing: Promise<void> = Promise.resolve();
  #isForgetting = false;
  #isClosed = false;

  private constructor(
    directory: DiskDirectory,
    store: DiskStore,
    history: StoreHistory,
    budget: CacheBudget,
    context: StateBackendContext,
  ) {
    this.#directory = directory;
    this.#store = store;
    this.#complete = new Set(store.fact('complete') as string[] | undefined);
    this.#history = history;
    this.#bootId = history.bootId;
    this.#budget = budget;
    this.#context = context;
  }

  static async open(path: string, cacheBytes: number, context: StateBackendContext): Promise<DiskJobState> {
    const directory = await DiskDirectory.take(path);
    let store: DiskStore | undefined;
    try {
      const { jobId, restored, logger } = context;
      const bootId = await currentBootId();
      const history = await directory.history();
      const why =
        restored === undefined
          ? 'the job starts afresh'
          : restored.hasOtherKeys
            ? 'keys have become others'
            : whyUnusable(history, jobId, restored, bootId);
      const from = restored?.checkpointId ?? 0;
      const budget = new CacheBudget(cacheBytes);
      const found = why === undefined ? await openStore(directory, history!) : why;
      if (found instanceof DiskStore) {
        store = found;
        logger.info('state on disk is taken back to the restored checkpoint', { checkpointId: from });
        const state = new DiskJobState(directory, store, { ...history!, bootId }, budget, context);
        state.#isRecovered = true;
        await state.#begin();
        store.rollBackTo(from);
        return state;
      }
      if (restored !== undefined) logger.info('state on disk is filled from the checkpoint', { why: found });
      await directory.removeStore(); // invariant 2
      const empty: StoreHistory = { version: 1, jobId, runs: [], oldest: from, isClosed: false, bootId };
      await directory.writeHistory(empty); // invariant 1
      store = new DiskStore(directory.store);
      if (restored !== undefined) store.setFact('filledFrom', restored.run);
      return new DiskJobState(directory, store, empty, budget, context);
    } catch (error) {
      await store?.close();
      await directory.release();
      throw error;
    }
  }

  async subtask(options: SubtaskStateOptions): Promise<SubtaskRows> {
    const { uid, isEnabled, isRewriting, restoredBytes, restoredRows, keyGroups } = options;
    const { restored } = this.#context;
    if (restoredBytes === 0) await this.#drop(uid);
    let known: ReadonlySet<string> = new Set();
    if (this.#isRecovered) known = new Set(this.#store.tablesOf(uid));
    else if (restored !== undefined && !isRewriting) {
      known = await fillSubtask(this.#store, options, options.maxParallelism);
      for (const table of known) this.#filled.push({ uid, table });
    }
    const isRead = isRewriting || (this.#isRecovered && restoredBytes > 0 && !this.#complete.has(uid));
    if (isRead) this.#read.add(uid);
    const rows = new DiskSubtaskRows({
      ...options,
      store: this.#store,
      budget: this.#budget,
      known,
      isInPlace: this.#isRecovered && !isRewriting && this.#store.fact('filledFrom') !== restored?.run,
      onOtherRows: () => {
        if (this.#complete.delete(uid)) this.#store.setFact('complete', [...this.#complete]);
      },
      restored: isRead ? await restoredRows(keyGroups, (table) => !known.has(table)) : undefined,
      writer: isEnabled ? this.#store.writer(restored?.checkpointId ?? 0) : undefined,
    });
    this.#subtasks.push(rows);
    return rows;
  }

  /** What it has left there before it was taken out of the program, and put in again (invariant 3). */
  async #drop(uid: string): Promise<void> {
    const tables = this.#isRecovered && !this.#asked.has(uid) ? this.#store.tablesOf(uid) : [];
    this.#asked.add(uid);
    if (tables.length > 0) {
      this.#history = { ...this.#history, oldest: this.#context.restored?.checkpointId ?? 0 };
      await this.#directory.writeHistory(this.#history); // what is dropped cannot be taken back
    }
    for (const table of tables) this.#store.drop(uid, table);
  }

  async ready(): Promise<void> {
    // What operators keep in structures of their own has only passed through the store.
    const asked = new Set(
      this.#subtasks.flatMap((rows) => [...rows.tables].map((table) => `${rows.uid}/${table}`)),
    );
    for (const { uid, table } of this.#filled) {
      if (!asked.has(`${uid}/${table}`)) this.#store.drop(uid, table);
    }
    this.#noteComplete(asked);
    if (!this.#isRecovered) await this.#begin();
  }

  #noteComplete(asked: ReadonlySet<string>): void {
    const others = new Set(
      this.#filled.filter(({ uid, table }) => !asked.has(`${uid}/${table}`)).map(({ uid }) => uid),
    );
    this.#complete.clear();
    for (const { uid } of this.#subtasks) {
      if (!others.has(uid) && !this.#read.has(uid)) this.#complete.add(uid);
    }
    this.#store.setFact('complete', [...this.#complete]);
  }

  async #begin(): Promise<void> {
    const { jobId, restored } = this.#context;
    const from = restored?.checkpointId ?? 0;
    let before: Pick<StoreHistory, 'runs' | 'oldest'> = this.#history;
    // The checkpoint that the store was filled from can be gone back to, whoever took it.
    if (restored !== undefined && before.runs.length === 0) {
      before = { runs: [{ id: restored.run, from }], oldest: from };
    }
    this.#history = withRun(before, { jobId, bootId: this.#bootId }, { id: this.run, from });
    await this.#directory.writeHistory(this.#history);
    this.#store.setFact('run', this.run); // invariant 4
  }

  forget(oldestCheckpointId: number): void {
    if (oldestCheckpointId <= this.#history.oldest) return;
    this.#history = { ...this.#history, oldest: oldestCheckpointId };
    const history = this.#history;
    // One that could not be written does not matter once a later one was.
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#directory.writeHistory(history));
    this.#writing.catch(() => undefined); // `close` tells
    if (!this.#isForgetting) void this.#forget();
  }

  /** What is left over is forgotten after a later checkpoint. */
  async #forget(): Promise<void> {
    this.#isForgetting = true;
    try {
      await this.#writing;
      while (!this.#isClosed && this.#store.forget(this.#history.oldest, FORGOTTEN_TOGETHER)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.#context.logger.warn('state on disk cannot be tidied up', { error: messageOf(error) });
    } finally {
      this.#isForgetting = false;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      for (const rows of this.#subtasks) await rows.close();
      await this.#store.close();
      await this.#writing;
      if (!this.#context.hasCheckpoints) await this.#directory.removeStore();
      else if (this.#history.runs.length > 0) {
        await this.#directory.syncStore();
        await this.#directory.writeHistory({ ...this.#history, isClosed: true });
      }
    } finally {
      await this.#directory.release();
    }
  }
}
