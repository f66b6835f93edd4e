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

interface Mark {
  readonly made: number;
  readonly at: number;
  readonly cpu: NodeJS.CpuUsage;
}

/** Measures a run from the construction on, and its last 80 % by the events that have been made. */
export class SteadyState {
  readonly #events: number;
  readonly #startedAt = performance.now();
  #made = 0;
  #warm: Mark | undefined;
  #lastEvent: Mark | undefined;

  constructor(events: number) {
    this.#events = events;
  }

  /** That many more events have been made. */
  advance(count: number): void {
    this.#made += count;
    if (this.#warm === undefined && this.#made >= this.#events * WARM_UP) this.#warm = this.#mark();
    if (this.#made === this.#events) this.#lastEvent = this.#mark();
  }

  /** Of the run up to now, or up to its last event. */
  rates(until: 'end' | 'last-event'): Rates {
    const warm = this.#warm;
    const last = until === 'end' ? this.#mark() : this.#lastEvent;
    if (warm === undefined || last === undefined)
      throw new Error(`only ${this.#made} of ${this.#events} events were made`);
    const events = last.made - warm.made;
    const cpuMicroseconds = last.cpu.user + last.cpu.system - warm.cpu.user - warm.cpu.system;
    return {
      seconds: (last.at - this.#startedAt) / 1000,
      eventsPerSecond: (events / (last.at - warm.at)) * 1000,
      cpuSecondsPerMillion: cpuMicroseconds / events,
    };
  }

  #mark(): Mark {
    return { made: this.#made, at: performance.now(), cpu: process.cpuUsage() };
  }
}
