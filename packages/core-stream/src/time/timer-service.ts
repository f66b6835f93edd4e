/**
 * The timers of one time domain.
 *
 * Role: remembers which key wants to be called at which time, hands the timers out in order, and stores each as a row.
 * Boundary: knows nothing of functions; the operator sets the current key and calls the user.
 *
 * Invariants
 * 1. A (timestamp, key) is registered at most once: registering it again changes nothing.
 * 2. `advance(t)` fires all timers up to and including `t`, in timestamp order, within one timestamp in the order of
 *    registration, also those that are registered while it runs. (A restore registers key group by key group.)
 * 3. A timer fires once.
 * 4. Deleted timers take no memory: the heap has at most twice as many timestamps as there are, and a few.
 * 5. A timer that is registered and gone between two snapshots is not stored.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { Row, type RowTracker } from '../state/rows.js';
import type { RowAccess } from '../state/subtask-rows.js';

/** There may be millions: what can be told from the key or from the place is not kept. */
class Timer {
  readonly key: unknown;

  constructor(key: unknown) {
    this.key = key;
  }
}

/** Where timers are stored. */
class TimerRow extends Row implements Timer {
  readonly key: unknown;
  readonly timestamp: number;

  constructor(key: unknown, timestamp: number) {
    super();
    this.key = key;
    this.timestamp = timestamp;
  }
}

/** The timers of one timestamp. Most have one; more are kept by identity. */
type Bucket = Timer | Map<unknown, Timer>;

/** Stale timestamps that are not worth a clean-up. */
const STALE_ALLOWED = 64;

export class TimerQueue {
  /** By timestamp (invariant 1); none of them is empty, except the one that is firing. */
  readonly #buckets = new Map<number, Bucket>();
  /** A binary min-heap of the timestamps: each that has a bucket, and stale ones whose timers were deleted. */
  readonly #heap: number[] = [];

  /** Where timers are stored: then all of them are rows. */
  readonly #tracker: RowTracker<TimerRow> | undefined;

  /** Stored in `table`, which may hold timers that are to go on; without a table they are not stored. */
  constructor(table?: string, rows?: Pick<RowAccess, 'trackRows' | 'restoredRows'>) {
    if (table === undefined || rows === undefined) return;
    const tracker = rows.trackRows<TimerRow>({
      table,
      namespaceOf: ({ timestamp }) => timestamp,
      isGone: (timer) => !this.#holds(timer),
      dataOf: () => null,
    });
    if (tracker.isEnabled) this.#tracker = tracker;
    for (const { key, namespace } of rows.restoredRows(table)) {
      const timer = this.#insert(namespace as number, key, keyIdentity(key));
      if (timer instanceof TimerRow) tracker.restored(timer);
    }
  }

  /** Of the earliest timer; never a stale one, except while `advance` runs. */
  get nextTimestamp(): number | undefined {
    return this.#heap[0];
  }

  /** How many timestamps take memory, stale ones included (invariant 4). */
  get heldTimestamps(): number {
    return this.#heap.length;
  }

  /** `identity` is the key's, where the caller knows it. */
  register(timestamp: number, key: unknown, identity: unknown = keyIdentity(key)): void {
    const timer = this.#insert(timestamp, key, identity);
    if (timer instanceof TimerRow) this.#tracker!.changed(timer);
  }

  #removed(timer: Timer): void {
    if (timer instanceof TimerRow) this.#tracker!.removed(timer);
  }

  #make(timestamp: number, key: unknown): Timer {
    return this.#tracker === undefined ? new Timer(key) : new TimerRow(key, timestamp);
  }

  /** `undefined` where there is one. */
  #insert(timestamp: number, key: unknown, identity: unknown): Timer | undefined {
    const bucket = this.#buckets.get(timestamp);
    if (bucket === undefined) {
      const timer = this.#make(timestamp, key);
      this.#buckets.set(timestamp, timer);
      this.#push(timestamp);
      return timer;
    }
    if (!(bucket instanceof Map)) {
      if (isOf(bucket, identity)) return undefined;
      const timer = this.#make(timestamp, key);
      this.#buckets.set(
        timestamp,
        new Map([
          [keyIdentity(bucket.key), bucket],
          [identity, timer],
        ]),
      );
      return timer;
    }
    if (bucket.has(identity)) return undefined;
    const timer = this.#make(timestamp, key);
    bucket.set(identity, timer);
    return timer;
  }

  #holds(timer: TimerRow): boolean {
    const bucket = this.#buckets.get(timer.timestamp);
    return bucket === timer || (bucket instanceof Map && bucket.get(keyIdentity(timer.key)) === timer);
  }

  delete(timestamp: number, key: unknown, identity: unknown = keyIdentity(key)): void {
    const bucket = this.#buckets.get(timestamp);
    if (bucket === undefined) return;
    if (!(bucket instanceof Map)) {
      if (!isOf(bucket, identity)) return;
      this.#buckets.delete(timestamp);
      this.#removed(bucket);
    } else {
      const timer = bucket.get(identity);
      if (timer === undefined) return;
      bucket.delete(identity);
      if (bucket.size === 0) this.#buckets.delete(timestamp);
      this.#removed(timer);
    }
    if (!this.#buckets.has(timestamp)) this.#removeStale();
  }

  /** Deletes all timers. */
  clear(): void {
    const buckets = [...this.#buckets.values()];
    this.#buckets.clear();
    this.#heap.length = 0;
    for (const bucket of buckets) {
      for (const timer of bucket instanceof Map ? bucket.values() : [bucket]) this.#removed(timer);
    }
  }

  advance(time: number, fire: (timestamp: number, key: unknown) => void): void {
    let timestamp: number | undefined;
    while ((timestamp = this.#heap[0]) !== undefined) {
      const bucket = this.#buckets.get(timestamp);
      if (bucket === undefined) this.#pop();
      else if (timestamp > time) return;
      else if (!(bucket instanceof Map)) {
        this.#buckets.delete(timestamp); // invariant 3: removed before it fires, so that it may be registered anew
        this.#pop();
        this.#removed(bucket);
        fire(timestamp, bucket.key);
      } else this.#fireAll(timestamp, bucket, fire);
    }
  }

  #fireAll(
    timestamp: number,
    bucket: Map<unknown, Timer>,
    fire: (timestamp: number, key: unknown) => void,
  ): void {
    for (const [identity, timer] of bucket) {
      bucket.delete(identity); // invariant 3
      this.#removed(timer);
      fire(timestamp, timer.key);
      if (this.#heap[0]! < timestamp) break; // invariant 2: an earlier one has been registered
    }
    if (bucket.size === 0 && this.#buckets.get(timestamp) === bucket) this.#buckets.delete(timestamp);
  }

  /** Costs as much as the deletions that led to it (invariant 4). */
  #removeStale(): void {
    const heap = this.#heap;
    while (heap.length > 0 && !this.#buckets.has(heap[0]!)) this.#pop();
    if (heap.length <= 2 * this.#buckets.size + STALE_ALLOWED) return;
    heap.length = 0;
    for (const timestamp of this.#buckets.keys()) this.#push(timestamp);
  }

  #push(timestamp: number): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timestamp);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]! <= timestamp) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timestamp;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

/** Whether it is the timer of the key with that identity, compared as in a `Map`. */
function isOf({ key }: Timer, identity: unknown): boolean {
  const own = keyIdentity(key);
  return own === identity || (own !== own && identity !== identity);
}
