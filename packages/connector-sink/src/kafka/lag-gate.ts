/**
 * Where writers wait for Druid. The committer's watch says how far behind the supervisor is; writers of the same process ask.
 *
 * Invariants:
 * 1. Only a lag that is known holds writers back. While Druid does not answer, Kafka takes rows all the same.
 * 2. Nor where Druid has read all that is committed: its lag counts offsets, those of aborted transactions and of markers too,
 *    and they go on counting until rows come after them, which a writer that waited would never write.
 */
export class LagGate {
  readonly #maxLagRecords: number;
  #lag: number | undefined;
  #open: (() => void) | undefined;
  #waiting: Promise<void> | undefined;

  constructor(maxLagRecords: number) {
    this.#maxLagRecords = maxLagRecords;
  }

  /** Kafka records that Druid has not read; `undefined` while unknown. */
  get lag(): number | undefined {
    return this.#lag;
  }

  report(lag: number | undefined, isAllRead = false): void {
    this.#lag = lag;
    if (!isAllRead && lag !== undefined && lag > this.#maxLagRecords) {
      this.#waiting ??= new Promise((resolve) => {
        this.#open = resolve;
      });
      return;
    }
    this.#open?.(); // invariants 1 and 2
    this.#open = undefined;
    this.#waiting = undefined;
  }

  backPressure(): Promise<void> | undefined {
    return this.#waiting;
  }
}
