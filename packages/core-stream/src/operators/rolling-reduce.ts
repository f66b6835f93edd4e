/**
 * Combines each key's records as they come.
 *
 * In streaming mode every record gives the running result; in batch mode only the last one is emitted, when the key ends.
 */
import type { ReduceFunction } from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import type { KeyedStateBackend, KeyedStateSnapshot } from '../state/keyed-state-backend.js';
import { ReducingStateDescriptor, type ReducingState, type SchemaOptions } from '../state/state.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';

export function rollingReduceOperator(
  keySelector: AnyKeySelector,
  reduce: ReduceFunction<unknown>,
  options: SchemaOptions<unknown>,
): OperatorFactory {
  return (context, output) => new RollingReduceOperator(context, output, keySelector, reduce, options);
}

class RollingReduceOperator implements StreamOperator {
  readonly #isBatch: boolean;
  readonly #output: Output;
  readonly #keySelector: AnyKeySelector;
  readonly #state: KeyedStateBackend;
  readonly #result: ReducingState<unknown>;
  /** Of the last record. */
  #timestamp = MIN_TIMESTAMP;

  constructor(
    context: OperatorContext,
    output: Output,
    keySelector: AnyKeySelector,
    reduce: ReduceFunction<unknown>,
    options: SchemaOptions<unknown>,
  ) {
    this.#isBatch = context.isBatch;
    this.#output = output;
    this.#keySelector = keySelector;
    this.#state = context.createKeyedState((context.restored ?? []) as readonly KeyedStateSnapshot[]);
    this.#result = this.#state.getReducingState(new ReducingStateDescriptor('result', reduce, options));
  }

  processElement(value: unknown, timestamp: number): void {
    this.#state.setCurrentKey(this.#keySelector(value));
    this.#result.add(value);
    if (this.#isBatch) this.#timestamp = timestamp;
    else this.#output.collect(this.#result.get(), timestamp);
  }

  finishKey(): void {
    this.#output.collect(this.#result.get(), this.#timestamp);
    this.#state.dropCurrentKey();
  }

  processWatermark(timestamp: number): void {
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  snapshotState(): KeyedStateSnapshot {
    return this.#state.snapshot();
  }
}
