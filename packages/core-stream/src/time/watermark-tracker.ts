/**
 * Timestamps, watermarks and idleness of one subtask, with one generator per split.
 *
 * Invariants
 * 1. The watermark is the minimum over the splits that are not idle, and never goes back.
 * 2. A split without records for its idle time-out is idle until its next record; when all splits are idle, so is the
 *    subtask, and its watermark does not advance.
 * 3. A record counts for the watermark after it was emitted: it is never late because of itself.
 */
import type { Clock } from './clock.js';
import { StreamRecordError } from '../errors.js';
import {
  MAX_WATERMARK,
  MIN_TIMESTAMP,
  type TimestampAssigner,
  type WatermarkGenerator,
  type WatermarkStrategy,
} from './watermark-strategy.js';

export interface WatermarkTarget {
  emitWatermark(timestamp: number): void;
  emitIdle(isIdle: boolean): void;
}

const MAIN = '';

class SplitWatermark {
  readonly generator: WatermarkGenerator<unknown>;
  readonly #onAdvance: () => void;
  watermark = MIN_TIMESTAMP;
  isIdle = false;
  lastActiveAt: number;
  hasRecords = false;

  constructor(generator: WatermarkGenerator<unknown>, now: number, onAdvance: () => void) {
    this.generator = generator;
    this.lastActiveAt = now;
    this.#onAdvance = onAdvance;
  }

  emitWatermark(timestamp: number): void {
    if (timestamp > this.watermark) {
      this.watermark = timestamp;
      this.#onAdvance();
    }
  }
}

export class WatermarkTracker {
  readonly #strategy: WatermarkStrategy<unknown>;
  readonly #assigner: TimestampAssigner<unknown> | undefined;
  readonly #clock: Clock;
  readonly #target: WatermarkTarget;
  readonly #operatorName: string;
  readonly #splits = new Map<string, SplitWatermark>();
  #watermark = MIN_TIMESTAMP;
  #isIdle = false;
  #main: SplitWatermark | undefined;

  constructor(
    strategy: WatermarkStrategy<unknown>,
    clock: Clock,
    target: WatermarkTarget,
    operatorName: string,
  ) {
    this.#strategy = strategy;
    this.#assigner = strategy.timestampAssigner;
    this.#clock = clock;
    this.#target = target;
    this.#operatorName = operatorName;
  }

  /** What a checkpoint stores: without it, records that were late before a restart would not be late after it. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Goes on from a restored watermark; called before the first record. */
  restoreWatermark(watermark: number): void {
    if (watermark <= this.#watermark) return;
    this.#watermark = watermark;
    this.#target.emitWatermark(watermark);
  }

  /** The record's event time: the assigner's where the strategy has one, else the one it came with. */
  assignTimestamp(value: unknown, timestamp: number): number {
    if (this.#assigner === undefined) {
      if (timestamp < MAX_WATERMARK) return timestamp;
      throw new StreamRecordError(
        `'${this.#operatorName}' gave a record the timestamp ${String(timestamp)}. ` +
          'A timestamp is a finite number of epoch milliseconds: leave it out where there is none.',
        { details: { operator: this.#operatorName } },
      );
    }
    const assigned = this.#assigner(value, timestamp === MIN_TIMESTAMP ? undefined : timestamp);
    if (typeof assigned !== 'number' || !Number.isFinite(assigned)) {
      throw new StreamRecordError(
        `The timestamp assigner of '${this.#operatorName}' gave ${String(assigned)} for a record. ` +
          'A timestamp is a finite number of epoch milliseconds: filter such records out before, or send them to a side output.',
        { details: { operator: this.#operatorName } },
      );
    }
    return assigned;
  }

  /** Counts a record of `splitId`, after it was emitted (invariant 3). */
  onEvent(value: unknown, timestamp: number, splitId: string = MAIN): void {
    const split = splitId === MAIN ? (this.#main ??= this.#split(MAIN)) : this.#split(splitId);
    split.hasRecords = true;
    if (split.isIdle) {
      split.isIdle = false;
      this.#update();
    }
    split.generator.onEvent(value, timestamp, split);
  }

  onPeriodicEmit(): void {
    const timeout = this.#strategy.idleTimeoutMs;
    const now = timeout === undefined ? 0 : this.#clock.now();
    if (timeout !== undefined && this.#splits.size === 0) this.#main = this.#split(MAIN);
    for (const split of this.#splits.values()) {
      split.generator.onPeriodicEmit(split);
      if (timeout === undefined) continue;
      if (split.hasRecords) {
        split.hasRecords = false;
        split.lastActiveAt = now;
      } else if (now - split.lastActiveAt >= timeout) split.isIdle = true; // invariant 2
    }
    this.#update();
  }

  /** Makes a split known before its first record, so that it holds the watermark back from the start. */
  addSplit(splitId: string): void {
    this.#split(splitId);
  }

  removeSplit(splitId: string): void {
    if (this.#splits.delete(splitId)) {
      if (splitId === MAIN) this.#main = undefined;
      if (this.#splits.size > 0) this.#update();
    }
  }

  #split(splitId: string): SplitWatermark {
    let split = this.#splits.get(splitId);
    if (split === undefined) {
      split = new SplitWatermark(this.#strategy.createGenerator(), this.#clock.now(), () => this.#update());
      this.#splits.set(splitId, split);
      if (this.#isIdle) this.#update();
    }
    return split;
  }

  #update(): void {
    let minimum = Infinity;
    let isIdle = this.#splits.size > 0;
    for (const split of this.#splits.values()) {
      if (split.isIdle) continue;
      isIdle = false;
      if (split.watermark < minimum) minimum = split.watermark;
    }
    if (isIdle !== this.#isIdle) {
      this.#isIdle = isIdle;
      this.#target.emitIdle(isIdle);
    }
    if (!isIdle && minimum > this.#watermark && minimum !== Infinity) {
      this.#watermark = minimum; // invariant 1
      this.#target.emitWatermark(minimum);
    }
  }
}
