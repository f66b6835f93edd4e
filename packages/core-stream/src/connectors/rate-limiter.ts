import type { Clock } from '../time/clock.js';

/** The shortest wait: records of a high rate come in small batches, not each with a timer of its own. */
const MIN_WAIT_MS = 10;
/** After a stop, at most what accrues in this time is made up for. */
const MAX_BURST_MS = 1000;

/**
 * Grants records at a rate. Nothing is granted in advance: after `t` milliseconds at most `rate · t / 1000` records are.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #recordsPerMs: number;
  readonly #maxCredit: number;
  #credit = 0;
  #at: number;

  constructor(recordsPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#recordsPerMs = recordsPerSecond / 1000;
    this.#maxCredit = Math.max(1, this.#recordsPerMs * MAX_BURST_MS);
    this.#at = clock.now();
  }

  /** How many records may be emitted now, `max` at most. They count as emitted. */
  take(max: number): number {
    const now = this.#clock.now();
    this.#credit = Math.min(this.#maxCredit, this.#credit + (now - this.#at) * this.#recordsPerMs);
    this.#at = now;
    const granted = Math.min(max, Math.floor(this.#credit));
    this.#credit -= granted;
    return granted;
  }

  /** When asking again makes sense, in milliseconds from now. */
  get waitMs(): number {
    return Math.max(MIN_WAIT_MS, Math.ceil((1 - this.#credit) / this.#recordsPerMs));
  }
}
