import { StreamConfigError } from '../errors.js';
import { timestampsOnly } from '../batch/batch-source.js';
import { MAX_WATERMARK, type WatermarkStrategy } from '../time/watermark-strategy.js';
import { lowestWatermark, restoredWatermark } from '../time/restored-watermark.js';
import { WatermarkTracker } from '../time/watermark-tracker.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';

/**
 * Gives records timestamps and watermarks in the middle of a stream. Watermarks and idleness from upstream end here,
 * except +∞.
 */
export function timestampsAndWatermarksOperator(strategy: WatermarkStrategy<unknown>): OperatorFactory {
  if (strategy.alignment !== undefined) {
    throw new StreamConfigError(
      `withWatermarkAlignment (group '${strategy.alignment.group}') works on a source, which can be stopped, and not in the ` +
        'middle of a stream. Give the strategy to env.fromSource, or leave the alignment out.',
    );
  }
  return (context, output) => new TimestampsAndWatermarksOperator(context, output, strategy);
}

interface WatermarkSnapshot {
  readonly watermark: number;
  readonly isIdle: boolean;
}

class TimestampsAndWatermarksOperator implements StreamOperator {
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #tracker: WatermarkTracker;
  #cancelTick: (() => void) | undefined;
  /** +∞ has been passed on: nothing may follow it. */
  #hasEnded = false;

  constructor(context: OperatorContext, output: Output, strategy: WatermarkStrategy<unknown>) {
    this.#context = context;
    this.#output = output;
    const used = context.isBatch ? timestampsOnly(strategy) : strategy;
    const { clock, operatorName, describer } = context;
    this.#tracker = new WatermarkTracker(used, clock, output, operatorName, describer);
  }

  start(): void {
    const { restored = [], subtaskIndex, parallelism, isRescaled } = this.#context;
    const reached = restored as readonly WatermarkSnapshot[];
    this.#tracker.restoreWatermark(
      isRescaled ? lowestWatermark(reached) : restoredWatermark(reached, subtaskIndex, parallelism),
    );
    const tick = () => {
      if (this.#hasEnded) return;
      // A tick that comes late, because the task was blocked, counts as one for idleness.
      this.#tracker.onPeriodicEmit(this.#context.watermarkIntervalMs);
      this.#cancelTick = this.#context.schedule(this.#context.watermarkIntervalMs, tick);
    };
    this.#cancelTick = this.#context.schedule(this.#context.watermarkIntervalMs, tick);
  }

  processElement(value: unknown, timestamp: number): void {
    const assigned = this.#tracker.assignTimestamp(value, timestamp);
    this.#output.collect(value, assigned);
    this.#tracker.onEvent(value, assigned);
  }

  processWatermark(timestamp: number): void {
    if (timestamp !== MAX_WATERMARK) return;
    this.#hasEnded = true;
    this.#cancelTick?.();
    this.#output.emitWatermark(timestamp);
  }

  processIdle(): void {
    // Like watermarks, idleness is this operator's own from here on.
  }

  snapshotState(): WatermarkSnapshot {
    return {
      watermark: this.#hasEnded ? MAX_WATERMARK : this.#tracker.watermark,
      isIdle: this.#tracker.isIdle,
    };
  }

  close(): void {
    this.#cancelTick?.();
  }
}
