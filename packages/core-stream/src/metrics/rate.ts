/**
 * How fast a total grows: per second, over the last minute.
 *
 * Role: keeps samples of the total, a bounded number of them. Boundary: when samples are taken is `meter-clock`'s.
 *
 * Invariant
 * 1. The first sample is the only one that may be older than the window; between two samples the total is taken to have
 *    grown evenly.
 */
import type { MeterClock } from './meter-clock.js';

/** What a rate covers, unless it is younger. */
const WINDOW_MS = 60_000;

interface Sample {
  readonly at: number;
  readonly total: number;
}

export class Rate {
  readonly #clock: MeterClock;
  readonly #total: (at: number) => number;
  readonly #samples: Sample[];

  /** `total` is what there is at a time that is not before the last turn. */
  constructor(clock: MeterClock, total: (at: number) => number) {
    this.#clock = clock;
    this.#total = total;
    this.#samples = [{ at: clock.now, total: total(clock.now) }];
  }

  sample(at: number): void {
    this.#samples.push({ at, total: this.#total(at) });
    while (this.#samples[1]!.at <= at - WINDOW_MS) this.#samples.shift(); // invariant 1
  }

  /** Per second, over the last minute, or since it was made where that is less. */
  get perSecond(): number {
    const at = this.#clock.read();
    const begin = this.#begin({ at, total: this.#total(at) }, at - WINDOW_MS);
    return begin.at === at ? 0 : ((this.#total(at) - begin.total) / (at - begin.at)) * 1000;
  }

  /** The total at the window's begin. */
  #begin(end: Sample, from: number): Sample {
    const samples = [...this.#samples, end];
    const next = samples.findIndex(({ at }) => at > from);
    if (next <= 0) return samples[0]!;
    const before = samples[next - 1]!;
    const after = samples[next]!;
    const share = (from - before.at) / (after.at - before.at);
    return { at: from, total: before.total + share * (after.total - before.total) };
  }
}
