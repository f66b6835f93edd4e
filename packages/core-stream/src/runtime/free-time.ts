/**
 * Measures for how long a reader could have emitted records: idleness counts no other time.
 *
 * A reader is free while it waits because it has nothing, and while it is polled. Nobody tells when a task that is not
 * polled is blocked, so a stretch with polls counts for one tick at most, however late the tick comes.
 */
import type { Clock } from '../time/clock.js';

export class FreeTime {
  readonly #clock: Clock;
  readonly #tickMs: number;
  #takenAt: number;
  #waitingSince: number | undefined;
  #waitedMs = 0;
  #hasPolled = false;

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#takenAt = clock.now();
  }

  onPoll(): void {
    this.#hasPolled = true;
  }

  /** The reader has said that it has nothing. */
  onWait(): void {
    this.#waitingSince ??= this.#clock.now();
  }

  /** The reader has something, whether or not it is polled. */
  onAvailable(): void {
    if (this.#waitingSince === undefined) return;
    this.#waitedMs += this.#clock.now() - this.#waitingSince;
    this.#waitingSince = undefined;
  }

  /** The free time since the last call, in milliseconds. */
  take(): number {
    const now = this.#clock.now();
    const isWaiting = this.#waitingSince !== undefined;
    this.onAvailable();
    const polledMs = this.#hasPolled ? Math.min(now - this.#takenAt, this.#tickMs) : 0;
    const freeMs = Math.max(this.#waitedMs, polledMs);
    this.#takenAt = now;
    this.#waitedMs = 0;
    this.#hasPolled = false;
    if (isWaiting) this.#waitingSince = now;
    return freeMs;
  }
}
