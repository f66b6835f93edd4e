import type {
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunctionFactory,
  KeyedCoProcessFunctionFactory,
} from '../functions/co-functions.js';
import type { KeySelector } from '../functions/functions.js';
import { coFlatMapOperator } from '../operators/co-flat-map.js';
import { coMapOperator } from '../operators/co-map.js';
import { coProcessOperator } from '../operators/co-process.js';
import { keyedCoProcessOperator } from '../operators/keyed-co-process.js';
import type { OperatorFactory } from '../operators/operator.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { KeyedStream } from './keyed-stream.js';
import { requireFactory } from './require-function.js';

/** Two streams, of different types, that one function processes. The watermark is the minimum of theirs. */
export class ConnectedStreams<A, B> {
  readonly #first: DataStream<A>;
  readonly #second: DataStream<B>;

  constructor(first: DataStream<A>, second: DataStream<B>) {
    this.#first = first;
    this.#second = second;
  }

  /** One result per record, of either stream. */
  map<R>(coMap: CoMapFunction<A, B, R>): SingleOutputStreamOperator<R> {
    return this.transform('CoMap', coMapOperator(coMap as CoMapFunction<unknown, unknown, unknown>));
  }

  /** Any number of results per record, of either stream. */
  flatMap<R>(coFlatMap: CoFlatMapFunction<A, B, R>): SingleOutputStreamOperator<R> {
    return this.transform(
      'CoFlatMap',
      coFlatMapOperator(coFlatMap as CoFlatMapFunction<unknown, unknown, unknown>),
    );
  }

  /** Gives the records of both streams to one function. Made once per subtask. */
  process<R>(create: CoProcessFunctionFactory<A, B, R>): SingleOutputStreamOperator<R> {
    return this.transform(
      'CoProcess',
      coProcessOperator(
        requireFactory('process', create) as CoProcessFunctionFactory<unknown, unknown, unknown>,
      ),
    );
  }

  /** Brings records of both streams that have the same key together; both selectors give the same type of key. */
  keyBy<K>(
    keySelector1: KeySelector<A, K>,
    keySelector2: KeySelector<B, NoInfer<K>>,
  ): KeyedConnectedStreams<A, B, K> {
    return new KeyedConnectedStreams(this.#first.keyBy(keySelector1), this.#second.keyBy<K>(keySelector2));
  }

  /** For the package's own use. */
  protected transform<R>(type: string, factory: OperatorFactory): SingleOutputStreamOperator<R> {
    return this.#first.transform<R>(type, factory, {
      second: { stream: this.#second as DataStream<unknown> },
    });
  }
}

/** Two keyed streams with the same type of key: a key's records of both are processed by the same subtask. */
export class KeyedConnectedStreams<A, B, K> extends ConnectedStreams<A, B> {
  readonly #first: KeyedStream<A, K>;
  readonly #second: KeyedStream<B, K>;

  constructor(first: KeyedStream<A, K>, second: KeyedStream<B, K>) {
    super(first.stream, second.stream);
    this.#first = first;
    this.#second = second;
  }

  /**
   * Gives the records of both streams to one function, with the state and timers of their key. Made once per subtask.
   *
   * @example
   * // Joins each order with its shipment, whichever comes first.
   * orders.keyBy((o) => o.id).connect(shipments.keyBy((s) => s.orderId)).process((context) => {
   *   const order = context.getState(new ValueStateDescriptor<Order>('order'));
   *   const shipment = context.getState(new ValueStateDescriptor<Shipment>('shipment'));
   *   return {
   *     processElement1(value, _context, out) {
   *       const match = shipment.value();
   *       if (match === undefined) order.update(value);
   *       else out.collect({ order: value, shipment: match });
   *     },
   *     processElement2(value, _context, out) {
   *       const match = order.value();
   *       if (match === undefined) shipment.update(value);
   *       else out.collect({ order: match, shipment: value });
   *     },
   *   };
   * })
   */
  override process<R>(create: KeyedCoProcessFunctionFactory<K, A, B, R>): SingleOutputStreamOperator<R> {
    return this.transform(
      'KeyedCoProcess',
      keyedCoProcessOperator({
        keySelector1: this.#first.keySelector,
        keySelector2: this.#second.keySelector,
        create: requireFactory('process', create) as KeyedCoProcessFunctionFactory<
          unknown,
          unknown,
          unknown,
          unknown
        >,
      }),
    );
  }

  protected override transform<R>(type: string, factory: OperatorFactory): SingleOutputStreamOperator<R> {
    return this.#first.stream.transform<R>(type, factory, {
      keySelector: this.#first.keySelector,
      second: {
        stream: this.#second.stream as DataStream<unknown>,
        keySelector: this.#second.keySelector,
      },
    });
  }
}
