/** Rows that are found by their key: what operators keep their keyed state in, whatever holds it. */
import { keyIdentity } from './canonical-encoding.js';
import type { Row, RowFormat, RowTracker, StoredRow } from './rows.js';

/**
 * Rows by key. A row that `get` gave may be used until the next call of `get`: then it may be another object. Report a change
 * in the same turn.
 */
export interface KeyedRows<R extends Row> {
  /** How many keys have a row. */
  readonly size: number;
  /** `identity` is what `keyIdentity` gives for `key`. */
  get(identity: unknown, key: unknown): R | undefined;
  /** As `get`, but the row that `get` gave may be used further; this one only until the next call. */
  peek(identity: unknown, key: unknown): R | undefined;
  /** Puts a row where its key has none. */
  add(identity: unknown, row: R): void;
  /** Call it for each change of a row that is there. */
  changed(row: R): void;
  remove(identity: unknown, row: R): void;
  /**
   * All rows, in no order that matters. May be read bit by bit while rows are added, changed and removed: a row that is
   * removed is not given any more, one that is added may be given.
   */
  values(): Iterable<R>;
}

/** What is needed to find rows again that were stored. */
export interface KeyedRowFormat<R extends Row> extends RowFormat<R> {
  /** Makes the row that `dataOf` gave `data` for. */
  rowOf: (stored: StoredRow) => R;
}

/** On the heap: all of them in one map. */
export class HeapRows<R extends Row> implements KeyedRows<R> {
  readonly #rows = new Map<unknown, R>();
  readonly #tracker: RowTracker<R>;

  /** `restored` are the rows of the restored checkpoint. */
  constructor(tracker: RowTracker<R>, { rowOf }: KeyedRowFormat<R>, restored: Iterable<StoredRow>) {
    this.#tracker = tracker;
    for (const stored of restored) {
      const row = rowOf(stored);
      this.#rows.set(keyIdentity(stored.key), row);
      tracker.restored(row);
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  get(identity: unknown): R | undefined {
    return this.#rows.get(identity);
  }

  peek(identity: unknown): R | undefined {
    return this.#rows.get(identity);
  }

  add(identity: unknown, row: R): void {
    this.#rows.set(identity, row);
    this.#tracker.changed(row);
  }

  changed(row: R): void {
    this.#tracker.changed(row);
  }

  remove(identity: unknown, row: R): void {
    this.#rows.delete(identity);
    this.#tracker.removed(row);
  }

  values(): Iterable<R> {
    return this.#rows.values();
  }
}

/** Makes the rows of a table, with those of the restored checkpoint in them. */
export type MakeKeyedRows = <R extends Row>(format: KeyedRowFormat<R>) => KeyedRows<R>;
