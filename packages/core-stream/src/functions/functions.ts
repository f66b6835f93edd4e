import type { Clock } from '../time/clock.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { Logger } from '../runtime/logger.js';
import type { OperatorStateStore } from '../state/operator-state.js';
import type { KeyedStateStore } from '../state/state.js';

/** Takes what a function emits. The record's timestamp is set by the operator. */
export interface Collector<T> {
  collect(value: T): void;
}

/** Names a side output, and carries the type of its records. */
export class OutputTag<T> {
  readonly id: string;
  /** Reads `T` back from the type only; never set. */
  declare readonly recordType: T | undefined;

  constructor(id: string) {
    this.id = id;
  }
}

/** One result per record. */
export type MapFunction<T, R> = (value: T) => R;
/** Any number of results per record. */
export type FlatMapFunction<T, R> = (value: T, out: Collector<R>) => void;
/** Whether the record stays. */
export type FilterFunction<T> = (value: T) => boolean;
/** The same, where it narrows the record's type. */
export type TypeGuard<T, S extends T> = (value: T) => value is S;
/** Must give the same key for the same record, always. Keys are plain data. */
export type KeySelector<T, K> = (value: T) => K;
/** Gives the subtask, from 0 to `numPartitions` − 1, that the records with `key` go to. */
export type Partitioner<K> = (key: K, numPartitions: number) => number;
/** Combines two records into one. Must not depend on the order of combination. */
export type ReduceFunction<T> = (a: T, b: T) => T;

/** Aggregates records one at a time into an accumulator, which is plain data. */
export interface AggregateFunction<T, ACC, R> {
  createAccumulator(): ACC;
  /** Returns the accumulator with `value` added: a new one, or the same one changed. */
  add(value: T, accumulator: ACC): ACC;
  getResult(accumulator: ACC): R;
  /** Combines two accumulators, of which `a` may be changed and returned; neither, where `sharesPanes` is set. */
  merge(a: ACC, b: ACC): ACC;
  /**
   * Promises that `merge` changes neither of its arguments, and that `getResult` does not give out the accumulator itself:
   * overlapping windows then share accumulators, and each record is added once instead of once per window. Taken for granted
   * where `createAccumulator` gives a primitive.
   */
  readonly sharesPanes?: boolean;
}

/** About the subtask that a function runs in; also gives the state that belongs to the subtask. */
export interface RuntimeContext extends OperatorStateStore {
  readonly operatorName: string;
  readonly subtaskIndex: number;
  readonly parallelism: number;
  readonly clock: Clock;
  /** What it is told is told with the job's, operator's and subtask's names. */
  readonly logger: Logger;
  /** For metrics of the function's own. */
  readonly metrics: MetricGroup;
}

/** The same for functions of a keyed stream: also gives the state that belongs to the key. */
export interface KeyedRuntimeContext extends RuntimeContext, KeyedStateStore {}

/** How far event time and processing time have come. */
export interface TimeContext {
  /** The time that has been reached: no earlier record is expected. */
  readonly currentWatermark: number;
  /** Epoch milliseconds of the engine's clock. */
  currentProcessingTime(): number;
}

/** One object is reused for all records: read it while the call lasts. */
export interface ProcessContext extends TimeContext {
  /** The record's event time in epoch milliseconds; `undefined` where it has none. */
  readonly timestamp: number | undefined;
  output<S>(tag: OutputTag<S>, value: S): void;
}

/** Sets and deletes the timers of the current key. A key has one timer at most per timestamp and kind of time. */
export interface TimerService extends TimeContext {
  /**
   * A timer at or below the current watermark fires at once, after the current record. At the end of the input the watermark
   * is +∞ (`MAX_WATERMARK`) and every timer fires: a function that sets the next timer in each `onTimer` has to stop then.
   */
  registerEventTimeTimer(timestamp: number): void;
  registerProcessingTimeTimer(timestamp: number): void;
  deleteEventTimeTimer(timestamp: number): void;
  deleteProcessingTimeTimer(timestamp: number): void;
}

/** The same for a keyed stream. */
export interface KeyedProcessContext<K> extends ProcessContext {
  readonly currentKey: K;
  readonly timers: TimerService;
}

/** Event time is that of the records; processing time is that of the clock. */
export type TimeDomain = 'event-time' | 'processing-time';

/** What a timer fires with; `timestamp` is the timer's in event time, and `undefined` in processing time. */
export interface OnTimerContext<K> extends KeyedProcessContext<K> {
  readonly timeDomain: TimeDomain;
}

/** Sees every record of a stream, and can emit any number of records, also to side outputs. */
export interface ProcessFunction<T, R> {
  processElement(value: T, context: ProcessContext, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: RuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/** Sees every record of a keyed stream, with the key's state and timers. */
export interface KeyedProcessFunction<K, T, R> {
  processElement(value: T, context: KeyedProcessContext<K>, out: Collector<R>): void;
  /** Called when a timer that this function has set fires, with the timer's key as the current one. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<R>): void;
  /** Called once, before the first record. */
  open?(context: KeyedRuntimeContext): void | Promise<void>;
  /** Called right before each checkpoint, to bring operator state up to date. No key is current then. */
  snapshotState?(checkpointId: number): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}

/**
 * Makes the function of one subtask. Functions with state handles or fields are made once per subtask, so that no two
 * subtasks share them: `() => new CountFunction()`, or an object literal that closes over its handles:
 *
 * @example
 * stream.keyBy((e) => e.user).process((context) => {
 *   const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
 *   return {
 *     processElement(event, _context, out) {
 *       count.update((count.value() ?? 0) + 1);
 *       out.collect({ user: event.user, count: count.value() });
 *     },
 *   };
 * })
 */
export type ProcessFunctionFactory<T, R> = (context: RuntimeContext) => ProcessFunction<T, R>;
/** The same for a keyed stream. */
export type KeyedProcessFunctionFactory<K, T, R> = (
  context: KeyedRuntimeContext,
) => KeyedProcessFunction<K, T, R>;
