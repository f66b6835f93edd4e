/** A place in a sequence of sorted records, before its first one at the start. */
export interface SortedCursor {
  /** The canonical bytes of the current record's key, one per character: strings compare as the bytes do. */
  readonly sortKey: string;
  readonly timestamp: number;
  readonly input: 0 | 1;
  readonly value: unknown;
  /** The value in the canonical encoding. The result may be overwritten by the next `advance`. */
  encodedValue(): Uint8Array;
  /** Goes to the next record; false where there is none. */
  advance(): boolean;
}

/** Below 0 where `a` comes first; 0 where arrival decides. */
export type SortedOrder = (a: SortedCursor, b: SortedCursor) => number;

/** By key, within a key by time, at one time the first input's. */
export const byKeyAndTime: SortedOrder = (a, b) => {
  if (a.sortKey !== b.sortKey) return a.sortKey < b.sortKey ? -1 : 1;
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  return a.input - b.input;
};

export const byArrival: SortedOrder = () => 0;

/** The records of several cursors as one sequence; of equal ones those of the earlier cursor come first. */
export class MergedCursor implements SortedCursor {
  readonly #order: SortedOrder;
  /** A binary min-heap of the cursors that have a record; a cursor's number breaks ties. */
  readonly #heap: { readonly cursor: SortedCursor; readonly number: number }[] = [];
  #unread: readonly SortedCursor[];

  constructor(cursors: readonly SortedCursor[], order: SortedOrder) {
    this.#unread = cursors;
    this.#order = order;
  }

  get sortKey(): string {
    return this.#current.sortKey;
  }

  get timestamp(): number {
    return this.#current.timestamp;
  }

  get input(): 0 | 1 {
    return this.#current.input;
  }

  get value(): unknown {
    return this.#current.value;
  }

  get #current(): SortedCursor {
    return this.#heap[0]!.cursor;
  }

  encodedValue(): Uint8Array {
    return this.#current.encodedValue();
  }

  advance(): boolean {
    const heap = this.#heap;
    if (this.#unread.length > 0) {
      for (const [number, cursor] of this.#unread.entries()) {
        if (cursor.advance()) heap.push({ cursor, number });
      }
      this.#unread = [];
      for (let i = (heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
    } else if (heap.length > 0) {
      if (!this.#current.advance()) {
        const last = heap.pop()!;
        if (heap.length > 0) heap[0] = last;
      }
      this.#sink(0);
    }
    return heap.length > 0;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    for (let i = start; ;) {
      let child = 2 * i + 1;
      if (child >= heap.length) return;
      if (child + 1 < heap.length && this.#isBefore(child + 1, child)) child++;
      if (this.#isBefore(i, child)) return;
      [heap[i], heap[child]] = [heap[child]!, heap[i]!];
      i = child;
    }
  }

  #isBefore(i: number, j: number): boolean {
    const a = this.#heap[i]!;
    const b = this.#heap[j]!;
    return (this.#order(a.cursor, b.cursor) || a.number - b.number) < 0;
  }
}
