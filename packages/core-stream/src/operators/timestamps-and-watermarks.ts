import type { WatermarkStrategy } from '../time/watermark-strategy.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { WatermarkTracker } from '../time/watermark-tracker.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';

/**
 * Gives records timestamps and watermarks in the middle of a stream. Watermarks and idleness from upstream end here,
 * except +∞.
 */
export function timestampsAndWatermarksOperator(strategy: WatermarkStrategy<unknown>): OperatorFactory {
  return (context, output) => new TimestampsAndWatermarksOperator(context, output, strategy);
}

interface WatermarkSnapshot {
  readonly watermark: number;
}

class TimestampsAndWatermarksOperator implements StreamOperator {
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #tracker: WatermarkTracker;
  #cancelTick: (() => void) | undefined;
  #isFinished = false;

  constructor(context: OperatorContext, output: Output, strategy: WatermarkStrategy<unknown>) {
    this.#context = context;
    this.#output = output;
    this.#tracker = new WatermarkTracker(strategy, context.clock, output, context.operatorName);
  }

  open(): void {
    const restored = (this.#context.restored ?? []) as readonly WatermarkSnapshot[];
    const watermarks = restored.map((state) => state.watermark);
    const own =
      restored.length === this.#context.parallelism ? watermarks[this.#context.subtaskIndex] : undefined;
    if (watermarks.length > 0) this.#tracker.restoreWatermark(own ?? Math.min(...watermarks));
    const tick = () => {
      if (this.#isFinished) return;
      this.#tracker.onPeriodicEmit();
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
    if (timestamp === MAX_WATERMARK) this.#output.emitWatermark(timestamp);
  }

  processIdle(): void {
    // Like watermarks, idleness is this operator's own from here on.
  }

  snapshotState(): WatermarkSnapshot {
    return { watermark: this.#isFinished ? MAX_WATERMARK : this.#tracker.watermark };
  }

  finish(): void {
    this.#isFinished = true; // nothing is emitted after +∞
    this.#cancelTick?.();
  }

  close(): void {
    this.#cancelTick?.();
  }
}
