import type { Clock } from '../time/clock.js';

/**
 * Calls of user code and of the storage that have not settled, by name. A job that ends waits for them: nothing is closed
 * while one of its calls is under way. What does not settle in time is given up, by name, so that every job ends.
 */
export class PendingCalls {
  readonly #clock: Clock;
  readonly timeoutMs: number;
  readonly #names = new Map<object, string>();
  #onNone: (() => void) | undefined;

  /** `timeoutMs` is how long `settle` waits at most. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.timeoutMs = timeoutMs;
  }

  /** Calls `work`; its outcome is the result's. `name` says who does what: `'Out' (subtask 0) is flushing`. */
  async run<R>(name: string, work: () => R | Promise<R>): Promise<R> {
    const call = {};
    this.#names.set(call, name);
    try {
      return await work();
    } finally {
      this.#names.delete(call);
      if (this.#names.size === 0) this.#onNone?.();
    }
  }

  /**
   * Waits until no call is under way, those included that begin meanwhile; for `timeoutMs` at most. Returns the names of those
   * that are, and forgets them: they are not waited for again.
   */
  async settle(): Promise<readonly string[]> {
    let isOver = false;
    const cancel = this.#clock.schedule(this.timeoutMs, () => {
      isOver = true;
      this.#onNone?.();
    });
    for (;;) {
      // Who has waited for a call that has just settled may go on with another one.
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver || this.#names.size === 0) break;
      await new Promise<void>((resolve) => (this.#onNone = resolve));
    }
    cancel();
    const hanging = [...this.#names.values()];
    this.#names.clear();
    return hanging;
  }
}
