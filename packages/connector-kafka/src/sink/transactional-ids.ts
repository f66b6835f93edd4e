/**
 * The ids of a sink's transactions. Brokers remember each for days, so committed ones are used again.
 *
 * Role: names for the writers, given back by the committer of the same sink. Boundary: brokers are not asked.
 *
 * Invariants
 * 1. An id is used again only after its transaction is known to be committed in every partition: to begin anew under an id
 *    aborts what is open.
 * 2. Between two uses of an id there are `kept` others: so far back checkpoints can be restored. From further back they
 *    cannot, and that is seen, since every use has a producer epoch, or producer id, of its own.
 * 3. The ids of a writer are its own: runs that know nothing of each other never begin under the same one.
 */
import { randomBytes } from 'node:crypto';

/** One writer's. */
export interface WriterIds {
  next(): string;
  close(): void;
}

export class TransactionalIds {
  /** By what the ids of an open writer begin with: committed ones, the oldest first. */
  readonly #committed = new Map<string, Set<string>>();
  readonly #kept: number;

  constructor(kept = 1_000) {
    this.#kept = kept;
  }

  open(prefix: string, subtaskIndex: number): WriterIds {
    const begin = `${prefix}-${subtaskIndex}-${randomBytes(6).toString('hex')}-`; // invariant 3
    const committed = new Set<string>();
    this.#committed.set(begin, committed);
    let count = 0;
    return {
      next: () => {
        const [oldest] = committed;
        if (oldest === undefined || committed.size < this.#kept) return `${begin}${++count}`; // invariant 2
        committed.delete(oldest);
        return oldest;
      },
      close: () => void this.#committed.delete(begin),
    };
  }

  /** Invariant 1. Said again, it changes nothing. Ids of writers that are closed are left to the brokers to forget. */
  committed(transactionalId: string): void {
    const begin = transactionalId.slice(0, transactionalId.lastIndexOf('-') + 1);
    this.#committed.get(begin)?.add(transactionalId);
  }
}

/** Whether a sink with this prefix has made the id. Another whose prefix begins with it, such as `orders-eu`, has not. */
export function isTransactionOf(prefix: string, transactionalId: string): boolean {
  return (
    transactionalId.startsWith(`${prefix}-`) &&
    /^\d+-[0-9a-f]{12}-\d+$/.test(transactionalId.slice(prefix.length + 1))
  );
}
