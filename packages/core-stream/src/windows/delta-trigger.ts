import { ValueStateDescriptor } from '../state/state.js';
import { TriggerResult, type Trigger, type TriggerContext } from './trigger.js';
import type { Window } from './window.js';

/** How far two records are apart. */
export type DeltaFunction<T> = (from: T, to: T) => number;

/** Fires when a record is more than `threshold` away from the one that fired last; the window's first one counts as such. */
export class DeltaTrigger<T> implements Trigger<T, Window> {
  readonly #threshold: number;
  readonly #delta: DeltaFunction<T>;
  readonly #last = new ValueStateDescriptor<T>('last-record');

  private constructor(threshold: number, delta: DeltaFunction<T>) {
    this.#threshold = threshold;
    this.#delta = delta;
  }

  static of<T>(threshold: number, delta: DeltaFunction<T>): DeltaTrigger<T> {
    return new DeltaTrigger(threshold, delta);
  }

  onElement(record: T, _timestamp: number, _window: Window, context: TriggerContext): TriggerResult {
    const state = context.getState(this.#last);
    const last = state.value();
    if (last === undefined) {
      state.update(record);
      return TriggerResult.CONTINUE;
    }
    if (!(this.#delta(last, record) > this.#threshold)) return TriggerResult.CONTINUE;
    state.update(record);
    return TriggerResult.FIRE;
  }

  onEventTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  clear(_window: Window, context: TriggerContext): void {
    context.getState(this.#last).clear();
  }

  toString(): string {
    return `DeltaTrigger(${this.#threshold})`;
  }
}
