import { ReducingStateDescriptor } from '../state/state.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { checkDuration } from './durations.js';
import { TriggerResult, type OnMergeContext, type Trigger, type TriggerContext } from './trigger.js';
import { windowStartOf, type Window } from './window.js';

const nextFire = new ReducingStateDescriptor<number>('next-fire', (a, b) => Math.min(a, b));

/** Fires whenever the watermark has advanced by an interval, aligned to it, and at the window's end. */
export class ContinuousEventTimeTrigger implements Trigger<unknown, Window> {
  readonly #intervalMs: number;

  private constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  static of(intervalMs: number): ContinuousEventTimeTrigger {
    checkDuration('The interval of a ContinuousEventTimeTrigger', intervalMs);
    return new ContinuousEventTimeTrigger(intervalMs);
  }

  onElement(_record: unknown, timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    if (window.maxTimestamp() <= context.currentWatermark) return TriggerResult.FIRE;
    context.registerEventTimeTimer(window.maxTimestamp());
    if (context.getReducingState(nextFire).get() === undefined) {
      this.#registerAfter(windowStartOf(timestamp, 0, this.#intervalMs), window, context);
    }
    return TriggerResult.CONTINUE;
  }

  onEventTime(time: number, window: Window, context: TriggerContext): TriggerResult {
    if (time === window.maxTimestamp()) return TriggerResult.FIRE;
    const state = context.getReducingState(nextFire);
    if (state.get() !== time) return TriggerResult.CONTINUE;
    state.clear();
    this.#registerAfter(time, window, context);
    return TriggerResult.FIRE;
  }

  onProcessingTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onMerge(_window: Window, context: OnMergeContext): void {
    context.mergeState(nextFire);
    const next = context.getReducingState(nextFire).get();
    if (next !== undefined) context.registerEventTimeTimer(next);
  }

  clear(window: Window, context: TriggerContext): void {
    const state = context.getReducingState(nextFire);
    const next = state.get();
    if (next !== undefined) context.deleteEventTimeTimer(next);
    state.clear();
    context.deleteEventTimeTimer(window.maxTimestamp());
  }

  #registerAfter(time: number, window: Window, context: TriggerContext): void {
    const end = window.maxTimestamp();
    // At the end of the input time is over for the global window too: without this, one interval would follow another for ever.
    const isOver = end === MAX_WATERMARK && context.currentWatermark === MAX_WATERMARK;
    const next = isOver ? end : Math.min(time + this.#intervalMs, end);
    context.getReducingState(nextFire).add(next);
    context.registerEventTimeTimer(next);
  }

  toString(): string {
    return `ContinuousEventTimeTrigger(${this.#intervalMs} ms)`;
  }
}
