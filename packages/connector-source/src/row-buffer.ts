/**
 * The bounded queue between reading the network (asynchronous) and emitting records (synchronous), and the two
 * wake-ups that go with it. `owner` is whatever the rows belong to, `Batch` any form of several rows.
 *
 * Invariant 1: while `maxRows` or more rows are waiting, `put` does not return, so the socket is not read. One batch may
 *   exceed the bound: at most `maxRows` plus one batch are held.
 * Invariant 2: once closed it is empty and stays so, and nothing waits: not `put`, not `changed`.
 */
export class RowBuffer<Owner, Batch extends { readonly length: number }> {
  private readonly maxRows: number;
  private readonly batches: { readonly owner: Owner; readonly batch: Batch | undefined; next: number }[] = [];
  private rowCount = 0;
  private isClosed = false;
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;

  constructor(maxRows: number) {
    this.maxRows = maxRows;
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** Adds rows, then waits until there is room for more. No batch marks the owner's end. */
  async put(owner: Owner, batch: Batch | undefined): Promise<void> {
    if (this.isClosed) return; // invariant 2
    this.batches.push({ owner, batch, next: 0 });
    this.rowCount += batch?.length ?? 0;
    this.notify();
    while (this.rowCount >= this.maxRows) {
      await new Promise<void>((resolve) => (this.wakeWriter = resolve)); // invariant 1
    }
  }

  /** What is at the front; the consumer takes rows from `next` on and reports them with {@link took}. */
  front(): { readonly owner: Owner; readonly batch: Batch | undefined; readonly next: number } | undefined {
    return this.batches[0];
  }

  /** `count` rows of the front batch were consumed; a batch without rows left goes. */
  took(count: number): void {
    const front = this.batches[0];
    if (front === undefined) return;
    front.next += count;
    this.rowCount -= count;
    if (front.next >= (front.batch?.length ?? 0)) this.batches.shift();
    if (this.rowCount < this.maxRows) this.wakeWriter?.();
  }

  /** Resolves at the next {@link notify}; also called when a batch arrives. */
  changed(): Promise<void> {
    if (this.isClosed) return Promise.resolve(); // invariant 2
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

  /** Drops everything, and lets whoever waits go on. */
  close(): void {
    this.isClosed = true;
    this.batches.length = 0;
    this.rowCount = 0;
    this.wakeWriter?.();
    this.notify();
  }
}
