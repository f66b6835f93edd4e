import type {
  AggregateFunction,
  KeySelector,
  OutputTag,
  ProcessWindowFunction,
  ReduceFunction,
} from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { windowOperator } from '../operators/window.js';
import {
  aggregateWindow,
  processWindow,
  reduceWindow,
  type WindowFunction,
} from '../operators/window-function.js';
import type { WindowAssigner } from '../windows/windows.js';
import type { DataStream } from './data-stream.js';

type AnyProcess = ProcessWindowFunction<unknown, unknown, unknown>;

/** A keyed stream in windows; a window is emitted once, when the watermark reaches its end. */
export class WindowedStream<T, K> {
  readonly #stream: DataStream<T>;
  readonly #keySelector: KeySelector<T, K>;
  readonly #assigner: WindowAssigner;
  readonly #lateOutput: OutputTag<unknown> | undefined;

  constructor(
    stream: DataStream<T>,
    keySelector: KeySelector<T, K>,
    assigner: WindowAssigner,
    lateOutput?: OutputTag<T>,
  ) {
    this.#stream = stream;
    this.#keySelector = keySelector;
    this.#assigner = assigner;
    this.#lateOutput = lateOutput as OutputTag<unknown> | undefined;
  }

  /** Records that are late for all their windows go to `tag`; without it they are counted as dropped. */
  sideOutputLateData(tag: OutputTag<T>): WindowedStream<T, K> {
    return new WindowedStream(this.#stream, this.#keySelector, this.#assigner, tag);
  }

  /** Combines a window's records pairwise, as they come; `process` then sees the one result with key and window. */
  reduce(reduce: ReduceFunction<T>): DataStream<T>;
  reduce<R>(reduce: ReduceFunction<T>, process: ProcessWindowFunction<T, R, K>): DataStream<R>;
  reduce<R>(reduce: ReduceFunction<T>, process?: ProcessWindowFunction<T, R, K>): DataStream<R> {
    return this.#window(
      'Reduce',
      reduceWindow(reduce as ReduceFunction<unknown>, process as AnyProcess | undefined),
    );
  }

  /** Aggregates a window's records as they come; `process` then sees the one result with key and window. */
  aggregate<ACC, A>(aggregate: AggregateFunction<T, ACC, A>): DataStream<A>;
  aggregate<ACC, A, R>(
    aggregate: AggregateFunction<T, ACC, A>,
    process: ProcessWindowFunction<A, R, K>,
  ): DataStream<R>;
  aggregate<ACC, A, R>(
    aggregate: AggregateFunction<T, ACC, A>,
    process?: ProcessWindowFunction<A, R, K>,
  ): DataStream<R> {
    const erased = aggregate as AggregateFunction<unknown, unknown, unknown>;
    return this.#window('Aggregate', aggregateWindow(erased, process as AnyProcess | undefined));
  }

  /** Keeps all records of a window until it closes. Prefer `reduce` or `aggregate` where they do. */
  process<R>(process: ProcessWindowFunction<T, R, K>): DataStream<R> {
    return this.#window('Process', processWindow(process as AnyProcess));
  }

  #window<R>(kind: string, windowFunction: WindowFunction): DataStream<R> {
    const keySelector = this.#keySelector as AnyKeySelector;
    const options = { keySelector, assigner: this.#assigner, windowFunction, lateOutput: this.#lateOutput };
    return this.#stream.transform<R>(`Window ${kind}`, windowOperator(options), { keySelector, needs: { eventTime: true } });
  }
}
