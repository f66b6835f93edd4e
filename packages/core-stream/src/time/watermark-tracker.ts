/**
 * Timestamps, watermarks and idleness of one subtask, with one generator per split.
 *
 * Invariants
 * 1. The watermark is the minimum over the splits that are not idle, and never goes back.
 * 2. A split without records for its idle time-out is idle until its next record; when all splits are idle, so is the
 *    subtask, and its watermark does not advance. A reader without any split becomes idle in the same way, until it is
 *    given one.
 * 3. A record counts for the watermark after it was emitted: it is never late because of itself.
 * 4. Time in which a split could not emit (no room downstream, a blocking sink, paused to be aligned) is not idle time.
 */
import { StreamRecordError } from '../errors.js';
import { plainDescriber, type Describer } from '../runtime/describe-value.js';
import type { Clock } from './clock.js';
import {
  MAX_WATERMARK,
  MIN_TIMESTAMP,
  type TimestampAssigner,
  type WatermarkGenerator,
  type WatermarkOutput,
  type WatermarkStrategy,
} from './watermark-strategy.js';

export interface WatermarkTarget {
  emitWatermark(timestamp: number): void;
  emitIdle(isIdle: boolean): void;
}

/** One split's generator and what it has said. Only the tracker changes it. */
export class SplitWatermark implements WatermarkOutput {
  readonly generator: WatermarkGenerator<unknown>;
  readonly #onAdvance: (split: SplitWatermark) => void;
  watermark = MIN_TIMESTAMP;
  isIdle = false;
  isPaused = false;
  /** Since the last tick. */
  hasRecords = false;
  /** Without a record although it could have emitted one; below 0 for a split made after the last tick. */
  quietMs: number;

  constructor(
    generator: WatermarkGenerator<unknown>,
    quietMs: number,
    onAdvance: (split: SplitWatermark) => void,
  ) {
    this.generator = generator;
    this.quietMs = quietMs;
    this.#onAdvance = onAdvance;
  }

  emitWatermark(timestamp: number): void {
    if (timestamp > this.watermark) {
      this.watermark = timestamp;
      this.#onAdvance(this);
    }
  }
}

/** Which splits a reader is to stop, and which to go on with. */
export interface SplitPauses {
  readonly toPause: readonly string[];
  readonly toResume: readonly string[];
}

/** The range of a `Date`. Beyond it windows would lose records: not every whole number is a number there. */
const MAX_TIMESTAMP = 8.64e15;

function isTimestamp(timestamp: number): boolean {
  return timestamp >= -MAX_TIMESTAMP && timestamp <= MAX_TIMESTAMP;
}

export class WatermarkTracker {
  readonly #strategy: WatermarkStrategy<unknown>;
  readonly #assigner: TimestampAssigner<unknown> | undefined;
  readonly #clock: Clock;
  readonly #target: WatermarkTarget;
  readonly #operatorName: string;
  readonly #describer: Describer;
  readonly #splits = new Map<string, SplitWatermark>();
  /** Of records that belong to no split. */
  #main: SplitWatermark | undefined;
  #watermark = MIN_TIMESTAMP;
  #isIdle = false;
  #lastTickAt: number;
  /** How long there has been no split at all. */
  #emptyMs = 0;

  constructor(
    strategy: WatermarkStrategy<unknown>,
    clock: Clock,
    target: WatermarkTarget,
    operatorName: string,
    describer = plainDescriber,
  ) {
    this.#describer = describer;
    this.#strategy = strategy;
    this.#assigner = strategy.timestampAssigner;
    this.#clock = clock;
    this.#target = target;
    this.#operatorName = operatorName;
    this.#lastTickAt = clock.now();
  }

  /** What a checkpoint stores: without it, records that were late before a restart would not be late after it. */
  get watermark(): number {
    return this.#watermark;
  }

  get isIdle(): boolean {
    return this.#isIdle;
  }

  /** Goes on from a restored watermark; called before the first record. */
  restoreWatermark(watermark: number): void {
    if (watermark <= this.#watermark) return;
    this.#watermark = watermark;
    this.#target.emitWatermark(watermark);
  }

  /** The record's event time: the assigner's where the strategy has one, else the one it came with. */
  assignTimestamp(value: unknown, timestamp: number | undefined): number {
    if (this.#assigner === undefined) {
      if (timestamp === undefined) return MIN_TIMESTAMP;
      if (typeof timestamp === 'number' && (isTimestamp(timestamp) || timestamp === MIN_TIMESTAMP))
        return timestamp;
      throw this.#badTimestamp(`'${this.#operatorName}' gave the timestamp ${String(timestamp)}`, value);
    }
    let assigned: number;
    try {
      assigned = this.#assigner(value, timestamp === MIN_TIMESTAMP ? undefined : timestamp);
    } catch (error) {
      throw this.#badTimestamp(
        `The timestamp assigner of '${this.#operatorName}' threw '${this.#describer.describeError(error)}'`,
        value,
        error,
      );
    }
    if (typeof assigned === 'number' && isTimestamp(assigned)) return assigned;
    throw this.#badTimestamp(
      `The timestamp assigner of '${this.#operatorName}' gave ${String(assigned)}`,
      value,
    );
  }

  #badTimestamp(what: string, value: unknown, cause?: unknown): StreamRecordError {
    return new StreamRecordError(
      `${what} for the record ${this.#describer.describeRecord(value)}. A timestamp is a finite number of epoch milliseconds, within the range of a Date: ` +
        'filter records without one out before, or send them to a side output.',
      { details: { operator: this.#operatorName }, cause },
    );
  }

  /** Counts a record of `split`, after it was emitted (invariant 3). */
  onEvent(value: unknown, timestamp: number, split: SplitWatermark = this.#main ?? this.#makeMain()): void {
    this.#wakeUp(split);
    split.generator.onEvent(value, timestamp, split);
  }

  /**
   * The source has come as far as `timestamp` without a record. What follows from it leaves at once: by the next tick the
   * split may be finished. The assigner's times are not the source's, so where there is one nothing follows.
   */
  onProgress(timestamp: number, ofSplit?: SplitWatermark): void {
    if (this.#assigner !== undefined) return;
    if (!isTimestamp(timestamp)) {
      throw new StreamRecordError(
        `'${this.#operatorName}' advances event time to ${String(timestamp)}. Give finite epoch milliseconds, within the range of a Date.`,
        { details: { operator: this.#operatorName } },
      );
    }
    const split = ofSplit ?? this.#main ?? this.#makeMain();
    if (split.generator.onProgress === undefined) return;
    this.#wakeUp(split);
    split.generator.onProgress(timestamp, split);
    split.generator.onPeriodicEmit(split);
  }

  #wakeUp(split: SplitWatermark): void {
    split.hasRecords = true;
    if (!split.isIdle) return;
    split.isIdle = false;
    this.#update();
  }

  /**
   * Lets generators emit, and finds out which splits are idle.
   *
   * @param freeMs for how long since the last call records could have been emitted; all of the time unless told
   *   (invariant 4)
   */
  onPeriodicEmit(freeMs?: number): void {
    for (const split of this.#splits.values()) split.generator.onPeriodicEmit(split);
    const timeout = this.#strategy.idleTimeoutMs;
    if (timeout === undefined) return;
    const now = this.#clock.now();
    const quietMs = freeMs ?? now - this.#lastTickAt;
    this.#lastTickAt = now;
    if (this.#splits.size === 0) this.#emptyMs += quietMs;
    for (const split of this.#splits.values()) {
      if (split.hasRecords) {
        split.hasRecords = false;
        split.quietMs = 0;
      } else if (!split.isPaused) {
        split.quietMs += quietMs;
        if (split.quietMs >= timeout) split.isIdle = true; // invariant 2
      }
    }
    this.#update();
  }

  /** Makes a split known before its first record, so that it holds the watermark back from the start. */
  addSplit(splitId: string): SplitWatermark {
    let split = this.#splits.get(splitId);
    if (split === undefined) {
      split = new SplitWatermark(
        this.#strategy.createGenerator(),
        this.#lastTickAt - this.#clock.now(),
        this.#onAdvance,
      );
      this.#splits.set(splitId, split);
      this.#emptyMs = 0;
      if (this.#isIdle) this.#update();
    }
    return split;
  }

  /** The reader was given splits. It is no longer idle, though it has not begun with them: what they hold must not be late. */
  onSplitsAdded(): void {
    if (this.#splits.size > 0) return;
    this.#emptyMs = this.#lastTickAt - this.#clock.now();
    if (this.#isIdle) this.#update(); // invariant 2
  }

  removeSplit(splitId: string): void {
    if (this.#splits.delete(splitId) && this.#splits.size > 0) this.#update();
  }

  /** Pauses the splits whose watermark is above `maxWatermark`, lets the others go on, and says what has changed. */
  pauseSplitsAbove(maxWatermark: number): SplitPauses {
    const toPause: string[] = [];
    const toResume: string[] = [];
    for (const [splitId, split] of this.#splits) {
      const isAhead = split.watermark > maxWatermark;
      if (split === this.#main || isAhead === split.isPaused) continue;
      split.isPaused = isAhead;
      (isAhead ? toPause : toResume).push(splitId);
    }
    return { toPause, toResume };
  }

  #makeMain(): SplitWatermark {
    return (this.#main = this.addSplit(''));
  }

  readonly #onAdvance = (split: SplitWatermark): void => {
    // The usual case, once per record with `on-advance`: nothing to compare with.
    if (this.#splits.size > 1 || this.#isIdle || split.isIdle) this.#update();
    else this.#advance(split.watermark);
  };

  #update(): void {
    let minimum = MAX_WATERMARK;
    let active = 0;
    for (const split of this.#splits.values()) {
      if (split.isIdle) continue;
      active++;
      if (split.watermark < minimum) minimum = split.watermark;
    }
    const timeout = this.#strategy.idleTimeoutMs ?? Infinity;
    const isIdle = active === 0 && (this.#splits.size > 0 || this.#emptyMs >= timeout); // invariant 2
    if (isIdle !== this.#isIdle) {
      this.#isIdle = isIdle;
      this.#target.emitIdle(isIdle);
    }
    if (active > 0) this.#advance(minimum);
  }

  #advance(watermark: number): void {
    if (watermark <= this.#watermark || watermark === MAX_WATERMARK) return; // +∞ means the end of the input
    this.#watermark = watermark; // invariant 1
    this.#target.emitWatermark(watermark);
  }
}
