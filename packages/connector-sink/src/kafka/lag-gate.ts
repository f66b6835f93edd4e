/**
 * Where writers wait for Druid. The committer's watch says how far behind the supervisor is; writers of the same process ask.
 *
 * Invariant 1: only a lag that is known holds writers back. While Druid does not answer, Kafka takes rows all the same.
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

  report(lag: number | undefined): void {
    this.#lag = lag;
    if (lag !== undefined && lag > this.#maxLagRecords) {
      this.#waiting ??= new Promise((resolve) => {
        this.#open = resolve;
      });
      return;
    }
    this.#open?.(); // invariant 1
    this.#open = undefined;
    this.#waiting = undefined;
  }

  backPressure(): Promise<void> | undefined {
    return this.#waiting;
  }
}
