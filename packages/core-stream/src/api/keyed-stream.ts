import type { KeyedProcessFunctionFactory, KeySelector } from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { keyedProcessOperator } from '../operators/keyed-process.js';
import type { WindowAssigner } from '../windows/windows.js';
import { BroadcastStream, KeyedBroadcastConnectedStream } from './broadcast-stream.js';
import { KeyedConnectedStreams } from './connected-streams.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import { WindowedStream } from './windowed-stream.js';

/** A stream whose records with the same key are processed in order by the same subtask. */
export class KeyedStream<T, K> {
  /** For the package's own use. */
  readonly stream: DataStream<T>;
  /** For the package's own use. */
  readonly keySelector: KeySelector<T, K>;

  constructor(stream: DataStream<T>, keySelector: KeySelector<T, K>) {
    this.stream = stream;
    this.keySelector = keySelector;
  }

  /** Gives each record to a function with the key's state and timers. Made once per subtask. */
  process<R>(create: KeyedProcessFunctionFactory<K, T, R>): SingleOutputStreamOperator<R> {
    const keySelector = this.keySelector as AnyKeySelector;
    const factory = keyedProcessOperator(
      keySelector,
      create as KeyedProcessFunctionFactory<unknown, unknown, unknown>,
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

  /** Groups each key's records into windows. */
  window(assigner: WindowAssigner): WindowedStream<T, K> {
    return new WindowedStream(this.stream, this.keySelector, assigner);
  }
}
