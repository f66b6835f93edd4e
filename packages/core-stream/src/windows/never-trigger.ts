import { TriggerResult, type Trigger } from './trigger.js';
import type { Window } from './window.js';

/** Never fires: the default of global windows. */
export class NeverTrigger implements Trigger<unknown, Window> {
  private constructor() {}

  static create(): NeverTrigger {
    return new NeverTrigger();
  }

  onElement(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onEventTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onMerge(): void {}

  clear(): void {}

  toString(): string {
    return 'NeverTrigger()';
  }
}
