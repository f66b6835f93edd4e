import { ReducingStateDescriptor } from '../state/state.js';
import { checkDuration } from './durations.js';
import { TriggerResult, type OnMergeContext, type Trigger, type TriggerContext } from './trigger.js';
import { windowStartOf, type Window } from './window.js';

const nextFire = new ReducingStateDescriptor<number>('next-fire', (a, b) => Math.min(a, b));

/** Fires whenever an interval of the clock has passed, aligned to it, while the window lasts. */
export class ContinuousProcessingTimeTrigger implements Trigger<unknown, Window> {
  readonly #intervalMs: number;

  private constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  static of(intervalMs: number): ContinuousProcessingTimeTrigger {
    checkDuration('The interval of a ContinuousProcessingTimeTrigger', intervalMs);
    return new ContinuousProcessingTimeTrigger(intervalMs);
  }

  onElement(_record: unknown, _timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    if (context.getReducingState(nextFire).get() === undefined) {
      const now = context.currentProcessingTime();
      this.#registerAfter(windowStartOf(now, 0, this.#intervalMs), window, context);
    }
    return TriggerResult.CONTINUE;
  }

  onEventTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(time: number, window: Window, context: TriggerContext): TriggerResult {
    const state = context.getReducingState(nextFire);
    if (state.get() !== time) return TriggerResult.CONTINUE;
    state.clear();
    // A window of event time can end before the clock's time: there is no next interval then.
    if (time < window.maxTimestamp()) this.#registerAfter(time, window, context);
    return TriggerResult.FIRE;
  }

  onMerge(_window: Window, context: OnMergeContext): void {
    context.mergeState(nextFire);
    const next = context.getReducingState(nextFire).get();
    if (next !== undefined) context.registerProcessingTimeTimer(next);
  }

  clear(_window: Window, context: TriggerContext): void {
    const state = context.getReducingState(nextFire);
    const next = state.get();
    if (next !== undefined) context.deleteProcessingTimeTimer(next);
    state.clear();
  }

  #registerAfter(time: number, window: Window, context: TriggerContext): void {
    const next = Math.min(time + this.#intervalMs, window.maxTimestamp());
    context.getReducingState(nextFire).add(next);
    context.registerProcessingTimeTimer(next);
  }

  toString(): string {
    return `ContinuousProcessingTimeTrigger(${this.#intervalMs} ms)`;
  }
}
