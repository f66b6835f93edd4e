/** A record that a join keeps. */
export interface Buffered {
  readonly timestamp: number;
  readonly value: unknown;
  /** Whether it has been joined, for outer joins. */
  isMatched: boolean;
}

/** Records in order of time, of equal times in order of arrival. In-order arrivals are appended; the oldest are removed. */
export class TimeBuffer {
  #items: Buffered[] = [];
  /** Those before it are removed, but not yet given up: removing one by one would move all others each time. */
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): Buffered | undefined {
    return this.#items[this.#head];
  }

  at(index: number): Buffered | undefined {
    return this.#items[this.#head + index];
  }

  add(item: Buffered): void {
    const items = this.#items;
    const last = items.at(-1);
    if (last === undefined || last.timestamp <= item.timestamp) items.push(item);
    else items.splice(this.#head + this.countUpTo(item.timestamp), 0, item);
  }

  /** The number of records whose timestamp is below `timestamp`: the index of the first that is not. */
  countBelow(timestamp: number): number {
    return this.#search(timestamp, false);
  }

  /** The number of records whose timestamp is `timestamp` or below. */
  countUpTo(timestamp: number): number {
    return this.#search(timestamp, true);
  }

  removeFirst(count: number): void {
    this.#head += count;
    const items = this.#items;
    if (this.#head === 0 || this.#head * 2 < items.length) return;
    const size = this.size;
    for (let i = 0; i < size; i++) items[i] = items[this.#head + i]!;
    items.length = size;
    this.#head = 0;
  }

  /** Exchanges all values. */
  replace(valueOf: (old: unknown) => unknown): void {
    this.#items = this.toArray().map((item) => ({ ...item, value: valueOf(item.value) }));
    this.#head = 0;
  }

  toArray(): Buffered[] {
    return this.#items.slice(this.#head);
  }

  #search(timestamp: number, isInclusive: boolean): number {
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.#items[middle]!.timestamp;
      if (at < timestamp || (isInclusive && at === timestamp)) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }
}
