import { NeverTrigger } from './never-trigger.js';
import type { WindowAssigner } from './window-assigner.js';
import { GlobalWindow, globalWindowType } from './window.js';

/** All records of a key in one window. It is emitted only by a trigger that the program sets. */
export class GlobalWindows implements WindowAssigner<unknown, GlobalWindow> {
  readonly isEventTime = false;
  readonly windowType = globalWindowType;
  readonly #windows = [GlobalWindow.get()];

  private constructor() {}

  static create(): GlobalWindows {
    return new GlobalWindows();
  }

  assignWindows(): readonly GlobalWindow[] {
    return this.#windows;
  }

  defaultTrigger(): NeverTrigger {
    return NeverTrigger.create();
  }

  toString(): string {
    return 'GlobalWindows()';
  }
}
