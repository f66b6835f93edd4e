import type {
  BroadcastProcessFunctionFactory,
  KeyedBroadcastProcessFunctionFactory,
} from '../functions/broadcast-functions.js';
import { StreamConfigError } from '../errors.js';
import { broadcastProcessOperator } from '../operators/broadcast-process.js';
import { keyedBroadcastProcessOperator } from '../operators/keyed-broadcast-process.js';
import type { DeclaredBroadcastState } from '../state/broadcast-state.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { KeyedStream } from './keyed-stream.js';
import { requireFactory } from './require-function.js';

/** The broadcast side comes first where the engine can choose, in batch mode. */
const needs = { readFirst: 1 } as const;

/** A stream whose records go to every subtask, with the names of the state that is kept from them. Made by `stream.broadcast(…)`. */
export class BroadcastStream<T> {
  /** For the package's own use. */
  readonly stream: DataStream<T>;
  /** For the package's own use. */
  readonly descriptors: readonly DeclaredBroadcastState[];

  /** @throws StreamConfigError where two descriptors have one name */
  constructor(stream: DataStream<T>, descriptors: readonly DeclaredBroadcastState[]) {
    const names = descriptors.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new StreamConfigError(
        `broadcast(…) declares the state '${twice}' twice. Give each descriptor a name of its own.`,
        { details: { state: twice } },
      );
    }
    this.stream = stream;
    this.descriptors = descriptors;
  }
}

/**
 * A stream `A` and a broadcast stream `B`. In batch mode all of `B` is processed before the first record of `A`; in
 * streaming mode there is no order between them.
 */
export class BroadcastConnectedStream<A, B> {
  readonly #stream: DataStream<A>;
  readonly #broadcast: BroadcastStream<B>;

  constructor(stream: DataStream<A>, broadcast: BroadcastStream<B>) {
    this.#stream = stream;
    this.#broadcast = broadcast;
  }

  /** Gives the records of both to one function with the broadcast state. Made once per subtask. */
  process<R>(create: BroadcastProcessFunctionFactory<A, B, R>): SingleOutputStreamOperator<R> {
    const factory = broadcastProcessOperator({
      descriptors: this.#broadcast.descriptors,
      create: requireFactory('process', create) as BroadcastProcessFunctionFactory<unknown, unknown, unknown>,
    });
    const second = { stream: this.#broadcast.stream as DataStream<unknown> };
    return this.#stream.transform<R>('BroadcastProcess', factory, { second, needs });
  }
}

/** A keyed stream `A` and a broadcast stream `B`, as `BroadcastConnectedStream`. */
export class KeyedBroadcastConnectedStream<A, B, K> {
  readonly #keyed: KeyedStream<A, K>;
  readonly #broadcast: BroadcastStream<B>;

  constructor(keyed: KeyedStream<A, K>, broadcast: BroadcastStream<B>) {
    this.#keyed = keyed;
    this.#broadcast = broadcast;
  }

  /** Gives the records of both to one function with the broadcast state, and the key's state and timers. Made once per subtask. */
  process<R>(create: KeyedBroadcastProcessFunctionFactory<K, A, B, R>): SingleOutputStreamOperator<R> {
    const keySelector = this.#keyed.keySelector;
    const factory = keyedBroadcastProcessOperator({
      keySelector,
      descriptors: this.#broadcast.descriptors,
      create: requireFactory('process', create) as KeyedBroadcastProcessFunctionFactory<
        unknown,
        unknown,
        unknown,
        unknown
      >,
    });
    const second = { stream: this.#broadcast.stream as DataStream<unknown> };
    return this.#keyed.stream.transform<R>('KeyedBroadcastProcess', factory, { keySelector, second, needs });
  }
}
