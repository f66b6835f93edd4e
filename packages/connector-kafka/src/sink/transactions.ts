import { sleep } from '@millrace/core-stream';
import { KafkaConfigError, KafkaConnectionError, KafkaFencedError } from '../errors.js';
import { KafkaCode, isPassing, remoteError } from '../protocol/kafka-codes.js';
import { metadata, type TopicPartition } from '../protocol/cluster-apis.js';
import { unavailable, type KafkaClient } from '../protocol/kafka-client.js';
import {
  addPartitionsToTxn,
  describeTransactions,
  endTxn,
  initProducerId,
  listTransactions,
  type DescribedTransaction,
  type ListedTransaction,
  type ProducerIdentity,
  type TransactionIdentity,
} from '../protocol/write-apis.js';

/** What the transaction coordinator is asked for, each repeated until it is answered. */
export class Transactions {
  readonly #client: KafkaClient;

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  /**
   * Begins anew under an id: what was open under it is aborted, and its writer fenced. `null`: for idempotence only.
   * @throws KafkaConfigError where the broker does not allow the time-out
   */
  async init(transactionalId: string | null, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const what = transactionalId === null ? 'Getting a producer id' : `Beginning '${transactionalId}'`;
    return this.#client.retrying(what, async () => {
      const { errorCode, producerId, producerEpoch } = await this.#init(
        transactionalId,
        transactionTimeoutMs,
      );
      if (errorCode === KafkaCode.INVALID_TRANSACTION_TIMEOUT) {
        throw new KafkaConfigError(
          `'transactionTimeoutMs' is ${transactionTimeoutMs}, more than the brokers allow. ` +
            "Raise their 'transaction.max.timeout.ms', or lower the option: it has to be longer than the job may be down.",
          { details: { transactionTimeoutMs } },
        );
      }
      this.#check(what, errorCode, transactionalId);
      return { producerId, producerEpoch };
    });
  }

  /**
   * Aborts what is open under an id, in one attempt. Not by `EndTxn`: a request of its writer that is still under way would
   * begin a transaction under the same id and epoch that nobody ends.
   */
  async abortOnce(transactionalId: string, transactionTimeoutMs: number): Promise<void> {
    const { errorCode } = await this.#init(transactionalId, transactionTimeoutMs);
    if (errorCode === KafkaCode.CONCURRENT_TRANSACTIONS) return; // it is about to be aborted
    this.#check(`Aborting '${transactionalId}'`, errorCode, transactionalId);
  }

  /** Before the first record of a transaction goes to a partition. @throws KafkaFencedError */
  async addPartitions(
    transaction: TransactionIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const { transactionalId } = transaction;
    const what = `Adding partitions to '${transactionalId}'`;
    await this.#client.retrying(what, async () => {
      const results = await this.#client.toCoordinator('transaction', transactionalId, addPartitionsToTxn, {
        ...transaction,
        partitions,
      });
      const failed =
        results.find(({ errorCode }) => errorCode !== KafkaCode.NONE && !isPassing(errorCode)) ??
        results.find(({ errorCode }) => errorCode !== KafkaCode.NONE);
      if (failed === undefined) return;
      if (isFencing(failed.errorCode)) throw fenced(transactionalId, failed.errorCode);
      this.#check(`${what} (${failed.topic}-${failed.partition})`, failed.errorCode, transactionalId);
    });
  }

  /**
   * Resolves with the code of what does not pass, such as that the transaction is not the one that is open, and with how
   * often it was asked.
   */
  commit(transaction: TransactionIdentity): Promise<{ errorCode: number; attempts: number }> {
    return this.#end(transaction, true);
  }

  /** Aborts it, unless it was committed before, by a request that was still under way, too. It is one of the two from then on. */
  async abortUnlessCommitted(transaction: TransactionIdentity): Promise<void> {
    const { errorCode } = await this.#end(transaction, false);
    if (!isFencing(errorCode))
      this.#check(`Aborting '${transaction.transactionalId}'`, errorCode, transaction.transactionalId);
  }

  async #end(transaction: TransactionIdentity, isCommit: boolean) {
    const { transactionalId } = transaction;
    const what = `${isCommit ? 'Committing' : 'Aborting'} '${transactionalId}'`;
    let attempts = 0;
    return this.#client.retrying(what, async () => {
      attempts++;
      const { errorCode } = await this.#client.toCoordinator('transaction', transactionalId, endTxn, {
        ...transaction,
        isCommit,
      });
      if (isPassing(errorCode)) this.#check(what, errorCode, transactionalId);
      return { errorCode, attempts };
    });
  }

  /** Waits while markers are being written. Resolves with what the transaction is then, as `describe` does. */
  async ended(transactionalId: string): Promise<DescribedTransaction | undefined> {
    const { context, unavailableTimeoutMs } = this.#client;
    const startMs = context.clock.now();
    for (let delayMs = 1; ; delayMs = Math.min(500, delayMs * 2)) {
      const found = await this.describe(transactionalId);
      if (found?.state.startsWith('Prepare') !== true) return found;
      const elapsedMs = context.clock.now() - startMs;
      if (elapsedMs >= unavailableTimeoutMs) {
        const cause = new KafkaConnectionError(`The transaction is still ${found.state}.`);
        throw unavailable(`Writing the markers of '${transactionalId}'`, elapsedMs, cause);
      }
      await sleep(context.clock, delayMs, context.signal);
    }
  }

  /** By `topic-partition`, as the transaction's coordinator sees them; waits until each has a leader. */
  async leaderEpochs(
    transactionalId: string,
    partitions: readonly TopicPartition[],
  ): Promise<Map<string, number>> {
    if (partitions.length === 0) return new Map();
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    return this.#client.retrying(`Looking for leaders for '${transactionalId}'`, async () => {
      const found = await this.#client.toCoordinator('transaction', transactionalId, metadata, {
        topics,
        mayCreate: false,
      });
      const epochs = new Map<string, number>();
      for (const { name, partitions: ofTopic } of found.topics) {
        for (const { partition, leaderId, leaderEpoch } of ofTopic) {
          if (leaderId >= 0) epochs.set(`${name}-${partition}`, leaderEpoch);
          else if (partitions.some((wanted) => wanted.topic === name && wanted.partition === partition))
            throw new KafkaConnectionError(`${name}-${partition} has no leader.`);
        }
      }
      return epochs;
    });
  }

  /** Nothing more will be asked about a transaction. */
  forget(transactionalId: string): void {
    this.#client.forgetCoordinator('transaction', transactionalId);
  }

  /** Undefined: the broker does not know it (any more). */
  async describe(transactionalId: string): Promise<DescribedTransaction | undefined> {
    const what = `Looking at '${transactionalId}'`;
    return this.#client.retrying(what, async () => {
      const [found] = await this.#client.toCoordinator('transaction', transactionalId, describeTransactions, {
        transactionalIds: [transactionalId],
      });
      if (found?.errorCode === KafkaCode.TRANSACTIONAL_ID_NOT_FOUND) return undefined;
      if (found !== undefined) this.#check(what, found.errorCode, transactionalId);
      return found;
    });
  }

  /** Every open transaction that this client may see, of all brokers. */
  listOpen(): Promise<ListedTransaction[]> {
    return this.#client.retrying('Listing open transactions', async () => {
      const { brokers } = await this.#client.metadata([]);
      const lists = await Promise.all(
        brokers.map((broker) => this.#client.request(broker, listTransactions, { states: ['Ongoing'] })),
      );
      for (const { errorCode } of lists) this.#check('Listing open transactions', errorCode, null);
      return lists.flatMap(({ transactions }) => transactions);
    });
  }

  #init(transactionalId: string | null, transactionTimeoutMs: number) {
    const request = { transactionalId, transactionTimeoutMs };
    return transactionalId === null
      ? this.#client.toAnyBroker(initProducerId, request)
      : this.#client.toCoordinator('transaction', transactionalId, initProducerId, request);
  }

  #check(what: string, errorCode: number, transactionalId: string | null): void {
    if (errorCode === KafkaCode.NONE) return;
    // Another broker may coordinate it by now.
    if (transactionalId !== null) this.forget(transactionalId);
    throw remoteError(what, errorCode);
  }
}

/** Whether a code says that the transaction is not this writer's any more. */
export function isFencing(code: number): boolean {
  return (
    code === KafkaCode.INVALID_PRODUCER_EPOCH ||
    code === KafkaCode.PRODUCER_FENCED ||
    code === KafkaCode.INVALID_TXN_STATE ||
    code === KafkaCode.INVALID_PRODUCER_ID_MAPPING
  );
}

export function fenced(transactionalId: string, code: number): KafkaFencedError {
  return new KafkaFencedError(
    `The transaction '${transactionalId}' is not open for this writer any more (error ${code}): another run of the job has taken over, ` +
      "or it was open for longer than 'transactionTimeoutMs' and the broker has aborted it. If no other run is there, let checkpoints come more often, or raise the time-out.",
    { details: { transactionalId, kafkaErrorCode: code } },
  );
}
