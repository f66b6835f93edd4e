import type { KeyedProcessFunctionFactory, KeySelector, ReduceFunction } from '../functions/functions.js';
import type { JoinType } from '../functions/join-functions.js';
import {
  extremeBy,
  extremeOf,
  sumOf,
  type NumericField,
  type OrderedField,
} from '../functions/rolling-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { keyedProcessOperator } from '../operators/keyed-process.js';
import { rollingReduceOperator } from '../operators/rolling-reduce.js';
import type { SchemaOptions } from '../state/state.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { GlobalWindow, Window } from '../windows/window.js';
import { BroadcastStream, KeyedBroadcastConnectedStream } from './broadcast-stream.js';
import { KeyedConnectedStreams } from './connected-streams.js';
import { requireFactory } from './require-function.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import { IntervalJoin } from './interval-join.js';
import { TemporalJoin, type TemporalJoinType } from './temporal-join.js';
import { WindowDefinition } from './window-definition.js';
import { WindowedStream } from './windowed-stream.js';

/** A stream whose records with the same key are processed in order by the same subtask. */
export class KeyedStream<T, K> {
  /** For the package's own use. */
  readonly stream: DataStream<T>;
  /** For the package's own use. */
  readonly keySelector: AnyKeySelector;
  /** Reads `K` back from the type only; never set. */
  declare readonly keyType: K | undefined;

  constructor(stream: DataStream<T>, keySelector: KeySelector<T, K>) {
    this.stream = stream;
    this.keySelector = keySelector as AnyKeySelector;
  }

  /** Gives each record to a function with the key's state and timers. Made once per subtask. */
  process<R>(create: KeyedProcessFunctionFactory<K, T, R>): SingleOutputStreamOperator<R> {
    const { keySelector } = this;
    const factory = keyedProcessOperator(
      keySelector,
      requireFactory('process', create) as KeyedProcessFunctionFactory<unknown, unknown, unknown>,
    );
    return this.stream.transform<R>('KeyedProcess', factory, { keySelector });
  }

  /** Processes this stream and another with the same type of key in one function, with the same state and timers per key. */
  connect<B>(other: KeyedStream<B, K>): KeyedConnectedStreams<T, B, K>;
  connect<B>(other: BroadcastStream<B>): KeyedBroadcastConnectedStream<T, B, K>;
  connect<B>(
    other: KeyedStream<B, K> | BroadcastStream<B>,
  ): KeyedConnectedStreams<T, B, K> | KeyedBroadcastConnectedStream<T, B, K> {
    return other instanceof BroadcastStream
      ? new KeyedBroadcastConnectedStream(this, other)
      : new KeyedConnectedStreams(this, other);
  }

  /**
   * Joins each record with those of `right` that have its key and a time within an interval around its own. `type` says
   * whether records without a match are emitted too.
   *
   * @example
   * // Impressions with their click within ten minutes, or with undefined.
   * impressions
   *   .intervalJoin(clicks, 'left')
   *   .between(0, 600_000)
   *   .process((impression, click, _context, out) => out.collect({ ad: impression.ad, isClicked: click !== undefined }))
   */
  intervalJoin<R, J extends JoinType = 'inner'>(
    right: KeyedStream<R, K>,
    type: J = 'inner' as J,
  ): IntervalJoin<T, R, K, J> {
    return new IntervalJoin(this, right, type);
  }

  /**
   * Joins each record of time `t` with the version of its key that is valid at `t`: the latest record of `versions`, which
   * is a changelog, whose time is `t` or before. With `'left'` records without a version are emitted too.
   */
  temporalJoin<R, J extends TemporalJoinType = 'inner'>(
    versions: KeyedStream<R, K>,
    type: J = 'inner' as J,
  ): TemporalJoin<T, R, K, J> {
    return new TemporalJoin(this, versions, { type });
  }

  // Rolling operations: each record gives its key's result so far; in batch mode a key gives its final one.

  /** Combines each key's records. `reduce` must not change the records that it gets, nor may who gets the results. */
  reduce(reduce: ReduceFunction<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('Reduce', reduce as ReduceFunction<unknown>, options);
  }

  /** The key's first record, with the sum of all in `field`. */
  sum(field: NumericField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('Sum', sumOf(field), options);
  }

  /** The key's first record, with the smallest value of all in `field`. */
  min(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('Min', extremeOf(field, 'min'), options);
  }

  /** The key's first record, with the greatest value of all in `field`. */
  max(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('Max', extremeOf(field, 'max'), options);
  }

  /** The key's record with the smallest value in `field`; the first of several. */
  minBy(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('MinBy', extremeBy(field, 'min'), options);
  }

  /** The key's record with the greatest value in `field`; the first of several. */
  maxBy(field: OrderedField<T>, options: SchemaOptions<T> = {}): SingleOutputStreamOperator<T> {
    return this.#rolling('MaxBy', extremeBy(field, 'max'), options);
  }

  #rolling(
    type: string,
    reduce: ReduceFunction<unknown>,
    options: SchemaOptions<T>,
  ): SingleOutputStreamOperator<T> {
    const { keySelector } = this;
    const factory = rollingReduceOperator(keySelector, reduce, options as SchemaOptions<unknown>);
    return this.stream.transform<T>(type, factory, { keySelector });
  }

  /** Groups each key's records into windows. */
  window<W extends Window>(assigner: WindowAssigner<T, W>): WindowedStream<T, K, W> {
    return new WindowedStream(WindowDefinition.of(this.stream, this.keySelector, assigner));
  }

  /** Windows of `size` records of a key; with `slide` one every `slide` records, over the newest `size`. */
  countWindow(size: number, slide?: number): WindowedStream<T, K, GlobalWindow> {
    return new WindowedStream(WindowDefinition.ofCount(this.stream, this.keySelector, size, slide));
  }
}
