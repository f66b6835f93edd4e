/**
 * Timers of one subtask of a keyed operator.
 *
 * Role: remembers which key wants to be called at which time, and hands the timers out in order. Boundary: knows nothing
 * of functions; the operator sets the current key and calls the user.
 *
 * Invariants
 * 1. A (timestamp, key) is registered at most once: registering it again changes nothing.
 * 2. `advance(t)` fires all timers up to and including `t`, in timestamp order, within one timestamp in the order of
 *    registration, also those that are registered while it runs.
 * 3. A timer fires once.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { byKeyGroup } from '../state/heap-keyed-state.js';
import type { KeyGroupRange } from '../state/key-groups.js';

export interface TimerSnapshot {
  readonly keyGroup: number;
  /** Pairs of key and timestamp. */
  readonly entries: readonly (readonly [unknown, unknown])[];
}

export class TimerQueue {
  /** identity → key, per timestamp (invariant 1). */
  readonly #buckets = new Map<number, Map<unknown, unknown>>();
  /** A binary min-heap of the timestamps that have a bucket. */
  readonly #heap: number[] = [];

  get nextTimestamp(): number | undefined {
    return this.#heap[0];
  }

  register(timestamp: number, key: unknown): void {
    let bucket = this.#buckets.get(timestamp);
    if (bucket === undefined) {
      bucket = new Map();
      this.#buckets.set(timestamp, bucket);
      this.#push(timestamp);
    }
    const identity = keyIdentity(key);
    if (!bucket.has(identity)) bucket.set(identity, key);
  }

  /** An empty bucket stays until its time comes: removing it from the heap would cost more. */
  delete(timestamp: number, key: unknown): void {
    this.#buckets.get(timestamp)?.delete(keyIdentity(key));
  }

  advance(time: number, fire: (timestamp: number, key: unknown) => void): void {
    let timestamp: number | undefined;
    while ((timestamp = this.#heap[0]) !== undefined && timestamp <= time) {
      const bucket = this.#buckets.get(timestamp);
      const next = bucket?.entries().next();
      if (bucket === undefined || next === undefined || next.done === true) {
        this.#buckets.delete(timestamp);
        this.#pop();
        continue;
      }
      const [identity, key] = next.value;
      bucket.delete(identity); // invariant 3: removed before it fires, so that it may be registered anew
      fire(timestamp, key);
    }
  }

  snapshot(maxParallelism: number): TimerSnapshot[] {
    const pairs: (readonly [unknown, unknown])[] = [];
    for (const timestamp of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      for (const key of this.#buckets.get(timestamp)?.values() ?? []) pairs.push([key, timestamp]);
    }
    return byKeyGroup(pairs, maxParallelism);
  }

  restore(snapshots: readonly TimerSnapshot[], range: KeyGroupRange): void {
    for (const { keyGroup, entries } of snapshots) {
      if (keyGroup < range.start || keyGroup >= range.end) continue;
      for (const [key, timestamp] of entries) this.register(timestamp as number, key);
    }
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
