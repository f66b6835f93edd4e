/**
 * Writes something outside of the checkpoints' transactions, exactly once all the same: for a committer, which is called again
 * by another process when nobody knows how far it came.
 *
 * Invariants
 * 1. The transaction's name says what it is for, and brokers remember whether it was committed.
 * 2. What an earlier call left open under the name is aborted before it is written again.
 *
 * Not for two processes at the same time: a committer is one.
 */
import type { CommitterContext } from '@millrace/core-stream';
import { KafkaFencedError } from '../errors.js';
import { KafkaClient } from '../protocol/kafka-client.js';
import type { SerializeRecord } from './kafka-serializers.js';
import { KafkaWriter } from './kafka-writer.js';
import type { SinkSettings } from './sink-settings.js';
import { Transactions } from './transactions.js';
import { commitVisibly } from './visible-commit.js';

export async function writeOnce<T>(
  settings: SinkSettings & { readonly transactionalId: string },
  serialize: SerializeRecord<T>,
  values: readonly T[],
  context: CommitterContext,
): Promise<void> {
  const { transactionalId, connection } = settings;
  const client = new KafkaClient(connection, context);
  const writer = new KafkaWriter(settings, serialize, { ...context, subtaskIndex: 0, ownsKey: () => true });
  try {
    const transactions = new Transactions(client);
    const before = await transactions.ended(transactionalId);
    if (before?.state === 'CompleteCommit') return; // invariant 1
    for (const value of values) writer.write(value, { timestamp: undefined, currentWatermark: -Infinity });
    await writer.flush(); // invariant 2: its transaction begins with `InitProducerId`
    const [transaction] = writer.prepareCommit();
    if (transaction === undefined) return;
    const { isCommitted, found } = await commitVisibly(transactions, transaction, false);
    if (isCommitted) return;
    throw new KafkaFencedError(
      `The transaction '${transactionalId}' is ${found?.state ?? 'gone'} instead of committed: another run of the job has taken ` +
        'over. If no other run is there, start the job again.',
      { details: { transactionalId, state: found?.state } },
    );
  } finally {
    await writer.close();
    client.close();
  }
}
