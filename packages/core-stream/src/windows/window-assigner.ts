import type { Trigger } from './trigger.js';
import type { Window, TimeWindow, WindowType } from './window.js';

/** What an assigner may ask. */
export interface WindowAssignerContext {
  /** Epoch milliseconds of the engine's clock. */
  currentProcessingTime(): number;
}

/** Decides which windows a record belongs to. One object serves all subtasks. */
export interface WindowAssigner<T = unknown, W extends Window = TimeWindow> {
  /** Whether windows follow the watermark; else the clock, and no record is ever late. */
  readonly isEventTime: boolean;
  readonly windowType: WindowType<W>;
  /**
   * The windows of a record, ascending. The array may be the same for the next call: it is read at once. `timestamp` is
   * the record's event time, `MIN_TIMESTAMP` where it has none and the assigner does not work in event time.
   */
  assignWindows(record: T, timestamp: number, context: WindowAssignerContext): readonly W[];
  /** The trigger of windows for which the program sets none. */
  defaultTrigger(): Trigger<T, NoInfer<W>>;
  /**
   * For windows that grow together, as sessions do: which of a key's windows become one. Windows that stay alone may be left
   * out. Each window is in one group at most, as the object that was given; the contents are merged in the group's order.
   */
  mergeWindows?(windows: readonly W[]): readonly MergedWindows<W>[];
  /** What plans, errors and checkpoints call it: two assigners of one name are the same. */
  toString(): string;
}

/** Windows that become one. */
export interface MergedWindows<W extends Window> {
  readonly result: W;
  readonly merged: readonly W[];
}
