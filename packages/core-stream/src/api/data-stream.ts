import type { SinkFunction } from '../connectors/classic.js';
import { ClassicSink } from '../connectors/classic-sink.js';
import { PrintSink } from '../connectors/print-sink.js';
import type { Sink } from '../connectors/sink.js';
import type {
  FilterFunction,
  FlatMapFunction,
  KeySelector,
  MapFunction,
  OutputTag,
  ProcessFunctionFactory,
  TypeGuard,
} from '../functions/functions.js';
import type { AnyKeySelector, AnySink, Partitioning, StreamNode } from '../graph/stream-graph.js';
import { filterOperator } from '../operators/filter.js';
import { flatMapOperator } from '../operators/flat-map.js';
import { mapOperator } from '../operators/map.js';
import type { OperatorFactory } from '../operators/operator.js';
import { processOperator } from '../operators/process.js';
import { timestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks.js';
import type { WatermarkStrategy } from '../time/watermark-strategy.js';
import { KeyedStream } from './keyed-stream.js';
import { DataStreamSink } from './data-stream-sink.js';
import type { StreamScope } from './stream-scope.js';

/**
 * A stream of records of type `T`. Its methods add to the program; nothing runs before `env.execute`.
 */
export class DataStream<T> {
  /** For the package's own use. */
  readonly scope: StreamScope;
  readonly #node: StreamNode;
  readonly #outputTag: string | undefined;
  readonly #partitioning: Partitioning | undefined;
  /** Reads `T` back from the type only; never set. */
  declare readonly recordType?: T;

  constructor(
    scope: StreamScope,
    node: StreamNode,
    from: { outputTag?: string; partitioning?: Partitioning } = {},
  ) {
    this.scope = scope;
    this.#node = node;
    this.#outputTag = from.outputTag;
    this.#partitioning = from.partitioning;
  }

  map<R>(map: MapFunction<T, R>): DataStream<R> {
    return this.transform<R>('Map', mapOperator(map as MapFunction<unknown, unknown>));
  }

  /** Emits any number of records per record through `out`. */
  flatMap<R>(flatMap: FlatMapFunction<T, R>): DataStream<R> {
    return this.transform<R>('FlatMap', flatMapOperator(flatMap as FlatMapFunction<unknown, unknown>));
  }

  /** Keeps the records for which `filter` is true; a type guard narrows the stream's type. */
  filter<S extends T>(filter: TypeGuard<T, S>): DataStream<S>;
  filter(filter: FilterFunction<T>): DataStream<T>;
  filter(filter: FilterFunction<T>): DataStream<T> {
    return this.transform<T>('Filter', filterOperator(filter as FilterFunction<unknown>));
  }

  /** Gives each record to a function that can emit any number of records, also to side outputs. Made once per subtask. */
  process<R>(create: ProcessFunctionFactory<T, R>): DataStream<R> {
    return this.transform<R>('Process', processOperator(create as ProcessFunctionFactory<unknown, unknown>));
  }

  /** Records with the same key go to the same subtask; state, timers and windows are per key. */
  keyBy<K>(keySelector: KeySelector<T, K>): KeyedStream<T, K> {
    return new KeyedStream(this, keySelector);
  }

  /** Gives records timestamps and watermarks here, in place of those from upstream. */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): DataStream<T> {
    return this.transform<T>(
      'TimestampsAndWatermarks',
      timestampsAndWatermarksOperator(strategy as WatermarkStrategy<unknown>),
    );
  }

  /** What this operator emits to `tag`. */
  getSideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    return new DataStream<S>(this.scope, this.#node, { outputTag: tag.id });
  }

  /** Spreads the records evenly over the subtasks of the next operator. */
  rebalance(): DataStream<T> {
    return new DataStream<T>(this.scope, this.#node, {
      ...(this.#outputTag === undefined ? {} : { outputTag: this.#outputTag }),
      partitioning: { type: 'rebalance' },
    });
  }

  /** Ends the stream in a sink. */
  sinkTo<CommT, WriterStateT>(sink: Sink<T, CommT, WriterStateT>): DataStreamSink {
    const node = this.scope.graph.add({
      name: 'Sink',
      spec: { kind: 'sink', sink: sink as unknown as AnySink },
      inputs: [this.#edge(this.#partitioning)],
    });
    return new DataStreamSink(node);
  }

  /** Ends the stream in a sink, or in a function with `emit` (the small contract). */
  addSink<CommT, WriterStateT>(sink: Sink<T, CommT, WriterStateT> | SinkFunction<T>): DataStreamSink {
    return 'createWriter' in sink ? this.sinkTo(sink) : this.sinkTo(new ClassicSink(sink));
  }

  /** Prints each record to standard output, after `prefix`. */
  print(prefix = ''): DataStreamSink {
    return this.sinkTo(new PrintSink<T>(prefix, this.scope.printTarget)).name(
      prefix === '' ? 'Print' : `Print ${prefix}`,
    );
  }

  /** Names the operator in plans, metrics and errors. */
  name(name: string): this {
    this.#node.name = name;
    return this;
  }

  /** Identifies the operator's state across changes of the program. Set it on everything with state. */
  uid(uid: string): this {
    this.#node.uid = uid;
    return this;
  }

  /** The number of subtasks of this operator; the environment's unless set. */
  setParallelism(parallelism: number): this {
    this.#node.parallelism = parallelism;
    return this;
  }

  /** For the package's own use: adds an operator that reads this stream. */
  transform<R>(type: string, factory: OperatorFactory, keySelector?: AnyKeySelector): DataStream<R> {
    const node = this.scope.graph.add({
      name: type,
      spec: { kind: 'operator', type, factory, ...(keySelector === undefined ? {} : { keySelector }) },
      inputs: [this.#edge(keySelector === undefined ? this.#partitioning : { type: 'hash', keySelector })],
    });
    return new DataStream<R>(this.scope, node);
  }

  #edge(partitioning: Partitioning | undefined) {
    return { sourceId: this.#node.id, outputTag: this.#outputTag, partitioning };
  }
}
