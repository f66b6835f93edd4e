/**
 * What a join in event time keeps: for each key the records of both sides, and when to look at them again.
 *
 * Boundary: knows nothing of how records match; the join says what it keeps and when a key is due.
 *
 * Invariants
 * 1. A key has a timer at or before the time at which it is due, and is looked at when the watermark gets there.
 * 2. A key without records takes no memory.
 * 3. A snapshot holds each key under its key group, so that it can be restored at any parallelism.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { byKeyGroup } from '../state/heap-keyed-state.js';
import { TimerQueue } from '../time/timer-service.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext } from './operator.js';
import { TimeBuffer, type Buffered } from './time-buffer.js';

export interface KeyBuffers {
  readonly key: unknown;
  readonly identity: unknown;
  readonly left: TimeBuffer;
  readonly right: TimeBuffer;
  /** The time of its earliest timer; +∞ without one. */
  timerAt: number;
}

/** By key group, pairs of a key and its records: `[key, [left, right]]`. */
export type KeyedBuffersSnapshot = ReturnType<typeof byKeyGroup>;

/** Emits and removes what is due at `time`. Returns when the key is due next: a time after `time`, +∞ for never. */
export type AdvanceKey = (buffers: KeyBuffers, time: number) => number;

export class KeyedBuffers {
  readonly #context: OperatorContext;
  readonly #advanceKey: AdvanceKey;
  readonly #keys = new Map<unknown, KeyBuffers>();
  readonly #timers = new TimerQueue();

  constructor(context: OperatorContext, restored: readonly KeyedBuffersSnapshot[], advanceKey: AdvanceKey) {
    this.#context = context;
    this.#advanceKey = advanceKey;
    for (const snapshot of restored) this.#restore(snapshot);
  }

  /** Those of `key`, which are made where there are none: `settle` them afterwards. */
  of(key: unknown): KeyBuffers {
    const identity = keyIdentity(key);
    let buffers = this.#keys.get(identity);
    if (buffers === undefined) {
      buffers = { key, identity, left: new TimeBuffer(), right: new TimeBuffer(), timerAt: Infinity };
      this.#keys.set(identity, buffers);
    }
    return buffers;
  }

  /** After a change of `buffers`, which are due at `dueAt` or at an earlier time that was given before. */
  settle(buffers: KeyBuffers, dueAt: number): void {
    if (buffers.left.size === 0 && buffers.right.size === 0) {
      this.#keys.delete(buffers.identity); // invariant 2
    } else if (dueAt < buffers.timerAt) {
      buffers.timerAt = dueAt;
      this.#timers.register(dueAt, buffers.key, buffers.identity); // invariant 1
    }
  }

  /** Brings all keys that are due to `time`, in the order of their times. */
  advance(time: number): void {
    this.#timers.advance(time, (timestamp, key) => {
      const buffers = this.#keys.get(keyIdentity(key));
      if (buffers === undefined) return;
      // A later timer may be left from before an earlier one was set; it does no harm.
      if (buffers.timerAt === timestamp) buffers.timerAt = Infinity;
      this.settle(buffers, this.#advanceKey(buffers, time));
    });
  }

  /** Batch mode: brings the only key to the end of time, and forgets it. */
  finishKey(): void {
    this.advance(Infinity);
    this.#keys.clear();
  }

  snapshot(): KeyedBuffersSnapshot {
    const pairs = function* (keys: Iterable<KeyBuffers>): Iterable<readonly [unknown, unknown]> {
      for (const { key, left, right } of keys) yield [key, [left.toArray(), right.toArray()]];
    };
    return byKeyGroup(pairs(this.#keys.values()), this.#context.maxParallelism); // invariant 3
  }

  #restore(snapshot: KeyedBuffersSnapshot): void {
    const { start, end } = this.#context.keyGroups;
    for (const { keyGroup, entries } of snapshot) {
      if (keyGroup < start || keyGroup >= end) continue;
      for (const [key, sides] of entries) {
        const [left, right] = sides as readonly [readonly Buffered[], readonly Buffered[]];
        const buffers = this.of(key);
        for (const item of left) buffers.left.add(item);
        for (const item of right) buffers.right.add(item);
        this.settle(buffers, this.#advanceKey(buffers, MIN_TIMESTAMP));
      }
    }
  }
}
