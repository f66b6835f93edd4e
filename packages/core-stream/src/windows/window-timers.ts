/**
 * Timers of windows: a binary min-heap.
 *
 * Invariants
 * 1. Timers are taken in the order of their time, within one time in that of `order` (by default: of registration).
 * 2. A cancelled timer is never taken. It stays in the heap until its time comes or cancelled ones are the majority, so that
 *    the heap is at most twice as large as the timers in it.
 */
export interface WindowTimer<T> {
  readonly at: number;
  readonly order: number;
  readonly target: T;
  isCancelled: boolean;
}

export class WindowTimers<T> {
  #heap: WindowTimer<T>[] = [];
  #order = 0;
  #cancelled = 0;

  /** The time of the first timer; `undefined` where there is none. */
  get nextTime(): number | undefined {
    while (this.#heap[0]?.isCancelled === true) this.#removeFirst();
    return this.#heap[0]?.at;
  }

  register(at: number, target: T, order = this.#order++): WindowTimer<T> {
    const timer = { at, order, target, isCancelled: false };
    this.#heap.push(timer);
    this.#moveUp(this.#heap.length - 1);
    return timer;
  }

  cancel(timer: WindowTimer<T>): void {
    timer.isCancelled = true;
    if (++this.#cancelled <= 16 || this.#cancelled * 2 <= this.#heap.length) return;
    this.#heap = this.#heap.filter(({ isCancelled }) => !isCancelled); // invariant 2
    this.#cancelled = 0;
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
    return this.#heap.filter(({ isCancelled }) => !isCancelled).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  clear(): void {
    this.#heap = [];
    this.#cancelled = 0;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    if (heap[0]?.isCancelled === true) this.#cancelled--;
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
