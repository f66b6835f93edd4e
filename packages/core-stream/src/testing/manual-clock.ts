import type { Cancel, Clock } from '../time/clock.js';

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until the test moves it.
 *
 * @example
 * const clock = new ManualClock();
 * const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
 */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #scheduled = new Set<Scheduled>();

  /** `now` is the time that it begins with, in epoch milliseconds. */
  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Calls that are still to come. */
  get pending(): number {
    return this.#scheduled.size;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const scheduled = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#scheduled.add(scheduled);
    return () => void this.#scheduled.delete(scheduled);
  }

  /** Moves on by `ms`, with everything that falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#scheduled].filter((call) => call.at <= end);
      const first = due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (first === undefined) break;
      this.#scheduled.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.callback();
    }
    this.#now = end;
  }
}
