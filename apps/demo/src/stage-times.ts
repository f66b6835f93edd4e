import type { CommitDone } from '@millrace/connector-sink';

/** Where a run's time goes. */
export class StageTimes {
  readonly #startedAt = performance.now();
  readonly #stages = new Map<string, number>();

  async measure<T>(stage: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#add(stage, performance.now() - startedAt);
    }
  }

  /** One file is in Druid: posting its task, running it, and the wait until its rows can be queried. */
  addCommit({ timings: { submittedMs, taskDoneMs, queryableMs = taskDoneMs } }: CommitDone): void {
    this.#add('sinkSubmit', submittedMs);
    this.#add('sinkTask', taskDoneMs - submittedMs);
    this.#add('sinkQueryable', queryableMs - taskDoneMs);
  }

  /** Seconds by stage, with three decimals, and `total` since this object was made. */
  seconds(): Record<string, number> {
    const total = ['total', performance.now() - this.#startedAt] as const;
    return Object.fromEntries([...this.#stages, total].map(([stage, ms]) => [stage, Math.round(ms) / 1000]));
  }

  #add(stage: string, ms: number): void {
    this.#stages.set(stage, (this.#stages.get(stage) ?? 0) + ms);
  }
}
