/**
 * The bounded queue between reading the network (asynchronous) and emitting records (synchronous), and the two
 * wake-ups that go with it. `owner` is whatever the rows belong to.
 *
 * Invariant 1: while `maxRows` or more rows are waiting, `put` does not return, so the socket is not read. One batch may
 *   exceed the bound: at most `maxRows` plus one batch are held.
 */
export class RowBuffer<Owner, Row = readonly unknown[]> {
  private readonly maxRows: number;
  private readonly batches: {
    readonly owner: Owner;
    readonly rows: readonly Row[];
    next: number;
  }[] = [];
  private rowCount = 0;
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;

  constructor(maxRows: number) {
    this.maxRows = maxRows;
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** Adds rows, then waits until there is room for more. An empty batch marks the owner's end. */
  async put(owner: Owner, rows: readonly Row[]): Promise<void> {
    this.batches.push({ owner, rows, next: 0 });
    this.rowCount += rows.length;
    this.notify();
    while (this.rowCount >= this.maxRows) {
      await new Promise<void>((resolve) => (this.wakeWriter = resolve)); // invariant 1
    }
  }

  /** The batch at the front; the consumer takes rows from `next` on and reports them with {@link took}. */
  front(): { readonly owner: Owner; readonly rows: readonly Row[]; readonly next: number } | undefined {
    return this.batches[0];
  }

  /** `count` rows of the front batch were consumed; a batch without rows left goes. */
  took(count: number): void {
    const batch = this.batches[0];
    if (batch === undefined) return;
    batch.next += count;
    this.rowCount -= count;
    if (batch.next >= batch.rows.length) this.batches.shift();
    if (this.rowCount < this.maxRows) this.wakeWriter?.();
  }

  /** Resolves at the next {@link notify}; also called when a batch arrives. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      const earlier = this.wakeReader;
      this.wakeReader = () => {
        earlier?.();
        resolve();
      };
    });
  }

  /** Wakes whoever waits for {@link changed}. */
  notify(): void {
    const wake = this.wakeReader;
    this.wakeReader = undefined;
    wake?.();
  }

  /** Drops everything and lets a waiting `put` return. */
  clear(): void {
    this.batches.length = 0;
    this.rowCount = 0;
    this.wakeWriter?.();
    this.notify();
  }
}
