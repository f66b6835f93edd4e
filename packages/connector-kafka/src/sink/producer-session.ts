/**
 * Who a writer is to the brokers: a producer id with its sequence numbers and, with exactly once, the transaction of the
 * running checkpoint.
 *
 * Invariants
 * 1. A transactional id is used for one transaction at a time, each under a producer epoch of its own: what became of it can be
 *    asked for until the id is used again (`TransactionalIds`).
 * 2. A transaction begins with the first record after a barrier; where there is none, there is nothing to commit.
 */
import type { TopicPartition } from '../protocol/cluster-apis.js';
import type { TransactionIdentity } from '../protocol/write-apis.js';
import { fenced, isFencing, type Transactions } from './transactions.js';

/** What a checkpoint commits: plain data with which any process can end the transaction. */
export interface KafkaCommittable extends TransactionIdentity {
  /** By `topic-partition` the offset after the transaction's last record, as far as the broker has said. */
  readonly endOffsets?: Readonly<Record<string, number>>;
  /** All that the transaction writes to. */
  readonly partitions?: readonly TopicPartition[];
}

export interface SessionIdentity {
  readonly transactionalId: string | null;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
}

export interface ProducerSessionOptions {
  readonly transactions: Transactions;
  /** Names the next transaction. Undefined: idempotent, without transactions. */
  readonly nextId: (() => string) | undefined;
  readonly transactionTimeoutMs: number;
}

export class ProducerSession {
  readonly #options: ProducerSessionOptions;
  readonly #sequences = new Map<string, number>();
  readonly #added = new Map<string, TopicPartition>();
  #endOffsets: Record<string, number> = {};
  #identity: SessionIdentity | undefined;

  constructor(options: ProducerSessionOptions) {
    this.#options = options;
  }

  /** After `begin`. */
  get identity(): SessionIdentity {
    return this.#identity!;
  }

  async begin(): Promise<void> {
    if (this.#identity !== undefined) return;
    const { transactions, nextId, transactionTimeoutMs } = this.#options;
    const transactionalId = nextId?.() ?? null; // invariant 1
    const identity = await transactions.init(transactionalId, transactionTimeoutMs);
    this.#sequences.clear();
    this.#added.clear();
    this.#endOffsets = {};
    this.#identity = { ...identity, transactionalId, isTransactional: transactionalId !== null };
  }

  /** The number of the first of `count` records. */
  nextSequence(partition: string, count: number): number {
    const sequence = this.#sequences.get(partition) ?? 0;
    this.#sequences.set(partition, (sequence + count) % 2 ** 31); // as Java's int goes on after its largest
    return sequence;
  }

  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const { transaction } = this;
    if (transaction === undefined) return;
    const missing = partitions.filter(({ topic, partition }) => !this.#added.has(`${topic}-${partition}`));
    if (missing.length === 0) return;
    await this.#options.transactions.addPartitions(transaction, missing);
    for (const { topic, partition } of missing)
      this.#added.set(`${topic}-${partition}`, { topic, partition });
  }

  /** @throws KafkaFencedError where the code says that the transaction is another's */
  checkFenced(code: number): void {
    const { transactionalId } = this.identity;
    if (transactionalId !== null && isFencing(code)) throw fenced(transactionalId, code);
  }

  /** A partition's records are acknowledged up to, and without, this offset. */
  reached(partition: string, endOffset: number): void {
    this.#endOffsets[partition] = endOffset;
  }

  /** The transaction with everything written so far; the next record begins another. */
  endTransaction(): KafkaCommittable | undefined {
    const { transaction } = this;
    if (transaction === undefined) return undefined;
    this.#identity = undefined;
    this.#options.transactions.forget(transaction.transactionalId); // the committer ends it
    return { ...transaction, endOffsets: this.#endOffsets, partitions: [...this.#added.values()] };
  }

  /** The open one (invariant 2). */
  get transaction(): TransactionIdentity | undefined {
    if (this.#identity === undefined || this.#identity.transactionalId === null) return undefined;
    const { transactionalId, producerId, producerEpoch } = this.#identity;
    return { transactionalId, producerId, producerEpoch };
  }
}
