import { cpus } from 'node:os';

/** The part of a run that counts as warm-up: compilers and heaps settle in it. */
const WARM_UP = 0.2;

export interface Rates {
  /** The whole run. */
  readonly seconds: number;
  /** After the warm-up. */
  readonly eventsPerSecond: number;
  /** CPU of the whole process, all threads, after the warm-up. */
  readonly cpuSecondsPerMillion: number;
  /** Cores that everything else on the machine took meanwhile: above 0.25, distrust the run. */
  readonly otherCores: number;
}

interface Mark {
  readonly made: number;
  readonly at: number;
  /** Microseconds of this process. */
  readonly cpu: number;
  /** Milliseconds of the whole machine. */
  readonly busy: number;
}

function cpuOfMachine(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

/**
 * Measures a run from its construction to its last row, and of that the last 80 %, by the events that have been made. What
 * follows the last row, such as the end of a job, is not counted.
 */
export class SteadyState {
  readonly #events: number;
  readonly #startedAt = performance.now();
  #made = 0;
  #warm: Mark | undefined;
  #end: Mark | undefined;

  constructor(events: number) {
    this.#events = events;
  }

  /** That many more events have been made. */
  advance(count: number): void {
    this.#made += count;
    if (this.#warm === undefined && this.#made >= this.#events * WARM_UP) this.#warm = this.#mark();
    if (this.#made >= this.#events) this.#end = this.#mark();
  }

  /** The last row is out, as far as the caller can tell: the last call counts. Without it a run ends with its last event. */
  end(): void {
    this.#end = this.#mark();
  }

  rates(): Rates {
    const warm = this.#warm;
    const last = this.#end;
    if (warm === undefined || last === undefined)
      throw new Error(`only ${this.#made} of ${this.#events} events were made`);
    const events = last.made - warm.made;
    const elapsedMs = last.at - warm.at;
    const cpuMs = (last.cpu - warm.cpu) / 1000;
    return {
      seconds: (last.at - this.#startedAt) / 1000,
      eventsPerSecond: (events / elapsedMs) * 1000,
      cpuSecondsPerMillion: (cpuMs * 1000) / events,
      otherCores: Math.max(0, last.busy - warm.busy - cpuMs) / elapsedMs,
    };
  }

  #mark(): Mark {
    const { user, system } = process.cpuUsage();
    return { made: this.#made, at: performance.now(), cpu: user + system, busy: cpuOfMachine() };
  }
}
