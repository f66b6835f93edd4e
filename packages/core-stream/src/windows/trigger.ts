import type {
  AggregatingStateDescriptor,
  KeyedStateStore,
  ListStateDescriptor,
  ReducingStateDescriptor,
} from '../state/state.js';
import type { Window } from './window.js';

/** What happens to a window: nothing, its contents are emitted, dropped, or emitted and dropped. */
export const TriggerResult = {
  CONTINUE: 'CONTINUE',
  FIRE: 'FIRE',
  PURGE: 'PURGE',
  FIRE_AND_PURGE: 'FIRE_AND_PURGE',
} as const;
/** One of the results. */
export type TriggerResult = (typeof TriggerResult)[keyof typeof TriggerResult];

/** State and timers of one window of one key. One object is reused for all calls: read it while the call lasts. */
export interface TriggerContext extends KeyedStateStore {
  /** The time that has been reached: no earlier record is expected. */
  readonly currentWatermark: number;
  /** Epoch milliseconds of the engine's clock. */
  currentProcessingTime(): number;
  /** Calls `onEventTime` when the watermark reaches `timestamp`; after the current record where it already has. */
  registerEventTimeTimer(timestamp: number): void;
  /** Calls `onProcessingTime` when the clock has passed `timestamp`. */
  registerProcessingTimeTimer(timestamp: number): void;
  deleteEventTimeTimer(timestamp: number): void;
  deleteProcessingTimeTimer(timestamp: number): void;
}

/** The same for the window that others have been merged into. */
export interface OnMergeContext extends TriggerContext {
  /** Adds the merged windows' state to that of the result. Value and map state cannot be merged. */
  mergeState<T, ACC, R>(descriptor: MergeableStateDescriptor<T, ACC, R>): void;
}

/** State that can be merged, because what is added to it is combined anyway. */
export type MergeableStateDescriptor<T, ACC, R> =
  ListStateDescriptor<T> | ReducingStateDescriptor<T> | AggregatingStateDescriptor<T, ACC, R>;

/**
 * Decides when a window is emitted. One object serves all keys, windows and subtasks: what differs between windows belongs
 * into the context's state.
 */
export interface Trigger<T, W extends Window> {
  /** Called after each record that was added to the window. */
  onElement(record: T, timestamp: number, window: W, context: TriggerContext): TriggerResult;
  onEventTime(time: number, window: W, context: TriggerContext): TriggerResult;
  onProcessingTime(time: number, window: W, context: TriggerContext): TriggerResult;
  /**
   * Called when windows have become `window`; `clear` is then called for each of those that are gone. A trigger without it
   * cannot be used for windows that merge.
   */
  onMerge?(window: W, context: OnMergeContext): void;
  /** Deletes the window's timers and state; called when the window is gone. */
  clear(window: W, context: TriggerContext): void;
}

export function fires(result: TriggerResult): boolean {
  return result === TriggerResult.FIRE || result === TriggerResult.FIRE_AND_PURGE;
}

export function purges(result: TriggerResult): boolean {
  return result === TriggerResult.PURGE || result === TriggerResult.FIRE_AND_PURGE;
}
