import type { Collector, KeyedRuntimeContext, OnTimerContext } from '../functions/functions.js';
import type { KeyedFunctionContext } from './keyed-function-context.js';
import type { OperatorState, Output, StreamOperator } from './operator.js';

/** What the functions of keyed streams have besides their records. */
interface KeyedFunction {
  onTimer?(timestamp: number, context: OnTimerContext<unknown>, out: Collector<unknown>): void;
  open?(context: KeyedRuntimeContext): void | Promise<void>;
  snapshotState?(checkpointId: number): void;
  close?(): void | Promise<void>;
}

/** Runs a function of a keyed stream; which of its methods a record goes to is the subclass's. */
export abstract class KeyedFunctionOperator<
  F extends KeyedFunction,
  C extends KeyedFunctionContext = KeyedFunctionContext,
> implements StreamOperator {
  protected readonly keyed: C;
  protected readonly userFunction: F;
  readonly #output: Output;

  constructor(keyed: C, output: Output, create: (context: KeyedRuntimeContext) => F) {
    this.keyed = keyed;
    this.#output = output;
    this.userFunction = create(keyed.runtimeContext);
  }

  abstract processElement(value: unknown, timestamp: number): void;

  async open(): Promise<void> {
    await this.userFunction.open?.(this.keyed.runtimeContext);
    this.keyed.open(this.userFunction);
  }

  processWatermark(timestamp: number): void {
    this.keyed.processWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.keyed.finishKey();
  }

  snapshotState(checkpointId: number): OperatorState {
    return this.keyed.snapshot(checkpointId);
  }

  finish(): void {
    this.keyed.finish();
  }

  close(): void | Promise<void> {
    this.keyed.finish();
    return this.userFunction.close?.();
  }
}
