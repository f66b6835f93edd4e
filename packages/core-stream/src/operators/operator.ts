import type { Clock } from '../time/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { KeyGroupRange } from '../state/key-groups.js';

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
  readonly signal: AbortSignal;
  readonly watermarkIntervalMs: number;
  /** The subtask states of this operator in the restored checkpoint, whatever parallelism they were written with. */
  readonly restored: readonly OperatorState[] | undefined;
  /**
   * Calls `callback` on the subtask's own turn, `delayMs` from now: never in the middle of a record, never after the
   * subtask has ended. Returns a function that cancels it.
   */
  schedule(delayMs: number, callback: () => void): () => void;
}

/**
 * One subtask of an operator. The runtime calls it on one thread, one call at a time.
 *
 * Life: `open` → `processElement` / `processWatermark` / `processIdle` / `snapshotState` in any order → `finish` at the
 * end of input, after the watermark +∞ → `close`. After a failure `close` comes at once.
 */
export interface StreamOperator {
  open?(): void | Promise<void>;
  /** `timestamp` is `MIN_TIMESTAMP` where the record has none. */
  processElement(value: unknown, timestamp: number): void;
  /** Has to pass the watermark on, after what it causes. */
  processWatermark(timestamp: number): void;
  processIdle(isIdle: boolean): void;
  /** At the barrier; returns plain data that later changes must not reach. `undefined`: nothing to store. */
  snapshotState?(checkpointId: number): OperatorState | undefined;
  finish?(): void;
  close?(): void | Promise<void>;
  /** Records that were too late for every window and had no side output to go to. */
  readonly lateRecordsDropped?: number;
}

/** Makes one subtask of an operator. */
export type OperatorFactory = (context: OperatorContext, output: Output) => StreamOperator;
