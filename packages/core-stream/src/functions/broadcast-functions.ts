import type {
  BroadcastState,
  BroadcastStateDescriptor,
  ReadOnlyBroadcastState,
} from '../state/broadcast-state.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  MapStateKey,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/state.js';
import type {
  Collector,
  KeyedProcessContext,
  KeyedRuntimeContext,
  ProcessContext,
  RuntimeContext,
  TimeDomain,
} from './functions.js';

/** What a record of the stream that is not broadcast is processed with. */
export interface ReadOnlyBroadcastContext extends ProcessContext {
  getBroadcastState<K extends MapStateKey, V>(
    descriptor: BroadcastStateDescriptor<K, V>,
  ): ReadOnlyBroadcastState<K, V>;
}

/** What a broadcast record is processed with. Every subtask has to change the state in the same way. */
export interface BroadcastContext extends ProcessContext {
  getBroadcastState<K extends MapStateKey, V>(
    descriptor: BroadcastStateDescriptor<K, V>,
  ): BroadcastState<K, V>;
}

/** The same for a keyed stream: the key, its state and timers. */
export interface KeyedReadOnlyBroadcastContext<K> extends KeyedProcessContext<K>, ReadOnlyBroadcastContext {}

/** What a timer fires with; broadcast state can be read, not changed. */
export interface OnTimerBroadcastContext<K> extends KeyedReadOnlyBroadcastContext<K> {
  readonly timeDomain: TimeDomain;
}

/** A broadcast record belongs to no key: keyed state is reached through `applyToKeyedState` only. */
export interface KeyedBroadcastContext<K> extends BroadcastContext {
  /** Calls `apply` with the state of each of this subtask's keys that has any under `descriptor`. */
  applyToKeyedState<T>(
    descriptor: ValueStateDescriptor<T>,
    apply: (key: K, state: ValueState<T>) => void,
  ): void;
  applyToKeyedState<T>(
    descriptor: ListStateDescriptor<T>,
    apply: (key: K, state: ListState<T>) => void,
  ): void;
  applyToKeyedState<MK extends MapStateKey, V>(
    descriptor: MapStateDescriptor<MK, V>,
    apply: (key: K, state: MapState<MK, V>) => void,
  ): void;
  applyToKeyedState<T>(
    descriptor: ReducingStateDescriptor<T>,
    apply: (key: K, state: ReducingState<T>) => void,
  ): void;
  applyToKeyedState<IN, ACC, OUT>(
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
    apply: (key: K, state: AggregatingState<IN, OUT>) => void,
  ): void;
}

/** Sees every record of a stream, and in every subtask all records of a broadcast one. */
export interface BroadcastProcessFunction<A, B, R> {
  processElement(value: A, context: ReadOnlyBroadcastContext, out: Collector<R>): void;
  processBroadcastElement(value: B, context: BroadcastContext, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: RuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/** Sees every record of a keyed stream with the key's state and timers, and in every subtask all broadcast records. */
export interface KeyedBroadcastProcessFunction<K, A, B, R> {
  processElement(value: A, context: KeyedReadOnlyBroadcastContext<K>, out: Collector<R>): void;
  processBroadcastElement(value: B, context: KeyedBroadcastContext<K>, out: Collector<R>): void;
  /** Called when a timer that `processElement` has set fires, with the timer's key as the current one. */
  onTimer?(timestamp: number, context: OnTimerBroadcastContext<K>, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: KeyedRuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. No key is current then. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/** Makes the function of one subtask, as `ProcessFunctionFactory` does for one input. */
export type BroadcastProcessFunctionFactory<A, B, R> = (
  context: RuntimeContext,
) => BroadcastProcessFunction<A, B, R>;
/** The same for a keyed stream. */
export type KeyedBroadcastProcessFunctionFactory<K, A, B, R> = (
  context: KeyedRuntimeContext,
) => KeyedBroadcastProcessFunction<K, A, B, R>;
