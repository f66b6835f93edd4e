import type { TopicPartition } from '../protocol/cluster-apis.js';
import { KafkaCode, remoteError } from '../protocol/kafka-codes.js';
import type { DescribedTransaction } from '../protocol/write-apis.js';
import type { KafkaCommittable } from './producer-session.js';
import { isFencing, type Transactions } from './transactions.js';

export interface CommitOutcome {
  readonly isCommitted: boolean;
  /** What the brokers have instead; undefined: they do not know the transaction. */
  readonly found: DescribedTransaction | undefined;
}

/**
 * Commits a transaction, and makes sure that every partition has the marker that says so.
 *
 * A broker answers as soon as it has decided, and writes the markers afterwards. Kafka 4.3.1 leaves out those of a partition
 * that has no leader at that moment (KAFKA-20734), as while its only replica restarts, and calls the transaction complete:
 * consumers with `read_committed` would wait before its records for ever.
 *
 * Invariants
 * 1. It is committed when it is complete, and no partition has had another leader epoch, as its coordinator sees it, since
 *    before the one request to commit it: a partition that has lost its leader has another epoch.
 * 2. Otherwise the partitions are added again and it is committed again, which writes the markers. One more changes nothing.
 *
 * `isRepeated`: it may have been committed before, by whom nobody knows any more. `beforeRepair`: it is committed, and will
 * be open for a while again.
 */
export async function commitVisibly(
  transactions: Transactions,
  transaction: KafkaCommittable,
  isRepeated: boolean,
  beforeRepair?: () => Promise<unknown>,
): Promise<CommitOutcome> {
  const { transactionalId, producerId, producerEpoch, partitions = [] } = transaction;
  for (let isInDoubt = isRepeated; ; isInDoubt = false) {
    const before = await transactions.leaderEpochs(transactionalId, partitions);
    const { errorCode, attempts } = await transactions.commit(transaction);
    if (errorCode !== KafkaCode.NONE && !isFencing(errorCode))
      throw remoteError(`Committing '${transactionalId}'`, errorCode);
    const found = await transactions.ended(transactionalId);
    const isSame = found?.producerId === producerId && found.producerEpoch === producerEpoch;
    if (!isSame || found.state !== 'CompleteCommit') return { isCommitted: false, found };
    const after = await transactions.leaderEpochs(transactionalId, partitions);
    const unsure = changed(partitions, isInDoubt || attempts > 1 ? undefined : before, after);
    if (unsure.length === 0) return { isCommitted: true, found }; // invariant 1
    await beforeRepair?.();
    await transactions.addPartitions(transaction, unsure); // invariant 2
  }
}

/** Aborts what an earlier run has left open, with the same care. Its writer is fenced. */
export async function abortVisibly(
  transactions: Transactions,
  transactionalId: string,
  transactionTimeoutMs: number,
): Promise<void> {
  const left = await transactions.describe(transactionalId);
  for (let partitions = left?.partitions ?? []; ;) {
    const before = await transactions.leaderEpochs(transactionalId, partitions);
    const identity = await transactions.init(transactionalId, transactionTimeoutMs);
    const after = await transactions.leaderEpochs(transactionalId, partitions);
    partitions = changed(partitions, before, after);
    if (partitions.length === 0) return;
    await transactions.addPartitions({ transactionalId, ...identity }, partitions); // what the next turn aborts
  }
}

/** Those that are there and may have been without a leader. */
function changed(
  partitions: readonly TopicPartition[],
  before: ReadonlyMap<string, number> | undefined,
  after: ReadonlyMap<string, number>,
): readonly TopicPartition[] {
  return partitions.filter(({ topic, partition }) => {
    const key = `${topic}-${partition}`;
    const epoch = after.get(key);
    return epoch !== undefined && epoch !== before?.get(key);
  });
}
