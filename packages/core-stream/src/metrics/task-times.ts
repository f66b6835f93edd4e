/**
 * What a task does with its time.
 *
 * Role: adds up how long the task was busy, idle and back-pressured, from one reading of the clock per turn that did
 * something. Boundary: the task says which of them it is.
 *
 * All tasks share one thread, so a task is busy only during its own turns: the busy times of all tasks add up to what the
 * thread has. What is left when busy, idle and back-pressured times are taken off is the time in which the task had
 * something to do, and others had the thread.
 *
 * Invariants
 * 1. A moment counts for one of them at most.
 * 2. A turn that did nothing reads no clock: it begins and ends at the last reading.
 */
import type { MeterClock } from './meter-clock.js';

/** What a task waits for: input; its output or sink; its turn. */
export type Waiting = 'idle' | 'back-pressured' | 'ready';

export class TaskTimes {
  readonly #clock: MeterClock;
  #waiting: Waiting = 'idle';
  #since: number;
  #busyMs = 0;
  #idleMs = 0;
  #backPressuredMs = 0;

  constructor(clock: MeterClock) {
    this.#clock = clock;
    this.#since = clock.now;
  }

  /** The last reading: when a turn that follows it at once begins. */
  get now(): number {
    return this.#clock.now;
  }

  /** A turn that began at `startedAt` did something, and has just ended. */
  worked(startedAt: number, waiting: Waiting): void {
    this.#add(startedAt);
    this.#since = this.#clock.read();
    this.#busyMs += this.#since - startedAt;
    this.#waiting = waiting;
  }

  /** A turn did nothing. */
  waits(waiting: Waiting): void {
    if (waiting === this.#waiting) return;
    this.#add(this.#clock.now);
    this.#waiting = waiting;
  }

  #add(until: number): void {
    const passed = until - this.#since;
    if (this.#waiting === 'idle') this.#idleMs += passed;
    else if (this.#waiting === 'back-pressured') this.#backPressuredMs += passed;
    this.#since = until;
  }

  get busyMs(): number {
    return this.#busyMs;
  }

  idleMsAt(at: number): number {
    return this.#idleMs + (this.#waiting === 'idle' ? Math.max(0, at - this.#since) : 0);
  }

  backPressuredMsAt(at: number): number {
    return this.#backPressuredMs + (this.#waiting === 'back-pressured' ? Math.max(0, at - this.#since) : 0);
  }
}
