import type { KeyedStateStore } from '../state/state.js';
import type { TimeWindow, Window } from '../windows/window.js';
import type { Collector, OutputTag, RuntimeContext, TimeContext } from './functions.js';

/** One object is reused for all windows: read it while the call lasts. */
export interface WindowContext<W extends Window = TimeWindow> extends TimeContext {
  readonly window: W;
  /**
   * State of this key and window, for windows that fire more than once. It is the function's to clear, in `clear`; what is
   * left goes with the window. Not for windows that merge.
   */
  readonly windowState: KeyedStateStore;
  /** State of this key, the same in all its windows. */
  readonly globalState: KeyedStateStore;
  output<S>(tag: OutputTag<S>, value: S): void;
}

/**
 * Called once per key and window each time the window fires. `elements` are the window's records in order of arrival, or
 * the one result where a reduce or aggregate runs before it: read them while the call lasts. Emitted records have the
 * timestamp `window.end − 1`, and none in the global window.
 */
export type ProcessWindowFunction<T, R, K, W extends Window = TimeWindow> = (
  key: K,
  context: WindowContext<W>,
  elements: Iterable<T>,
  out: Collector<R>,
) => void;

/**
 * A window function with a life. One object serves all subtasks of a process: what differs between keys belongs into
 * `windowState` and `globalState`, not into fields.
 */
export interface RichProcessWindowFunction<T, R, K, W extends Window = TimeWindow> {
  readonly process: ProcessWindowFunction<T, R, K, W>;
  /** Called once per subtask, before the first record. */
  open?(context: RuntimeContext): void | Promise<void>;
  /** Called when a key's window is gone for good: it has fired and no late record can reach it. */
  clear?(context: WindowContext<W>): void;
  /** Called once per subtask, also after a failure. */
  close?(): void | Promise<void>;
}

/** The same for windows over all records, which have no key. */
export type ProcessAllWindowFunction<T, R, W extends Window = TimeWindow> = (
  context: WindowContext<W>,
  elements: Iterable<T>,
  out: Collector<R>,
) => void;

/** The same for windows over all records, which have no key. */
export interface RichProcessAllWindowFunction<T, R, W extends Window = TimeWindow> {
  readonly process: ProcessAllWindowFunction<T, R, W>;
  /** Called once, before the first record. */
  open?(context: RuntimeContext): void | Promise<void>;
  /** Called when a window is gone for good. */
  clear?(context: WindowContext<W>): void;
  /** Called once, also after a failure. */
  close?(): void | Promise<void>;
}
