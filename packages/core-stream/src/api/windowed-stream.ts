import type { AggregateFunction, OutputTag, ReduceFunction } from '../functions/functions.js';
import type { ProcessWindowFunction, RichProcessWindowFunction } from '../functions/window-functions.js';
import type { NumericField, OrderedField } from '../functions/rolling-functions.js';
import { toRichFunction } from '../operators/window-function.js';
import type { SchemaOptions } from '../state/state.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { TimeWindow, Window } from '../windows/window.js';
import type { SingleOutputStreamOperator } from './data-stream.js';
import { split, type AggregateOptions, type WindowArguments } from './window-arguments.js';
import type { WindowDefinition } from './window-definition.js';

type ProcessFunction<T, R, K, W extends Window> =
  ProcessWindowFunction<T, R, K, W> | RichProcessWindowFunction<T, R, K, W>;

/** A keyed stream in windows. A window is emitted when its trigger fires: unless told otherwise, when it is complete. */
export class WindowedStream<T, K, W extends Window = TimeWindow> {
  readonly #definition: WindowDefinition<T>;
  /** Reads the types back from the type only; never set. */
  declare readonly windowTypes?: readonly [K, W];

  /** For the package's own use. */
  constructor(definition: WindowDefinition<T>) {
    this.#definition = definition;
  }

  /**
   * Decides when a window is emitted, instead of the assigner's trigger.
   * @throws StreamConfigError where windows merge and the trigger cannot
   */
  trigger(trigger: Trigger<T, W>): WindowedStream<T, K, W> {
    return new WindowedStream(this.#definition.trigger(trigger));
  }

  /** Removes records from a window before or after it is emitted. All records are kept: only for `process`. */
  evictor(evictor: Evictor<T, W>): WindowedStream<T, K, W> {
    return new WindowedStream(this.#definition.evictor(evictor));
  }

  /** Keeps windows for late records until the watermark is `latenessMs` past their end; each such record emits again. */
  allowedLateness(latenessMs: number): WindowedStream<T, K, W> {
    return new WindowedStream(this.#definition.allowedLateness(latenessMs));
  }

  /** Records that are late for all their windows go to `tag`; without it they are counted as dropped. */
  sideOutputLateData(tag: OutputTag<T>): WindowedStream<T, K, W> {
    return new WindowedStream(this.#definition.sideOutputLateData(tag));
  }

  /**
   * Combines a window's records pairwise, as they come; `process` then sees the one result with key and window. `reduce` must
   * leave its arguments as they are: windows that overlap share them.
   */
  reduce(reduce: ReduceFunction<T>, options?: SchemaOptions<T>): SingleOutputStreamOperator<T>;
  reduce<R>(
    reduce: ReduceFunction<T>,
    process: ProcessFunction<T, R, K, W>,
    options?: SchemaOptions<T>,
  ): SingleOutputStreamOperator<R>;
  reduce<R>(
    reduce: ReduceFunction<T>,
    ...more: WindowArguments<ProcessFunction<T, R, K, W>, SchemaOptions<T>>
  ): SingleOutputStreamOperator<R> {
    const [process, options] = split(more);
    return this.#definition.reduce(reduce, process && toRichFunction(process), options);
  }

  /** Aggregates a window's records as they come; `process` then sees the one result with key and window. */
  aggregate<ACC, A>(
    aggregate: AggregateFunction<T, ACC, A>,
    options?: AggregateOptions<T, ACC>,
  ): SingleOutputStreamOperator<A>;
  aggregate<ACC, A, R>(
    aggregate: AggregateFunction<T, ACC, A>,
    process: ProcessFunction<A, R, K, W>,
    options?: AggregateOptions<T, ACC>,
  ): SingleOutputStreamOperator<R>;
  aggregate<ACC, A, R>(
    aggregate: AggregateFunction<T, ACC, A>,
    ...more: WindowArguments<ProcessFunction<A, R, K, W>, AggregateOptions<T, ACC>>
  ): SingleOutputStreamOperator<R> {
    const [process, options] = split(more);
    return this.#definition.aggregate(aggregate, process && toRichFunction(process), options);
  }

  /** Keeps all records of a window until it is gone. Prefer `reduce` or `aggregate` where they do. */
  process<R>(
    process: ProcessFunction<T, R, K, W>,
    options: SchemaOptions<T> = {},
  ): SingleOutputStreamOperator<R> {
    return this.#definition.process(toRichFunction(process), options);
  }

  /** One of the window's records, with the sum of all in `field`. */
  sum(field: NumericField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#definition.sum(field, options);
  }

  /** One of the window's records, with the smallest value of all in `field`. */
  min(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#definition.extreme(field, 'min', options);
  }

  /** One of the window's records, with the greatest value of all in `field`. */
  max(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#definition.extreme(field, 'max', options);
  }

  /** The window's record with the smallest value in `field`; one of them where there are several. */
  minBy(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#definition.extremeBy(field, 'min', options);
  }

  /** The window's record with the greatest value in `field`; one of them where there are several. */
  maxBy(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#definition.extremeBy(field, 'max', options);
  }
}
