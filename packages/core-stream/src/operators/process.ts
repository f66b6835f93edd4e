import type { ProcessFunction, ProcessFunctionFactory } from '../functions/functions.js';
import { FunctionContext } from './function-context.js';
import type { OperatorFactory, Output, StreamOperator } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

/** Runs a `ProcessFunction`. */
export function processOperator(create: ProcessFunctionFactory<unknown, unknown>): OperatorFactory {
  return withOperatorState((context, output) => new ProcessOperator(context, output, create));
}

class ProcessOperator implements StreamOperator {
  readonly #context: FunctionOperatorContext;
  readonly #output: Output;
  readonly #seen: FunctionContext;
  readonly #function: ProcessFunction<unknown, unknown>;

  constructor(
    context: FunctionOperatorContext,
    output: Output,
    create: ProcessFunctionFactory<unknown, unknown>,
  ) {
    this.#context = context;
    this.#output = output;
    this.#seen = new FunctionContext(context, output);
    this.#function = create(context);
  }

  open(): void | Promise<void> {
    return this.#function.open?.(this.#context);
  }

  processElement(value: unknown, timestamp: number): void {
    const { collector } = this.#seen;
    collector.timestamp = timestamp;
    synchronous(this.#function.processElement(value, this.#seen, collector));
  }

  processWatermark(timestamp: number): void {
    this.#seen.currentWatermark = timestamp;
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  snapshotState(checkpointId: number): undefined {
    this.#function.snapshotState?.(checkpointId);
  }

  close(): void | Promise<void> {
    return this.#function.close?.();
  }
}
