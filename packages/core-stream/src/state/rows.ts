/**
 * Rows: the unit in which keyed state, timers, windows and joins are stored. Only what has changed since the last checkpoint
 * is written.
 *
 * Role: remembers which rows of one subtask have changed, and encodes them at a checkpoint. Boundary: where rows are found
 * again is the owner's business (`KeyedRows`, or a structure of its own); files are the job's.
 *
 * Invariants
 * 1. A row that was reported since the last snapshot is in the next one: as it is then, or as removed.
 * 2. A row that is new and removed between two snapshots is in neither.
 * 3. Without a storage nothing is remembered.
 * 4. What was encoded and not taken is in the next snapshot: a checkpoint that cannot be encoded has taken nothing.
 */
import { encodeKeyPair } from './canonical-encoding.js';
import { decodeState } from './canonical-decoding.js';
import { encodeRow } from './row-encoding.js';

/** What is stored under one key, or under one key and a namespace of it: a window, for example. */
export abstract class Row {
  /** The snapshot before which it has changed; only the tracker writes it. */
  changedIn = 0;
  /** Whether some snapshot holds it. */
  isStored = false;
  abstract readonly key: unknown;
}

/** How a kind of row is stored. */
export interface RowFormat<R extends Row> {
  /** Unique within the operator. */
  readonly table: string;
  /** Plain data that names a row among those of its key; leave it out where there is one row per key. */
  namespaceOf?(row: R): unknown;
  /** Whether the row is no longer there: nothing of it is stored. */
  isGone(row: R): boolean;
  /** What is stored of it: plain data. Called at a snapshot, of rows that are not gone. */
  dataOf(row: R): unknown;
}

/** One row as it was stored. */
export interface StoredRow {
  readonly key: unknown;
  readonly namespace: unknown;
  readonly data: unknown;
}

/** Where a tracker's changes go at a snapshot. The views are valid during the call only. */
export interface RowSink {
  /** `data` is `undefined` for a row that is gone. */
  add(table: string, key: unknown, id: Uint8Array, data: Uint8Array | undefined): void;
}

/** Rows that came and went between two snapshots are forgotten when there are more of them than this, and than of others. */
const GONE_ALLOWED = 1024;

export class RowTracker<R extends Row> {
  readonly #format: RowFormat<R>;
  #changes: R[] = [];
  #goneCount = 0;
  /** 0 where nothing is tracked: then every row looks as if it had been reported (invariant 3). */
  #epoch: number;
  readonly #isRewriting: boolean;

  /** With `isRewriting` restored rows count as changed: nothing that is stored of them is used any more. */
  constructor(format: RowFormat<R>, isEnabled: boolean, isRewriting = false) {
    this.#format = format;
    this.#epoch = isEnabled ? 1 : 0;
    this.#isRewriting = isRewriting;
  }

  get table(): string {
    return this.#format.table;
  }

  /** Whether anything is remembered (invariant 3): where not, nothing needs to be reported. */
  get isEnabled(): boolean {
    return this.#epoch > 0;
  }

  /** How many rows are remembered. */
  get size(): number {
    return this.#changes.length;
  }

  /** Call it for each change of a row; costs a comparison after the first one. */
  changed(row: R): void {
    if (row.changedIn === this.#epoch) return;
    row.changedIn = this.#epoch;
    this.#changes.push(row);
  }

  /** Call it when a row has gone. */
  removed(row: R): void {
    this.changed(row);
    if (this.#epoch === 0 || ++this.#goneCount <= GONE_ALLOWED || this.#goneCount * 2 < this.#changes.length)
      return;
    this.#goneCount = 0;
    this.#changes = this.#changes.filter((change) => {
      if (change.isStored || !this.#format.isGone(change)) return true;
      change.changedIn = 0; // should it come back
      return false; // invariant 2
    });
  }

  /**
   * Hands everything that has changed to `sink`, and goes on remembering it (invariant 4).
   *
   * @throws UnencodableRowError where a row holds what is not plain data
   */
  encode(sink: RowSink): void {
    const { table } = this.#format;
    for (const row of this.#changes) {
      const isGone = this.#format.isGone(row);
      if (isGone && !row.isStored) continue; // invariant 2
      const id = encodeKeyPair(row.key, this.#format.namespaceOf?.(row));
      sink.add(table, row.key, id, isGone ? undefined : encodeRow(this.#format, row));
    }
  }

  /** What `encode` has given, in this very turn, is part of a checkpoint. */
  taken(): void {
    if (this.#epoch === 0) return;
    for (const row of this.#changes) row.isStored = !this.#format.isGone(row);
    this.#changes = [];
    this.#goneCount = 0;
    this.#epoch++;
  }

  /** A row that was made from what a checkpoint holds. */
  restored(row: R): void {
    if (this.#isRewriting) this.changed(row);
    else row.isStored = true;
  }
}

/** Names a row within its table: the key's canonical bytes, then the namespace's. */
export function rowId(key: unknown, namespace: unknown): Uint8Array {
  return Uint8Array.from(encodeKeyPair(key, namespace));
}

/** @returns key and namespace of what `rowId` made */
export function decodeRowId(id: Uint8Array): { readonly key: unknown; readonly namespace: unknown } {
  const [key, namespace] = decodeState(id) as unknown[];
  return { key, namespace };
}
