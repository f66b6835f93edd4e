import type { Clock } from '../time/clock.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { Describer } from '../runtime/describe-value.js';
import type { Logger } from '../runtime/logger.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import type { KeyedRowFormat, KeyedRows } from '../state/keyed-rows.js';
import type { KeyedStateBackend, KeyedStateSnapshot } from '../state/keyed-state-backend.js';
import type { StateTime } from '../state/state-ttl.js';
import type { Row, RowFormat, RowTracker, StoredRow } from '../state/rows.js';
import type { SubtaskStates } from '../state/subtask-states.js';

/** Where an operator puts its results. Synchronous: no promise per record. */
export interface Output {
  collect(value: unknown, timestamp: number): void;
  sideOutput(tagId: string, value: unknown, timestamp: number): void;
  emitWatermark(timestamp: number): void;
  emitIdle(isIdle: boolean): void;
}

/** What an operator stores in a checkpoint: plain data. */
export type OperatorState = unknown;

/** What the runtime gives to one subtask of an operator. */
export interface OperatorContext {
  readonly operatorName: string;
  readonly operatorUid: string;
  readonly subtaskIndex: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly keyGroups: KeyGroupRange;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricGroup;
  readonly signal: AbortSignal;
  /** For records in messages. */
  readonly describer: Describer;
  readonly watermarkIntervalMs: number;
  /** Batch mode: keyed records come grouped by key, and only final results are emitted. */
  readonly isBatch: boolean;
  /** Remembers which rows of a table change: only those are stored. Called once per table, when the operator is made. */
  trackRows<R extends Row>(format: RowFormat<R>): RowTracker<R>;
  /** The rows of a table in the restored checkpoint, of this subtask's key groups. */
  restoredRows(table: string): Iterable<StoredRow>;
  /** Rows that are found by key, those of the restored checkpoint first of all: on the heap or on disk. Once per table. */
  keyedRows<R extends Row>(format: KeyedRowFormat<R>): KeyedRows<R>;
  /**
   * The keyed state of this subtask, that of the restored checkpoint first of all. Called once, when the operator is made.
   * `restored` is what all subtasks stored of it; `time` is what state with a TTL ages by.
   */
  createKeyedState(restored: readonly KeyedStateSnapshot[], time?: StateTime): KeyedStateBackend;
  /** What the subtask's states are, for checkpoints, and to compare them with what is restored. */
  readonly states: SubtaskStates;
  /** Whether `keyedRows` and `createKeyedState` may hold more than fits into memory. */
  readonly isStateOnDisk: boolean;
  /**
   * Whether the rows of `keyedRows` are where an earlier run on disk has left them, which took the restored checkpoint: then they
   * should not all be read at the start.
   */
  readonly isStateInPlace: boolean;
  /** The subtask states of this operator in the restored checkpoint, whatever parallelism they were written with. */
  readonly restored: readonly OperatorState[] | undefined;
  /**
   * Some operator of the job has another parallelism than in the restored checkpoint. Then a subtask may be given records that
   * another one was given before, and must not go on from how far itself had come in event time, also at the same parallelism.
   */
  readonly isRescaled: boolean;
  /**
   * Calls `callback` on the subtask's own turn, `delayMs` from now: never in the middle of a record, never after the
   * subtask has ended. Returns a function that cancels it.
   */
  schedule(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` on the subtask's own turn, as soon as it has one. For what a promise brings. */
  post(callback: () => void): void;
}

/** What an operator has left after its input has ended: more to emit now, something to wait for, or nothing. */
export type DrainStatus = 'more' | 'wait' | 'done';

/** A function of one record, without state or time: the runtime compiles runs of them into one function. */
export type FusedFunction =
  | { readonly kind: 'map'; readonly apply: (value: unknown) => unknown }
  | { readonly kind: 'filter'; readonly apply: (value: unknown) => boolean };

/**
 * One subtask of an operator. The runtime calls it on one thread, one call at a time.
 *
 * Life: `open` → `start` → `processElement` / `processElement2` / `processWatermark` / `processIdle` / `snapshotState` in any
 * order → `drain` until it is done → `finish` → `close`. The watermark +∞ comes before `drain`. After a failure `close` comes
 * at once.
 */
export interface StreamOperator {
  /** Opens what the operator runs. The job may still be refused: nothing is emitted, and no record is worked on. */
  open?(): void | Promise<void>;
  /** The job begins: all operators are open, and those downstream have started. From here on it may emit. */
  start?(): void;
  /** `timestamp` is `MIN_TIMESTAMP` where the record has none. */
  processElement(value: unknown, timestamp: number): void;
  /** A record of the second input; required where the node has edges with `inputIndex` 1. */
  processElement2?(value: unknown, timestamp: number): void;
  /** The minimum over all inputs. Has to pass the watermark on, after what it causes. */
  processWatermark(timestamp: number): void;
  /** Idle when all inputs are. */
  processIdle(isIdle: boolean): void;
  /** At the barrier; returns plain data that later changes must not reach. `undefined`: nothing to store. */
  snapshotState?(checkpointId: number): OperatorState | undefined;
  /** Asked before each batch: `true` stops reading, while mail (`OperatorContext.schedule`, `post`) is still read. */
  readonly isFull?: boolean;
  /**
   * Called after the end of the input until it is `done`, each time where there is room downstream: emits a bounded number
   * of records. `wait`: called again after the operator's next mail.
   */
  drain?(): DrainStatus;
  /**
   * Batch mode: the current key has no further record. Fires its timers and closes its windows as at +∞, without passing
   * a watermark on, and forgets the key's time: the watermark is `MIN_TIMESTAMP` again for the next key.
   */
  finishKey?(): void;
  finish?(): void;
  close?(): void | Promise<void>;
  /** Records that were too late for every window and had no side output to go to. */
  readonly lateRecordsDropped?: number;
  /** Where the operator is nothing but this function; `processElement` does the same. */
  readonly fused?: FusedFunction;
}

/** Makes one subtask of an operator. */
export type OperatorFactory = (context: OperatorContext, output: Output) => StreamOperator;
