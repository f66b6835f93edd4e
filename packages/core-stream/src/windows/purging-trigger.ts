import { fires, TriggerResult, type OnMergeContext, type Trigger, type TriggerContext } from './trigger.js';
import type { Window } from './window.js';

/** Fires when another trigger does, and drops what it has emitted. */
export class PurgingTrigger<T, W extends Window> implements Trigger<T, W> {
  readonly #trigger: Trigger<T, W>;
  readonly onMerge?: (window: W, context: OnMergeContext) => void;

  private constructor(trigger: Trigger<T, W>) {
    this.#trigger = trigger;
    if (trigger.onMerge !== undefined) this.onMerge = (window, context) => trigger.onMerge?.(window, context);
  }

  static of<T, W extends Window>(trigger: Trigger<T, W>): PurgingTrigger<T, W> {
    return new PurgingTrigger(trigger);
  }

  onElement(record: T, timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#trigger.onElement(record, timestamp, window, context));
  }

  onEventTime(time: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#trigger.onEventTime(time, window, context));
  }

  onProcessingTime(time: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#trigger.onProcessingTime(time, window, context));
  }

  clear(window: W, context: TriggerContext): void {
    this.#trigger.clear(window, context);
  }

  toString(): string {
    return `PurgingTrigger(${String(this.#trigger)})`;
  }
}

function purging(result: TriggerResult): TriggerResult {
  return fires(result) ? TriggerResult.FIRE_AND_PURGE : result;
}
