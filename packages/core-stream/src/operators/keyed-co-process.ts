import type { KeyedCoProcessFunction, KeyedCoProcessFunctionFactory } from '../functions/co-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { KeyedFunctionContext, type KeyedFunctionSnapshot } from './keyed-function-context.js';
import type { OperatorFactory, Output, StreamOperator } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';

export interface KeyedCoProcessOptions {
  readonly keySelector1: AnyKeySelector;
  readonly keySelector2: AnyKeySelector;
  readonly create: KeyedCoProcessFunctionFactory<unknown, unknown, unknown, unknown>;
}

/** Runs a `KeyedCoProcessFunction`: both inputs share the key's state and timers. */
export function keyedCoProcessOperator(options: KeyedCoProcessOptions): OperatorFactory {
  return withOperatorState((context, output) => new KeyedCoProcessOperator(context, output, options));
}

class KeyedCoProcessOperator implements StreamOperator {
  readonly #output: Output;
  readonly #keySelector1: AnyKeySelector;
  readonly #keySelector2: AnyKeySelector;
  readonly #keyed: KeyedFunctionContext;
  readonly #function: KeyedCoProcessFunction<unknown, unknown, unknown, unknown>;

  constructor(context: FunctionOperatorContext, output: Output, options: KeyedCoProcessOptions) {
    this.#output = output;
    this.#keySelector1 = options.keySelector1;
    this.#keySelector2 = options.keySelector2;
    this.#keyed = new KeyedFunctionContext(
      context,
      output,
      (context.restored ?? []) as readonly KeyedFunctionSnapshot[],
    );
    this.#function = options.create(this.#keyed.runtimeContext);
  }

  async open(): Promise<void> {
    await this.#function.open?.(this.#keyed.runtimeContext);
    this.#keyed.open(this.#function);
  }

  processElement(value: unknown, timestamp: number): void {
    const keyed = this.#keyed;
    keyed.begin(this.#keySelector1(value), timestamp);
    this.#function.processElement1(value, keyed, keyed.collector);
    keyed.end();
  }

  processElement2(value: unknown, timestamp: number): void {
    const keyed = this.#keyed;
    keyed.begin(this.#keySelector2(value), timestamp);
    this.#function.processElement2(value, keyed, keyed.collector);
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
