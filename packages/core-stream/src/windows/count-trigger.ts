import { ReducingStateDescriptor } from '../state/state.js';
import { checkCount } from './durations.js';
import { TriggerResult, type OnMergeContext, type Trigger, type TriggerContext } from './trigger.js';
import type { Window } from './window.js';

const count = new ReducingStateDescriptor<number>('count', (a, b) => a + b);

/** Fires at every `maxCount`th record of a window. */
export class CountTrigger implements Trigger<unknown, Window> {
  readonly #maxCount: number;

  private constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  static of(maxCount: number): CountTrigger {
    checkCount('The count of a CountTrigger', maxCount);
    return new CountTrigger(maxCount);
  }

  onElement(_record: unknown, _timestamp: number, _window: Window, context: TriggerContext): TriggerResult {
    const state = context.getReducingState(count);
    state.add(1);
    if ((state.get() ?? 0) < this.#maxCount) return TriggerResult.CONTINUE;
    state.clear();
    return TriggerResult.FIRE;
  }

  onEventTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onMerge(_window: Window, context: OnMergeContext): void {
    context.mergeState(count);
  }

  clear(_window: Window, context: TriggerContext): void {
    context.getReducingState(count).clear();
  }

  toString(): string {
    return `CountTrigger(${this.#maxCount})`;
  }
}
