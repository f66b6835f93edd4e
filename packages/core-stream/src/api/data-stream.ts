import type { SinkFunction } from '../connectors/classic.js';
import { ClassicSink } from '../connectors/classic-sink.js';
import { PrintSink } from '../connectors/print-sink.js';
import type { Sink } from '../connectors/sink.js';
import { StreamConfigError } from '../errors.js';
import type {
  FilterFunction,
  FlatMapFunction,
  KeySelector,
  MapFunction,
  OutputTag,
  Partitioner,
  ProcessFunctionFactory,
  TypeGuard,
} from '../functions/functions.js';
import type { JoinType } from '../functions/join-functions.js';
import type {
  AnyKeySelector,
  AnySink,
  NodeNeeds,
  Partitioning,
  StreamEdge,
  StreamNode,
} from '../graph/stream-graph.js';
import { filterOperator } from '../operators/filter.js';
import { flatMapOperator } from '../operators/flat-map.js';
import { mapOperator } from '../operators/map.js';
import type { OperatorFactory } from '../operators/operator.js';
import { processOperator } from '../operators/process.js';
import { timestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks.js';
import type { StateSchema } from '../state/state-schema.js';
import type { MapStateDescriptor } from '../state/state.js';
import type { WatermarkStrategy } from '../time/watermark-strategy.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { GlobalWindow, Window } from '../windows/window.js';
import { AllWindowedStream } from './all-windowed-stream.js';
import { BroadcastConnectedStream, BroadcastStream } from './broadcast-stream.js';
import { CoGroupedStreams } from './co-grouped-streams.js';
import { ConnectedStreams } from './connected-streams.js';
import { JoinedStreams } from './joined-streams.js';
import { KeyedStream } from './keyed-stream.js';
import { DataStreamSink } from './data-stream-sink.js';
import { requireFactory, requireFunction } from './require-function.js';
import type { StreamScope } from './stream-scope.js';
import { WindowDefinition } from './window-definition.js';

/** Where a stream's records come from: one node's output, or several for a union. */
export type StreamOrigin = Omit<StreamEdge, 'inputIndex'>;

/** A stream whose record type does not matter. */
export interface Upstream {
  originsIn(scope: StreamScope): readonly StreamOrigin[];
}

/** Names a state that is kept from a broadcast stream; the types are told where it is read and written. */
/** What `keyBy` takes besides the selector. */
export interface KeyByOptions<K> {
  /** The version of the keys: those of a checkpoint are migrated to it, and their state with them. */
  readonly schema?: StateSchema<K>;
}

type BroadcastDescriptor = Pick<MapStateDescriptor<string, unknown>, 'kind' | 'name' | 'schema'>;

/** How an operator is added to the graph. */
export interface TransformOptions {
  /** Makes the operator a keyed one: its input is partitioned by this key. */
  readonly keySelector?: AnyKeySelector;
  /** A second input, for `processElement2`; keyed where `keySelector` is given too. */
  readonly second?: { readonly stream: Upstream; readonly keySelector?: AnyKeySelector };
  readonly needs?: NodeNeeds;
  readonly watermarks?: WatermarkStrategy<unknown>;
  /** 1 for what cannot run in parallel. */
  readonly parallelismLimit?: number;
}

/**
 * A stream of records of type `T`. Its methods add to the program; nothing runs before `env.execute`.
 */
export class DataStream<T> {
  /** For the package's own use. */
  readonly scope: StreamScope;
  readonly #origins: readonly StreamOrigin[];
  /** Reads `T` back from the type only; never set. */
  declare readonly recordType: T | undefined;

  constructor(scope: StreamScope, origins: readonly StreamOrigin[]) {
    this.scope = scope;
    this.#origins = origins;
  }

  /** Makes one record of each. Synchronous: for promises there is `AsyncDataStream`. */
  map<R>(map: MapFunction<T, R>): SingleOutputStreamOperator<R> {
    return this.transform<R>(
      'Map',
      mapOperator(requireFunction('map', map) as MapFunction<unknown, unknown>),
    );
  }

  /** Emits any number of records per record through `out`, before the function returns. */
  flatMap<R>(flatMap: FlatMapFunction<T, R>): SingleOutputStreamOperator<R> {
    return this.transform<R>(
      'FlatMap',
      flatMapOperator(requireFunction('flatMap', flatMap) as FlatMapFunction<unknown, unknown>),
    );
  }

  /** Keeps the records for which `filter` is true; a type guard narrows the stream's type. */
  filter<S extends T>(filter: TypeGuard<T, S>): SingleOutputStreamOperator<S>;
  filter(filter: FilterFunction<T>): SingleOutputStreamOperator<T>;
  filter(filter: FilterFunction<T>): SingleOutputStreamOperator<T> {
    return this.transform<T>(
      'Filter',
      filterOperator(requireFunction('filter', filter) as FilterFunction<unknown>),
    );
  }

  /** Gives each record to a function that can emit any number of records, also to side outputs. Made once per subtask. */
  process<R>(create: ProcessFunctionFactory<T, R>): SingleOutputStreamOperator<R> {
    return this.transform<R>(
      'Process',
      processOperator(requireFactory('process', create) as ProcessFunctionFactory<unknown, unknown>),
    );
  }

  /** Records with the same key go to the same subtask; state, timers and windows are per key. */
  keyBy<K>(keySelector: KeySelector<T, K>, options: KeyByOptions<K> = {}): KeyedStream<T, K> {
    const select = requireFunction('keyBy', keySelector);
    const { schema } = options;
    return new KeyedStream(
      this,
      schema === undefined ? select : Object.assign((value: T) => select(value), { schema }),
    );
  }

  /** The records of all streams, in no particular order. The watermark is the minimum of theirs. */
  union(...others: readonly DataStream<T>[]): DataStream<T> {
    return new DataStream<T>(
      this.scope,
      [this, ...others].flatMap((stream) => stream.originsIn(this.scope)),
    );
  }

  /** Processes this stream and another, of any type, in one function. */
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B>;
  connect<B>(other: BroadcastStream<B>): BroadcastConnectedStream<T, B>;
  connect<B>(
    other: DataStream<B> | BroadcastStream<B>,
  ): ConnectedStreams<T, B> | BroadcastConnectedStream<T, B> {
    return other instanceof BroadcastStream
      ? new BroadcastConnectedStream(this, other)
      : new ConnectedStreams(this, other);
  }

  /**
   * Joins each record with those of `right` that have the same key and window. `type` says whether records without a match
   * are emitted too.
   *
   * @example
   * orders.join(payments, 'left').where((o) => o.id).equalTo((p) => p.orderId)
   *   .window(TumblingEventTimeWindows.of(60_000))
   *   .apply((order, payment) => ({ id: order.id, isPaid: payment !== undefined }))
   */
  join<R, J extends JoinType = 'inner'>(
    right: DataStream<R>,
    type: J = 'inner' as J,
  ): JoinedStreams<T, R, J> {
    return new JoinedStreams(this, right, type);
  }

  /** Gives the records of both streams that have the same key and window to one call of a function. */
  coGroup<R>(right: DataStream<R>): CoGroupedStreams<T, R> {
    return new CoGroupedStreams(this, right);
  }

  /** Gives records timestamps and watermarks here, in place of those from upstream. */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): SingleOutputStreamOperator<T> {
    const watermarks = strategy as WatermarkStrategy<unknown>;
    return this.transform<T>('TimestampsAndWatermarks', timestampsAndWatermarksOperator(watermarks), {
      watermarks,
    });
  }

  // How records get to the subtasks of the next operator.

  /** One to one: the next operator must have the same parallelism. */
  forward(): DataStream<T> {
    return this.#partitioned({ type: 'forward' });
  }

  /** In turn to all subtasks. */
  rebalance(): DataStream<T> {
    return this.#partitioned({ type: 'rebalance' });
  }

  /** In turn to the subtasks of this one's share: from 2 to 4 subtasks each goes to two, from 4 to 2 each two to one. */
  rescale(): DataStream<T> {
    return this.#partitioned({ type: 'rescale' });
  }

  /** To random subtasks. */
  shuffle(): DataStream<T> {
    return this.#partitioned({ type: 'shuffle' });
  }

  /** Every record to the first subtask. */
  global(): DataStream<T> {
    return this.#partitioned({ type: 'global' });
  }

  /** To the subtask that `partitioner` gives for the record's key. */
  partitionCustom<K>(partitioner: Partitioner<K>, keySelector: KeySelector<T, K>): DataStream<T> {
    return this.#partitioned({
      type: 'custom',
      partitioner: partitioner as Partitioner<unknown>,
      keySelector: keySelector as AnyKeySelector,
    });
  }

  /** Every record to every subtask; with descriptors, to be connected with a stream that reads the state kept from it. */
  broadcast(): DataStream<T>;
  broadcast(...descriptors: readonly [BroadcastDescriptor, ...BroadcastDescriptor[]]): BroadcastStream<T>;
  broadcast(...descriptors: readonly BroadcastDescriptor[]): DataStream<T> | BroadcastStream<T> {
    const stream = this.#partitioned({ type: 'broadcast' });
    return descriptors.length === 0 ? stream : new BroadcastStream(stream, descriptors);
  }

  /** Groups all records into windows, whatever their key: one subtask does all the work. */
  windowAll<W extends Window>(assigner: WindowAssigner<T, W>): AllWindowedStream<T, W> {
    return new AllWindowedStream(WindowDefinition.of(this, undefined, assigner));
  }

  /** Windows of `size` records; with `slide` one every `slide` records, over the newest `size`. One subtask does all the work. */
  countWindowAll(size: number, slide?: number): AllWindowedStream<T, GlobalWindow> {
    return new AllWindowedStream(WindowDefinition.ofCount(this, undefined, size, slide));
  }

  /**
   * Windows need a key: `stream.keyBy(…).window(…)`, or `stream.windowAll(…)` for one window over everything.
   * @throws StreamConfigError always; it does not compile
   */
  window(this: 'call keyBy(…) before window(…), or windowAll(…)', _assigner: unknown): never {
    throw new StreamConfigError(
      'window() was called on a stream without a key. Call keyBy(…) before it, or windowAll(…) for windows over all records.',
    );
  }

  /**
   * Ends the stream in a sink.
   * @throws StreamConfigError `MILLRACE_CONFIG` for a sink with a global committer and no committer
   */
  sinkTo<CommT, WriterStateT>(sink: Sink<T, CommT, WriterStateT>): DataStreamSink {
    if (sink.createGlobalCommitter !== undefined && sink.createCommitter === undefined) {
      throw new StreamConfigError(
        'A sink has a createGlobalCommitter and no createCommitter: nothing would make visible what the global one is told of. ' +
          'Give it a createCommitter, or leave the global one out.',
      );
    }
    const keySelector = sink.partitionKey && ((value: unknown) => sink.partitionKey?.(value as T));
    const node = this.scope.graph.add({
      name: 'Sink',
      spec: { kind: 'sink', sink: sink as unknown as AnySink },
      inputs: this.#edges(0, keySelector),
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

  /** For the package's own use: adds an operator that reads this stream. */
  transform<R>(
    type: string,
    factory: OperatorFactory,
    options: TransformOptions = {},
  ): SingleOutputStreamOperator<R> {
    const { keySelector, second, needs, watermarks, parallelismLimit } = options;
    const keySelectors = [keySelector, second?.keySelector].filter((selector) => selector !== undefined);
    const node = this.scope.graph.add({
      name: type,
      spec: {
        kind: 'operator',
        type,
        factory,
        ...(keySelectors.length === 0 ? {} : { keySelectors }),
        ...(needs === undefined ? {} : { needs }),
        ...(watermarks === undefined ? {} : { watermarks }),
      },
      inputs: [
        ...this.#edges(0, keySelector),
        ...(second === undefined ? [] : second.stream.originsIn(this.scope)).map((origin) =>
          edgeOf(origin, 1, second?.keySelector),
        ),
      ],
      ...(parallelismLimit === undefined ? {} : { parallelismLimit }),
    });
    return new SingleOutputStreamOperator<R>(this.scope, node);
  }

  #edges(inputIndex: 0 | 1, keySelector?: AnyKeySelector): StreamEdge[] {
    return this.#origins.map((origin) => edgeOf(origin, inputIndex, keySelector));
  }

  /**
   * For the package's own use.
   * @throws StreamConfigError where `scope` is that of another environment
   */
  originsIn(scope: StreamScope): readonly StreamOrigin[] {
    if (this.scope === scope) return this.#origins;
    throw new StreamConfigError(
      'Two streams of different environments were brought together. Make both with the same StreamExecutionEnvironment.',
    );
  }

  /** For the package's own use: records with the same key go to the same subtask, of an operator that knows no keys. */
  partitionedBy(keySelector: AnyKeySelector): DataStream<T> {
    return this.#partitioned({ type: 'hash', keySelector });
  }

  #partitioned(partitioning: Partitioning): DataStream<T> {
    return new DataStream<T>(
      this.scope,
      this.#origins.map((origin) => ({ ...origin, partitioning })),
    );
  }
}

function edgeOf(
  origin: StreamOrigin,
  inputIndex: 0 | 1,
  keySelector: AnyKeySelector | undefined,
): StreamEdge {
  return keySelector === undefined
    ? { ...origin, inputIndex }
    : { ...origin, inputIndex, partitioning: { type: 'hash', keySelector } };
}

/** The output of one operator, which can be named, placed and chained. */
export class SingleOutputStreamOperator<T> extends DataStream<T> {
  readonly #node: StreamNode;

  constructor(scope: StreamScope, node: StreamNode) {
    super(scope, [{ sourceId: node.id, outputTag: undefined, partitioning: undefined }]);
    this.#node = node;
  }

  /** What this operator emits to `tag`. */
  getSideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    return new DataStream<S>(this.scope, [
      { sourceId: this.#node.id, outputTag: tag.id, partitioning: undefined },
    ]);
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

  /** The highest parallelism that this operator may be given; the environment's unless set. */
  setMaxParallelism(maxParallelism: number): this {
    this.#node.maxParallelism = maxParallelism;
    return this;
  }

  /** Begins a chain here: this operator is not chained to the one it reads. */
  startNewChain(): this {
    this.#node.chaining = 'head';
    return this;
  }

  /** Keeps this operator in a task of its own. */
  disableChaining(): this {
    this.#node.chaining = 'never';
    return this;
  }
}
