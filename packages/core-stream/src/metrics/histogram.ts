import { StreamConfigError } from '../errors.js';
import type { MeterClock } from './meter-clock.js';
import { QuantileSketch } from './quantile-sketch.js';

/** Quantiles are of the values of this time, and of what has come since. */
const WINDOW_MS = 60_000;

/** How values are distributed. */
export interface Histogram {
  /** @throws StreamConfigError `MILLRACE_CONFIG` for what is not a finite number */
  update(value: number): void;
  /** Values since the start of this run. */
  readonly count: number;
  /** Of all those values. */
  readonly sum: number;
  /**
   * For each of `ranks` (0 to 1, ascending) the value below which that share of the last one to two minutes' values lies, within
   * 1 % of itself; `undefined` where there were none.
   */
  quantiles(ranks: readonly number[]): readonly (number | undefined)[];
}

/** A sketch of the current minute and one of the minute before: old values leave, and memory is bounded. */
export class WindowedHistogram implements Histogram {
  readonly #name: string;
  readonly #clock: MeterClock;
  #current = new QuantileSketch();
  #previous = new QuantileSketch();
  #windowStart: number;
  #count = 0;
  #sum = 0;

  constructor(name: string, clock: MeterClock) {
    this.#name = name;
    this.#clock = clock;
    this.#windowStart = clock.now;
  }

  update(value: number): void {
    if (!Number.isFinite(value)) {
      throw new StreamConfigError(
        `The histogram '${this.#name}' was given ${String(value)}. Update it with finite numbers only.`,
      );
    }
    this.#rotate(this.#clock.now);
    this.#count++;
    this.#sum += value;
    this.#current.add(value);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  quantiles(ranks: readonly number[]): readonly (number | undefined)[] {
    this.#rotate(this.#clock.read());
    const both = new QuantileSketch();
    both.merge(this.#previous);
    both.merge(this.#current);
    return both.quantiles(ranks);
  }

  #rotate(now: number): void {
    const passed = now - this.#windowStart;
    if (passed < WINDOW_MS) return;
    const isNext = passed < 2 * WINDOW_MS;
    this.#previous = isNext ? this.#current : new QuantileSketch();
    this.#current = new QuantileSketch();
    this.#windowStart = isNext ? this.#windowStart + WINDOW_MS : now;
  }
}
