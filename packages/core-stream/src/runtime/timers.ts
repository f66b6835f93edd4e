import type { Cancel, Clock } from '../time/clock.js';

/** Timers by name: one that is set again replaces the one before. */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  readonly #cancels = new Map<Name, Cancel>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After `Infinity` milliseconds is never. */
  set(name: Name, delayMs: number, callback: () => void): void {
    this.cancel(name);
    if (delayMs < Infinity) this.#cancels.set(name, this.#clock.schedule(delayMs, callback));
  }

  cancel(name: Name): void {
    this.#cancels.get(name)?.();
    this.#cancels.delete(name);
  }

  cancelAll(): void {
    for (const name of [...this.#cancels.keys()]) this.cancel(name);
  }
}
