import type { Clock } from '../time/clock.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { Logger } from '../runtime/logger.js';
import type { Boundedness } from './source.js';
import type { SinkWriteContext } from './sink.js';

/** What a function of the small contracts knows of its subtask. */
export interface FunctionContext {
  readonly subtaskIndex: number;
  readonly parallelism: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For metrics of the function's own. */
  readonly metrics: MetricGroup;
  /** Aborted when the job ends, for whatever reason. */
  readonly signal: AbortSignal;
}

/** Takes what a source function reads. */
export interface SourceCollector<T> {
  /** `timestamp` is the event time in epoch milliseconds, if known. */
  collect(value: T, timestamp?: number): void;
}

/**
 * The small contract of a source, for twenty lines of code: `open`, `collect` until it says `false`, `close`.
 * It runs with parallelism 1. Without `snapshotState` a restart begins at the start: at-least-once.
 *
 * @example
 * let n = 0;
 * env.addSource<number>({ collect: (out) => { out.collect(n++); return n < 100; } })
 */
export interface SourceFunction<T> {
  /** `bounded` promises an end, which batch mode needs. `unbounded` unless told; it may still end. */
  readonly boundedness?: Boundedness;
  open?(context: FunctionContext): void | Promise<void>;
  /**
   * Called again and again: hands over the next few records, and returns `false` after the last one. Emit a batch per
   * call; a promise costs far more than a record. Back-pressure: not called while downstream is full.
   */
  collect(out: SourceCollector<T>): boolean | Promise<boolean>;
  /**
   * The position, as plain data: what `restoreState` gets after a restart. Called before every `collect`, and at
   * checkpoints between two `collect`s: a checkpoint during a `collect` has the position before it.
   */
  snapshotState?(): unknown;
  /**
   * Called after `open` and before `collect`, where there is a checkpoint to restore; and with the position before the first
   * record, where the job is restarted before it has one.
   */
  restoreState?(state: unknown): void;
  close?(): void | Promise<void>;
}

/**
 * The small contract of a sink: `open`, `emit` per record, `close`. At-least-once: a checkpoint waits until every promise
 * that `emit` has returned is resolved.
 *
 * @example
 * env.addSource(…).addSink({ emit: (value) => { console.log(value); } })
 */
export interface SinkFunction<T> {
  open?(context: FunctionContext): void | Promise<void>;
  /** A promise is awaited before the next batch, not before the next record. One object serves all subtasks of the sink. */
  emit(value: T, context: SinkWriteContext): void | Promise<void>;
  close?(): void | Promise<void>;
}
