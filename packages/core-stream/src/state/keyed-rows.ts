/** Rows that are found by their key: what operators keep their keyed state in, whatever holds it. */
import type { Row, RowFormat, RowTracker, StoredRow } from './rows.js';

export interface KeyedRows<R extends Row> {
  /** How many keys have a row. */
  readonly size: number;
  /** `identity` is what `keyIdentity` gives for `key`. */
  get(identity: unknown, key: unknown): R | undefined;
  /** Puts a row where its key has none. */
  add(identity: unknown, row: R): void;
  /** Call it for each change of a row that is there. */
  changed(row: R): void;
  remove(identity: unknown, row: R): void;
  /** All rows, in no order that matters. */
  values(): Iterable<R>;
}

/** What is needed to find rows again that were stored. */
export interface KeyedRowFormat<R extends Row> extends RowFormat<R> {
  /** Makes the row that `dataOf` gave `data` for. */
  rowOf(stored: StoredRow): R;
}

/** On the heap: all of them in one map. */
export class HeapRows<R extends Row> implements KeyedRows<R> {
  readonly #rows = new Map<unknown, R>();
  readonly #tracker: RowTracker<R>;

  constructor(tracker: RowTracker<R>) {
    this.#tracker = tracker;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(identity: unknown): R | undefined {
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
