/**
 * The time that meters and task times are measured in: one reading per turn, shared by all tasks of a job.
 *
 * Role: tells the last reading, and when meters are to look at what they measure. Boundary: it sets no timers, so a job
 * that does nothing wakes nobody for its metrics.
 *
 * Invariants
 * 1. `now` never goes back.
 * 2. Between two readings nothing was counted that the later one does not stand for: after a gap meters see the counts at
 *    the gap's begin, too. So what was counted before the gap is not spread over it.
 */
import type { Clock } from '../time/clock.js';

/** Flink's interval between two samples of a meter. */
export const SAMPLE_INTERVAL_MS = 5_000;

export class MeterClock {
  readonly #read: () => number;
  readonly #samplers = new Set<(at: number) => void>();
  #now: number;
  #sampledAt: number;

  /** Monotonic time where the clock has it, else its processing time. */
  constructor(clock: Clock) {
    this.#read = () => clock.monotonicNow?.() ?? clock.now();
    this.#now = this.#read();
    this.#sampledAt = this.#now;
  }

  /** The last reading: milliseconds from any origin. */
  get now(): number {
    return this.#now;
  }

  /** Takes a reading. */
  read(): number {
    const now = this.#read();
    if (now <= this.#now) return this.#now; // invariant 1
    const last = this.#now;
    this.#now = now;
    if (now - this.#sampledAt >= SAMPLE_INTERVAL_MS) {
      this.#sample(last); // invariant 2
      this.#sample(now);
    }
    return now;
  }

  #sample(at: number): void {
    this.#sampledAt = at;
    for (const sampler of this.#samplers) sampler(at);
  }

  /** Calls `sampler` at the times at which meters take samples. Returns a function that ends this. */
  onSample(sampler: (at: number) => void): () => void {
    this.#samplers.add(sampler);
    return () => void this.#samplers.delete(sampler);
  }
}
