/** The part of a run that counts as warm-up: compilers and heaps settle in it. */
const WARM_UP = 0.2;

export interface Rates {
  /** The whole run. */
  readonly seconds: number;
  /** After the warm-up. */
  readonly eventsPerSecond: number;
  /** CPU of the whole process, all threads, after the warm-up. */
  readonly cpuSecondsPerMillion: number;
}

/** Measures a run from the construction to `finish`, and its last 80 % by the events that have been made. */
export class SteadyState {
  readonly #events: number;
  readonly #startedAt = performance.now();
  #made = 0;
  #warm: { readonly made: number; readonly at: number; readonly cpu: NodeJS.CpuUsage } | undefined;

  constructor(events: number) {
    this.#events = events;
  }

  /** That many more events have been made. */
  advance(count: number): void {
    this.#made += count;
    if (this.#warm === undefined && this.#made >= this.#events * WARM_UP) {
      this.#warm = { made: this.#made, at: performance.now(), cpu: process.cpuUsage() };
    }
  }

  finish(): Rates {
    const now = performance.now();
    const warm = this.#warm;
    if (warm === undefined) throw new Error(`only ${this.#made} of ${this.#events} events were made`);
    const cpu = process.cpuUsage(warm.cpu);
    const events = this.#made - warm.made;
    return {
      seconds: (now - this.#startedAt) / 1000,
      eventsPerSecond: (events / (now - warm.at)) * 1000,
      cpuSecondsPerMillion: (cpu.user + cpu.system) / events,
    };
  }
}
