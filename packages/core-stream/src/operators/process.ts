import type {
  OutputTag,
  ProcessContext,
  ProcessFunction,
  ProcessFunctionFactory,
} from '../functions/functions.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';

export function processOperator(create: ProcessFunctionFactory<unknown, unknown>): OperatorFactory {
  return (context, output) => new ProcessOperator(context, output, create);
}

class ProcessOperator implements StreamOperator, ProcessContext {
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #function: ProcessFunction<unknown, unknown>;
  readonly #collector: TimestampedCollector;
  currentWatermark = MIN_TIMESTAMP;

  constructor(context: OperatorContext, output: Output, create: ProcessFunctionFactory<unknown, unknown>) {
    this.#context = context;
    this.#output = output;
    this.#collector = new TimestampedCollector(output);
    this.#function = create(context);
  }

  get timestamp(): number | undefined {
    const { timestamp } = this.#collector;
    return timestamp === MIN_TIMESTAMP ? undefined : timestamp;
  }

  currentProcessingTime(): number {
    return this.#context.clock.now();
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.sideOutput(tag.id, value, this.#collector.timestamp);
  }

  open(): void | Promise<void> {
    return this.#function.open?.(this.#context);
  }

  processElement(value: unknown, timestamp: number): void {
    this.#collector.timestamp = timestamp;
    this.#function.processElement(value, this, this.#collector);
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  close(): void | Promise<void> {
    return this.#function.close?.();
  }
}
