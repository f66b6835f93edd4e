/**
 * Where the rows of a job's operators are: the segments that a checkpoint lists, and those that are still to be stored.
 *
 * Role: stores segments, keeps them in order, merges them in the background. Boundary: what is in a segment is `segment`'s, which
 * of them are merged is `compaction-policy`'s; checkpoints are the driver's.
 *
 * Invariants
 * 1. A segment stays in its operator's list from when it was handed over, whatever becomes of its checkpoint, until another one
 *    with its rows has its place.
 * 2. Segments keep the order in which they came; only neighbours are merged.
 * 3. What could not be stored stays in memory, and is tried again with the next checkpoint.
 * 4. After `signal` is aborted nothing is begun.
 * 5. Nothing is stored while rows that were handed over before are still being read; nothing any more where that has failed.
 */
import { CheckpointError } from '../errors.js';
import type { SegmentRef } from './checkpoint-data.js';
import type { CheckpointStorage } from './checkpoint-storage.js';
import { chooseMerge } from './compaction-policy.js';
import { mergeSegments } from './segment-merge.js';
import type { SegmentContent, TakenRows } from './segment.js';

/** Segments that are being stored at a time. */
const PARALLEL_PUTS = 4;

/** A segment, and its bytes as long as they are not stored. */
interface Entry {
  ref: SegmentRef;
  chunks: readonly Uint8Array[] | undefined;
}

export class SegmentCatalog {
  readonly #storage: CheckpointStorage | undefined;
  /** Part of every id, so that no other attempt of the job uses the same. */
  readonly #attemptId: string;
  readonly #signal: AbortSignal;
  readonly #operators = new Map<string, Entry[]>();
  #count = 0;
  /** Rows that are being read. */
  #arriving = 0;
  #arrived: Promise<void> = Promise.resolve();
  #storing: Promise<number> = Promise.resolve(0);
  #isCompacting = false;

  constructor(storage: CheckpointStorage | undefined, attemptId: string, signal: AbortSignal) {
    this.#storage = storage;
    this.#attemptId = attemptId;
    this.#signal = signal;
  }

  /** What the restored checkpoint lists. */
  restore(uid: string, segments: readonly SegmentRef[]): void {
    this.#operators.set(
      uid,
      segments.map((ref) => ({ ref, chunks: undefined })),
    );
  }

  /** What a subtask has handed over. What is still being read keeps what comes after it waiting (invariant 2). */
  add(uid: string, rows: TakenRows): void {
    if (this.#arriving === 0 && !(rows instanceof Promise)) return this.#append(uid, rows);
    this.#arriving++;
    this.#arrived = Promise.all([rows, this.#arrived]).then(([content]) => {
      this.#arriving--;
      this.#append(uid, content);
    });
    this.#arrived.catch(() => undefined); // `store` tells
  }

  #append(uid: string, content: SegmentContent | undefined): void {
    if (content === undefined) return;
    const { chunks, ...described } = content;
    this.#entries(uid).push({ ref: { id: this.#nextId(uid), ...described }, chunks });
  }

  /** Oldest first. */
  list(uid: string): readonly SegmentRef[] {
    return this.#entries(uid).map(({ ref }) => ref);
  }

  /** Bytes that are in memory because they are not stored. */
  get unstoredBytes(): number {
    return this.#unstored().reduce((sum, { entry }) => sum + entry.ref.bytes, 0);
  }

  /** Stores what is not stored yet. Settles when nothing is being written any more; resolves with the bytes. */
  store(): Promise<number> {
    const storing = this.#storing.catch(() => 0).then(() => this.#store());
    this.#storing = storing;
    return storing;
  }

  async #store(): Promise<number> {
    await this.#arrived; // invariant 5
    this.#signal.throwIfAborted(); // invariant 4; P7
    const entries = this.#unstored().values(); // shared by the loops
    let bytes = 0;
    let failure: { readonly error: unknown } | undefined;
    const put = async () => {
      for (const { uid, entry } of entries) {
        if (failure !== undefined || this.#signal.aborted) return; // invariant 4
        try {
          await this.#storage?.putSegment(entry.ref.id, entry.chunks ?? []);
          entry.chunks = undefined;
          bytes += entry.ref.bytes;
        } catch (error) {
          failure ??= { error }; // invariant 3; P4
          entry.ref = { ...entry.ref, id: this.#nextId(uid) }; // it may be there all the same, and ids are used once
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_PUTS }, put));
    if (failure !== undefined) throw failure.error;
    this.#signal.throwIfAborted();
    return bytes;
  }

  /** Merges where it is worth it, one merge after the other. Nothing where that is under way. */
  async compact(): Promise<void> {
    const storage = this.#storage;
    if (storage === undefined || this.#isCompacting) return;
    this.#isCompacting = true;
    try {
      await this.#compact(storage);
    } finally {
      this.#isCompacting = false;
    }
  }

  async #compact(storage: CheckpointStorage): Promise<void> {
    for (const [uid, entries] of this.#operators) {
      for (;;) {
        const unstored = entries.findIndex(({ chunks }) => chunks !== undefined);
        const stored = unstored < 0 ? entries : entries.slice(0, unstored);
        const range = chooseMerge(stored.map(({ ref }) => ref.bytes));
        if (range === undefined || this.#signal.aborted) break; // invariant 4
        const merged = stored.slice(range.start, range.end);
        const ref = await mergeSegments({
          storage,
          segments: merged.map((entry) => entry.ref),
          id: this.#nextId(uid),
          dropsRemoved: range.start === 0,
          signal: this.#signal,
        });
        const made = ref === undefined ? [] : [{ ref, chunks: undefined }];
        entries.splice(range.start, merged.length, ...made); // invariant 2; meanwhile others came behind it only
      }
    }
  }

  #unstored(): { readonly uid: string; readonly entry: Entry }[] {
    return [...this.#operators].flatMap(([uid, entries]) =>
      entries.filter(({ chunks }) => chunks !== undefined).map((entry) => ({ uid, entry })),
    );
  }

  #entries(uid: string): Entry[] {
    let entries = this.#operators.get(uid);
    if (entries === undefined) this.#operators.set(uid, (entries = []));
    return entries;
  }

  #nextId(uid: string): string {
    return `${uid}-${this.#attemptId}-${++this.#count}`;
  }
}

/** @throws CheckpointError `MILLRACE_CHECKPOINT` where more than `maxBytes` wait in memory for a storage that does not take them */
export function requireRoom(catalog: SegmentCatalog, maxBytes: number, cause: unknown): void {
  const bytes = catalog.unstoredBytes;
  if (bytes <= maxBytes) return;
  throw new CheckpointError(
    `${bytes} bytes of changed state could not be written, and wait in memory for the next checkpoint; ${maxBytes} may. ` +
      'See why the checkpoint storage does not take them; the job can be started again from its last checkpoint.',
    { cause, retryable: true, details: { bytes } },
  );
}
