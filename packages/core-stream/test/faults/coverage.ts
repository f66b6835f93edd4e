/** What many schedules have reached together. */
import type { Outcome } from './schedule.js';

/** How often something came up, by name. */
type Counts = Readonly<Record<string, number>>;

/** Sums over all schedules. */
export interface Totals {
  readonly schedules: number;
  readonly onDisk: number;
  /** The first one of a schedule included. */
  readonly runs: number;
  readonly restarts: number;
  readonly failedCheckpoints: number;
  readonly unaligned: number;
  readonly unalignedRestores: number;
}

export class Coverage {
  readonly #faults = new Map<string, number>();
  readonly #stages = new Map<string, number>();
  readonly #totals = {
    schedules: 0,
    onDisk: 0,
    runs: 0,
    restarts: 0,
    failedCheckpoints: 0,
    unaligned: 0,
    unalignedRestores: 0,
  };

  add({ faults, stages, ...outcome }: Outcome): void {
    this.#totals.schedules++;
    for (const point of faults) increase(this.#faults, point);
    if (outcome.runs + outcome.restarts > 1)
      for (const stage of new Set(stages)) increase(this.#stages, stage);
    this.#totals.runs += outcome.runs;
    this.#totals.restarts += outcome.restarts;
    this.#totals.onDisk += Number(outcome.isOnDisk);
    this.#totals.failedCheckpoints += outcome.failedCheckpoints;
    this.#totals.unaligned += outcome.unaligned;
    this.#totals.unalignedRestores += outcome.unalignedRestores;
  }

  /** Faults by point. */
  get faults(): Counts {
    return Object.fromEntries(this.#faults);
  }

  /** Schedules that were started again, by the stages in them. */
  get stages(): Counts {
    return Object.fromEntries(this.#stages);
  }

  get totals(): Totals {
    return { ...this.#totals };
  }
}

function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
