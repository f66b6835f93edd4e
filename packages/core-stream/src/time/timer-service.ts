/**
 * The timers of one time domain.
 *
 * Role: remembers which key wants to be called at which time, and hands the timers out in order. Boundary: knows nothing
 * of functions; the operator sets the current key and calls the user.
 *
 * Invariants
 * 1. A (timestamp, key) is registered at most once: registering it again changes nothing.
 * 2. `advance(t)` fires all timers up to and including `t`, in timestamp order, within one timestamp in the order of
 *    registration, also those that are registered while it runs. (A restore registers key group by key group.)
 * 3. A timer fires once.
 * 4. Deleted timers take no memory: the heap has at most twice as many timestamps as there are, and a few.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { byKeyGroup } from '../state/heap-keyed-state.js';
import type { KeyGroupRange } from '../state/key-groups.js';

export interface TimerSnapshot {
  readonly keyGroup: number;
  /** Pairs of key and timestamp. */
  readonly entries: readonly (readonly [unknown, unknown])[];
}

class Timer {
  readonly key: unknown;
  readonly identity: unknown;

  constructor(key: unknown, identity: unknown) {
    this.key = key;
    this.identity = identity;
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
    const bucket = this.#buckets.get(timestamp);
    if (bucket === undefined) {
      this.#buckets.set(timestamp, new Timer(key, identity));
      this.#push(timestamp);
    } else if (bucket instanceof Timer) {
      if (isSame(bucket.identity, identity)) return;
      const timers = new Map([[bucket.identity, bucket]]);
      timers.set(identity, new Timer(key, identity));
      this.#buckets.set(timestamp, timers);
    } else if (!bucket.has(identity)) bucket.set(identity, new Timer(key, identity));
  }

  delete(timestamp: number, key: unknown, identity: unknown = keyIdentity(key)): void {
    const bucket = this.#buckets.get(timestamp);
    if (bucket === undefined) return;
    if (bucket instanceof Timer) {
      if (!isSame(bucket.identity, identity)) return;
    } else {
      bucket.delete(identity);
      if (bucket.size > 0) return;
    }
    this.#buckets.delete(timestamp);
    this.#removeStale();
  }

  advance(time: number, fire: (timestamp: number, key: unknown) => void): void {
    let timestamp: number | undefined;
    while ((timestamp = this.#heap[0]) !== undefined) {
      const bucket = this.#buckets.get(timestamp);
      if (bucket === undefined) this.#pop();
      else if (timestamp > time) return;
      else if (bucket instanceof Timer) {
        this.#buckets.delete(timestamp); // invariant 3: removed before it fires, so that it may be registered anew
        this.#pop();
        fire(timestamp, bucket.key);
      } else this.#fireAll(timestamp, bucket, fire);
    }
  }

  #fireAll(
    timestamp: number,
    bucket: Map<unknown, Timer>,
    fire: (timestamp: number, key: unknown) => void,
  ): void {
    for (const { key, identity } of bucket.values()) {
      bucket.delete(identity); // invariant 3
      fire(timestamp, key);
      if (this.#heap[0]! < timestamp) break; // invariant 2: an earlier one has been registered
    }
    if (bucket.size === 0 && this.#buckets.get(timestamp) === bucket) this.#buckets.delete(timestamp);
  }

  snapshot(maxParallelism: number): TimerSnapshot[] {
    const pairs: (readonly [unknown, unknown])[] = [];
    for (const [timestamp, bucket] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      for (const { key } of bucket instanceof Timer ? [bucket] : bucket.values())
        pairs.push([key, timestamp]);
    }
    return byKeyGroup(pairs, maxParallelism);
  }

  restore(snapshots: readonly TimerSnapshot[], range: KeyGroupRange): void {
    for (const { keyGroup, entries } of snapshots) {
      if (keyGroup < range.start || keyGroup >= range.end) continue;
      for (const [key, timestamp] of entries) this.register(timestamp as number, key);
    }
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

/** As in a `Map`. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || (a !== a && b !== b);
}
