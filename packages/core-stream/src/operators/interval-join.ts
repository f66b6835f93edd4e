/**
 * Joins each left record of time `t` with the right records of its key of the times `[t + lowerMs, t + upperMs]`.
 *
 * Invariants
 * 1. A record is late when its timestamp is below the watermark; all others find all their partners, in whatever order
 *    they come.
 * 2. A record is kept until the watermark is past every time at which a partner of it can be: then, and only then, it is
 *    known to have no match.
 * 3. What an outer join emits for a record without a match has that record's timestamp, and is not late for what follows:
 *    the watermark is held back by the longest time that such a record is kept.
 */
import type { OutputTag } from '../functions/functions.js';
import type { JoinType, ProcessJoinFunction } from '../functions/join-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import type { StateSchema } from '../state/state-schema.js';
import { lowestWatermark } from '../time/restored-watermark.js';
import { JoinOutput } from './join-output.js';
import type { KeptVersions } from './kept-schemas.js';
import { KeyedBuffers, type KeyBuffers } from './keyed-buffers.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';
import type { Buffered, TimeBuffer } from './time-buffer.js';

export interface IntervalJoinOptions {
  readonly type: JoinType;
  readonly leftKeySelector: AnyKeySelector;
  readonly rightKeySelector: AnyKeySelector;
  /** Both inclusive. */
  readonly lowerMs: number;
  readonly upperMs: number;
  readonly leftLateOutput: OutputTag<unknown> | undefined;
  readonly rightLateOutput: OutputTag<unknown> | undefined;
  readonly join: ProcessJoinFunction<unknown, unknown, unknown>;
  readonly leftSchema: StateSchema<unknown> | undefined;
  readonly rightSchema: StateSchema<unknown> | undefined;
}

interface Snapshot {
  readonly watermark: number;
  readonly versions: KeptVersions;
}

export function intervalJoinOperator(options: IntervalJoinOptions): OperatorFactory {
  return (context, output) => new IntervalJoinOperator(context, output, options);
}

class IntervalJoinOperator implements StreamOperator {
  readonly #output: Output;
  readonly #options: IntervalJoinOptions;
  readonly #emitsLeft: boolean;
  readonly #emitsRight: boolean;
  readonly #heldBackMs: number;
  readonly #isBatch: boolean;
  readonly #buffers: KeyedBuffers;
  readonly #join: JoinOutput;
  #watermark: number;

  constructor(context: OperatorContext, output: Output, options: IntervalJoinOptions) {
    const { type, lowerMs, upperMs } = options;
    this.#output = output;
    this.#options = options;
    this.#emitsLeft = type === 'left' || type === 'full';
    this.#emitsRight = type === 'right' || type === 'full';
    this.#heldBackMs = Math.max(0, this.#emitsLeft ? upperMs + 1 : 0, this.#emitsRight ? 1 - lowerMs : 0);
    this.#isBatch = context.isBatch;
    this.#join = new JoinOutput(context, output, options.join);
    const restored = (context.restored ?? []) as readonly Snapshot[];
    this.#watermark = lowestWatermark(restored.map(({ watermark }) => ({ watermark, isIdle: false })));
    this.#buffers = new KeyedBuffers(context, (buffers, time) => this.#advanceKey(buffers, time), {
      ...options,
      restored: restored.map(({ versions }) => versions),
    });
  }

  get lateRecordsDropped(): number {
    return this.#join.lateRecordsDropped;
  }

  processElement(value: unknown, timestamp: number): void {
    const { leftKeySelector, leftLateOutput, lowerMs, upperMs } = this.#options;
    if (this.#isLate(value, timestamp, leftLateOutput)) return;
    const buffers = this.#begin(leftKeySelector(value), timestamp);
    const left: Buffered = { timestamp, value, isMatched: false };
    const { right: others } = buffers;
    const last = timestamp + upperMs;
    let right: Buffered | undefined;
    for (
      let i = others.countBelow(timestamp + lowerMs);
      (right = others.at(i)) !== undefined && right.timestamp <= last;
      i++
    ) {
      this.#emitPair(left, right);
    }
    this.#end(buffers, buffers.left, left, last, this.#emitsLeft);
  }

  processElement2(value: unknown, timestamp: number): void {
    const { rightKeySelector, rightLateOutput, lowerMs, upperMs } = this.#options;
    if (this.#isLate(value, timestamp, rightLateOutput)) return;
    const buffers = this.#begin(rightKeySelector(value), timestamp);
    const right: Buffered = { timestamp, value, isMatched: false };
    const { left: others } = buffers;
    const last = timestamp - lowerMs;
    let left: Buffered | undefined;
    for (
      let i = others.countBelow(timestamp - upperMs);
      (left = others.at(i)) !== undefined && left.timestamp <= last;
      i++
    ) {
      this.#emitPair(left, right);
    }
    this.#end(buffers, buffers.right, right, last, this.#emitsRight);
  }

  processWatermark(timestamp: number): void {
    // After a restore it begins with the one that was passed on, which is not the one that was reached.
    if (timestamp > this.#watermark) this.#watermark = timestamp;
    this.#buffers.advance(this.#watermark);
    this.#output.emitWatermark(this.#watermark - this.#heldBackMs); // invariant 3
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.#buffers.finishKey();
  }

  snapshotState(): Snapshot {
    return { watermark: this.#watermark, versions: this.#buffers.versions };
  }

  #isLate(value: unknown, timestamp: number, tag: OutputTag<unknown> | undefined): boolean {
    this.#join.requireTimestamp(timestamp);
    if (timestamp >= this.#watermark) return false; // invariant 1
    this.#join.late(tag, value, timestamp);
    return true;
  }

  #begin(key: unknown, timestamp: number): KeyBuffers {
    const buffers = this.#buffers.of(key);
    // A key's records come by time: nothing before this one will.
    if (this.#isBatch) this.#advanceKey(buffers, timestamp);
    return buffers;
  }

  #emitPair(left: Buffered, right: Buffered): void {
    left.isMatched = true;
    right.isMatched = true;
    this.#join.emit(left, right, Math.max(left.timestamp, right.timestamp));
  }

  /** `last` is the latest time at which a partner of `item` can be. */
  #end(buffers: KeyBuffers, own: TimeBuffer, item: Buffered, last: number, emitsUnmatched: boolean): void {
    if (last >= this.#watermark)
      own.add(item); // invariant 2
    else if (emitsUnmatched && !item.isMatched) this.#emitUnmatched(own === buffers.left, item);
    this.#buffers.settle(buffers, last + 1);
  }

  #advanceKey({ left, right }: KeyBuffers, time: number): number {
    const { lowerMs, upperMs } = this.#options;
    this.#expire(left, time - upperMs, true, this.#emitsLeft);
    this.#expire(right, time + lowerMs, false, this.#emitsRight);
    const leftDueAt = left.first === undefined ? Infinity : left.first.timestamp + upperMs + 1;
    const rightDueAt = right.first === undefined ? Infinity : right.first.timestamp - lowerMs + 1;
    return Math.min(leftDueAt, rightDueAt);
  }

  /** Removes what is older than `oldest`. */
  #expire(own: TimeBuffer, oldest: number, isLeft: boolean, emitsUnmatched: boolean): void {
    const count = own.countBelow(oldest);
    for (let i = 0; emitsUnmatched && i < count; i++) {
      const item = own.at(i)!;
      if (!item.isMatched) this.#emitUnmatched(isLeft, item);
    }
    own.removeFirst(count);
  }

  #emitUnmatched(isLeft: boolean, item: Buffered): void {
    if (isLeft) this.#join.emit(item, undefined, item.timestamp);
    else this.#join.emit(undefined, item, item.timestamp);
  }
}
