import type { KeyedProcessFunction, KeyedProcessFunctionFactory } from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { KeyedFunctionContext, type KeyedFunctionSnapshot } from './keyed-function-context.js';
import type { OperatorFactory, Output, StreamOperator } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';

/** Runs a `KeyedProcessFunction`: sets the key, fires timers. */
export function keyedProcessOperator(
  keySelector: AnyKeySelector,
  create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
): OperatorFactory {
  return withOperatorState(
    (context, output) => new KeyedProcessOperator(context, output, keySelector, create),
  );
}

class KeyedProcessOperator implements StreamOperator {
  readonly #output: Output;
  readonly #keySelector: AnyKeySelector;
  readonly #keyed: KeyedFunctionContext;
  readonly #function: KeyedProcessFunction<unknown, unknown, unknown>;

  constructor(
    context: FunctionOperatorContext,
    output: Output,
    keySelector: AnyKeySelector,
    create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
  ) {
    this.#output = output;
    this.#keySelector = keySelector;
    this.#keyed = new KeyedFunctionContext(
      context,
      output,
      (context.restored ?? []) as readonly KeyedFunctionSnapshot[],
    );
    this.#function = create(this.#keyed.runtimeContext);
  }

  async open(): Promise<void> {
    await this.#function.open?.(this.#keyed.runtimeContext);
    this.#keyed.open(this.#function);
  }

  processElement(value: unknown, timestamp: number): void {
    const keyed = this.#keyed;
    keyed.begin(this.#keySelector(value), timestamp);
    this.#function.processElement(value, keyed, keyed.collector);
    keyed.end();
  }

  processWatermark(timestamp: number): void {
    this.#keyed.processWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.#keyed.finishKey();
  }

  snapshotState(checkpointId: number): KeyedFunctionSnapshot {
    return this.#keyed.snapshot(checkpointId);
  }

  finish(): void {
    this.#keyed.finish();
  }

  close(): void | Promise<void> {
    this.#keyed.finish();
    return this.#function.close?.();
  }
}
