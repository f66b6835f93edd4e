/**
 * Timers of windows: a binary min-heap.
 *
 * Invariants
 * 1. Timers are taken in the order of their time, within one time in that of `order` (by default: of registration). No two
 *    have the same order.
 * 2. A cancelled timer is never taken. It stays in the heap until its time comes or cancelled ones are the majority, so that
 *    the heap is at most twice as large as the timers in it.
 */
export interface WindowTimer<T> {
  readonly at: number;
  readonly order: number;
  readonly target: T;
}

export class WindowTimers<T> {
  #heap: WindowTimer<T>[] = [];
  #order = 0;
  /** By order. */
  readonly #cancelled = new Set<number>();

  /** The time of the first timer; `undefined` where there is none. */
  get nextTime(): number | undefined {
    while (this.#cancelled.size > 0 && this.#cancelled.delete(this.#heap[0]!.order)) this.#removeFirst();
    return this.#heap[0]?.at;
  }

  register(at: number, target: T, order = this.#order): WindowTimer<T> {
    const timer = { at, order, target };
    if (order >= this.#order) this.#order = order + 1;
    this.#heap.push(timer);
    this.#moveUp(this.#heap.length - 1);
    return timer;
  }

  /** Cancels the timer of that order, which is registered. */
  cancel(order: number): void {
    const cancelled = this.#cancelled;
    cancelled.add(order);
    if (cancelled.size <= 16 || cancelled.size * 2 <= this.#heap.length) return;
    this.#heap = this.#heap.filter((timer) => !cancelled.has(timer.order)); // invariant 2
    cancelled.clear();
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#moveDown(i);
  }

  /** Removes and returns the first timer that is at or before `time`. */
  takeDue(time: number): WindowTimer<T> | undefined {
    const next = this.nextTime;
    if (next === undefined || next > time) return undefined;
    const timer = this.#heap[0];
    this.#removeFirst();
    return timer;
  }

  /** All timers in the order in which they would be taken. */
  inOrder(): WindowTimer<T>[] {
    return this.#heap
      .filter(({ order }) => !this.#cancelled.has(order))
      .sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  clear(): void {
    this.#heap = [];
    this.#cancelled.clear();
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    this.#moveDown(0);
  }

  #moveUp(from: number): void {
    const heap = this.#heap;
    const timer = heap[from]!;
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timer;
  }

  #moveDown(from: number): void {
    const heap = this.#heap;
    const size = heap.length;
    const timer = heap[from]!;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, timer)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = timer;
  }
}

/** Invariant 1. */
function isBefore<T>(a: WindowTimer<T>, b: WindowTimer<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
