import type {
  Collector,
  KeyedProcessContext,
  KeyedRuntimeContext,
  OnTimerContext,
  ProcessContext,
  RuntimeContext,
} from './functions.js';

/** One result per record, of either input. */
export interface CoMapFunction<A, B, R> {
  map1(value: A): R;
  map2(value: B): R;
}

/** Any number of results per record, of either input. */
export interface CoFlatMapFunction<A, B, R> {
  flatMap1(value: A, out: Collector<R>): void;
  flatMap2(value: B, out: Collector<R>): void;
}

/** Sees every record of two connected streams, and can emit any number of records, also to side outputs. */
export interface CoProcessFunction<A, B, R> {
  processElement1(value: A, context: ProcessContext, out: Collector<R>): void;
  processElement2(value: B, context: ProcessContext, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: RuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/** Sees every record of two connected keyed streams. State and timers of a key are the same for both inputs. */
export interface KeyedCoProcessFunction<K, A, B, R> {
  processElement1(value: A, context: KeyedProcessContext<K>, out: Collector<R>): void;
  processElement2(value: B, context: KeyedProcessContext<K>, out: Collector<R>): void;
  /** Called when a timer that this function has set fires, with the timer's key as the current one. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: KeyedRuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. No key is current then. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/** Makes the function of one subtask, as `ProcessFunctionFactory` does for one input. */
export type CoProcessFunctionFactory<A, B, R> = (context: RuntimeContext) => CoProcessFunction<A, B, R>;
/** The same for keyed streams. */
export type KeyedCoProcessFunctionFactory<K, A, B, R> = (
  context: KeyedRuntimeContext,
) => KeyedCoProcessFunction<K, A, B, R>;
