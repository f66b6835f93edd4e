import { isAbortMarker, type RecordBatch } from './record-batch.js';
import type { AbortedTransaction } from './read-apis.js';

/**
 * Tells which batches of one fetched part of a log hold records of aborted transactions. The broker sends them all, with the
 * list of transactions that were aborted; leaving them out is the reader's task. After `Fetcher` of Java's consumer.
 */
export class AbortedTransactions {
  /** By first offset. */
  readonly #upcoming: AbortedTransaction[];
  readonly #producers = new Set<number>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** To be asked of every batch, in their order, also of control batches: they end transactions. */
  covers(batch: RecordBatch): boolean {
    while (this.#upcoming.length > 0 && this.#upcoming[0]!.firstOffset <= batch.lastOffset) {
      this.#producers.add(this.#upcoming.shift()!.producerId);
    }
    if (batch.isControl) {
      if (this.#producers.has(batch.producerId) && isAbortMarker(batch))
        this.#producers.delete(batch.producerId);
      return false;
    }
    return batch.isTransactional && this.#producers.has(batch.producerId);
  }
}
