/** Counts something. What one operator emits is what the next one of its chain takes: the two share the counter. */
export class Counter {
  /** What was counted so far. */
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }
}
