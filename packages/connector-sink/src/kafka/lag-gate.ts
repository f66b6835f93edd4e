/**
 * Where writers wait for Druid. The committer's watch says how far behind each supervisor is; writers of the same process ask.
 *
 * Invariants:
 * 1. Only a lag that is known holds writers back. While Druid does not answer, Kafka takes rows all the same.
 * 2. Nor where Druid has read all that is committed: its lag counts offsets, those of aborted transactions and of markers too,
 *    and they go on counting until rows come after them, which a writer that waited would never write.
 * 3. One supervisor that is too far behind holds all writers back.
 */
export class LagGate {
  readonly #maxLagRecords: number;
  readonly #lags = new Map<string, number>();
  readonly #behind = new Set<string>();
  #open: (() => void) | undefined;
  #waiting: Promise<void> | undefined;

  constructor(maxLagRecords: number) {
    this.#maxLagRecords = maxLagRecords;
  }

  /** Kafka records that Druid has not read, of all supervisors; `undefined` while unknown of all. */
  get lag(): number | undefined {
    if (this.#lags.size === 0) return undefined;
    return [...this.#lags.values()].reduce((sum, lag) => sum + lag);
  }

  report(supervisor: string, lag: number | undefined, isAllRead = false): void {
    if (lag === undefined) this.#lags.delete(supervisor);
    else this.#lags.set(supervisor, lag);
    if (!isAllRead && lag !== undefined && lag > this.#maxLagRecords) this.#behind.add(supervisor);
    else this.#behind.delete(supervisor); // invariants 1 and 2
    if (this.#behind.size > 0) {
      this.#waiting ??= new Promise((resolve) => {
        this.#open = resolve;
      }); // invariant 3
      return;
    }
    this.#open?.();
    this.#open = undefined;
    this.#waiting = undefined;
  }

  backPressure(): Promise<void> | undefined {
    return this.#waiting;
  }
}
