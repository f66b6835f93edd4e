/**
 * What a join in event time keeps: for each key the records of both sides, and when to look at them again.
 *
 * Boundary: knows nothing of how records match; the join says what it keeps and when a key is due.
 *
 * Invariants
 * 1. A key has a timer at or before the time at which it is due, and is looked at when the watermark gets there.
 * 2. A key without records takes no memory.
 * 3. Each key is a row, reported whenever its records have changed, so that it can be restored at any parallelism.
 * 4. The join is given no record of another version of its schema: those are migrated when the job starts.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import type { KeyedRows } from '../state/keyed-rows.js';
import { Row } from '../state/rows.js';
import { TimerQueue } from '../time/timer-service.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { StateSchema } from '../state/state-schema.js';
import { KeptSchemas, type KeptVersions } from './kept-schemas.js';
import type { OperatorContext } from './operator.js';
import { TimeBuffer, type Buffered } from './time-buffer.js';

export class KeyBuffers extends Row {
  readonly key: unknown;
  readonly identity: unknown;
  readonly left = new TimeBuffer();
  readonly right = new TimeBuffer();
  /** It has a timer at this time or before; +∞ where it may have none. */
  timerAt = Infinity;
  /** Whether it is among the rows. */
  isKept = false;

  constructor(key: unknown, identity: unknown) {
    super();
    this.key = key;
    this.identity = identity;
  }

  get isEmpty(): boolean {
    return this.left.size === 0 && this.right.size === 0;
  }
}

/** The records of a key. */
type StoredBuffers = readonly [left: readonly Buffered[], right: readonly Buffered[]];

/** Emits and removes what is due at `time`. Returns when the key is due next: a time after `time`, +∞ for never. */
export type AdvanceKey = (buffers: KeyBuffers, time: number) => number;

export interface KeyedBuffersOptions {
  /** Of the records; version 1 where it is left out. */
  readonly leftSchema: StateSchema<unknown> | undefined;
  readonly rightSchema: StateSchema<unknown> | undefined;
  /** What `versions` was in each subtask of the restored checkpoint. */
  readonly restored: readonly (KeptVersions | undefined)[];
}

export class KeyedBuffers {
  readonly #advanceKey: AdvanceKey;
  readonly #keys: KeyedRows<KeyBuffers>;
  readonly #timers: TimerQueue;
  readonly #schemas: KeptSchemas;
  /** Until the job starts (invariant 4). */
  #isOtherVersion: boolean;

  constructor(context: OperatorContext, advanceKey: AdvanceKey, options: KeyedBuffersOptions) {
    const { keyedRows, isStateOnDisk, isStateInPlace, states } = context;
    this.#advanceKey = advanceKey;
    const parts = [
      { name: 'left', schema: options.leftSchema },
      { name: 'right', schema: options.rightSchema },
    ] as const;
    this.#schemas = new KeptSchemas('join', parts, context, options.restored);
    this.#isOtherVersion = this.#schemas.isChanged;
    this.#keys = keyedRows<KeyBuffers>({
      table: 'joined',
      isGone: (buffers) => buffers.isEmpty,
      dataOf: ({ left, right }): StoredBuffers => [left.toArray(), right.toArray()],
      rowOf: ({ key, data }) => {
        const buffers = new KeyBuffers(key, keyIdentity(key));
        buffers.isKept = true;
        const [left, right] = data as StoredBuffers;
        for (const item of left) buffers.left.add(item);
        for (const item of right) buffers.right.add(item);
        // One that comes back to memory: its timer is that one, or an earlier one.
        if (!this.#isOtherVersion) buffers.timerAt = this.#dueAt(buffers);
        return buffers;
      },
    });
    const stored = new TimerQueue('join-timers', context);
    // On the heap all keys are there: their timers need not be stored, and those of a run on disk go.
    this.#timers = isStateOnDisk ? stored : new TimerQueue();
    if (!isStateInPlace) stored.clear(); // else they are those of all keys (invariant 1)
    if (this.#isOtherVersion) states.change(() => this.#migrate());
    else if (!isStateInPlace) for (const buffers of this.#keys.values()) this.#armAnew(buffers);
  }

  /** What an operator stores of it, besides rows. */
  get versions(): KeptVersions {
    return this.#schemas.versions;
  }

  /** Invariant 4. */
  #migrate(): void {
    const { left, right } = this.#schemas.migrations();
    for (const buffers of this.#keys.values()) {
      buffers.left.replace(left);
      buffers.right.replace(right);
      this.#keys.changed(buffers); // invariant 3
      this.#armAnew(buffers);
    }
    this.#isOtherVersion = false;
  }

  #armAnew(buffers: KeyBuffers): void {
    buffers.timerAt = Infinity;
    this.#arm(buffers, this.#dueAt(buffers));
  }

  /** Those of `key`, which are made where there are none: `settle` them afterwards. */
  of(key: unknown): KeyBuffers {
    const identity = keyIdentity(key);
    return this.#keys.get(identity, key) ?? new KeyBuffers(key, identity);
  }

  /** After a change of `buffers`, which are due at `dueAt` or at an earlier time that was given before. */
  settle(buffers: KeyBuffers, dueAt: number): void {
    if (buffers.isEmpty) {
      this.#remove(buffers);
      return;
    }
    if (buffers.isKept)
      this.#keys.changed(buffers); // invariant 3
    else {
      buffers.isKept = true;
      this.#keys.add(buffers.identity, buffers);
    }
    this.#arm(buffers, dueAt);
  }

  /** Brings all keys that are due to `time`, in the order of their times. */
  advance(time: number): void {
    this.#timers.advance(time, (_timestamp, key) => {
      const buffers = this.#keys.get(keyIdentity(key), key);
      if (buffers === undefined) return;
      // A later timer may be left from before an earlier one was set; it does no harm.
      buffers.timerAt = Infinity;
      this.settle(buffers, this.#advanceKey(buffers, time));
    });
  }

  /** Batch mode: brings the only key to the end of time, and forgets it. */
  finishKey(): void {
    this.advance(Infinity);
    for (const buffers of this.#keys.values()) {
      buffers.left.removeFirst(buffers.left.size);
      buffers.right.removeFirst(buffers.right.size);
      this.#remove(buffers);
    }
  }

  /** Invariant 2. */
  #remove(buffers: KeyBuffers): void {
    if (!buffers.isKept) return;
    buffers.isKept = false;
    this.#keys.remove(buffers.identity, buffers);
  }

  /** Of records as they are: nothing is due at the beginning of time. */
  #dueAt(buffers: KeyBuffers): number {
    return this.#advanceKey(buffers, MIN_TIMESTAMP);
  }

  #arm(buffers: KeyBuffers, dueAt: number): void {
    if (dueAt >= buffers.timerAt) return;
    buffers.timerAt = dueAt;
    this.#timers.register(dueAt, buffers.key, buffers.identity); // invariant 1
  }
}
