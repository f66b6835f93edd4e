/**
 * Writes something outside of the checkpoints' transactions, exactly once all the same: for a committer, which is called again
 * by another process when nobody knows how far it came.
 *
 * Invariants
 * 1. The transaction's name says what it is for, and brokers remember whether it was committed.
 * 2. What an earlier call left open under the name is aborted before it is written again, unless the earlier call had asked to
 *    commit it: that request may be under way still, though who sent it is dead.
 * 3. A transaction that is committed, and opened again for the markers (`visible-commit.ts`), is not aborted. A second name,
 *    under which nothing is ever written, is known to the brokers from before that.
 *
 * Not for two processes at the same time: a committer is one.
 */
import type { CommitterContext } from '@millrace/core-stream';
import { KafkaFencedError } from '../errors.js';
import { KafkaClient } from '../protocol/kafka-client.js';
import type { SerializeRecord } from './kafka-serializers.js';
import { KafkaWriter } from './kafka-writer.js';
import type { KafkaCommittable } from './producer-session.js';
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
    const note = `${transactionalId}/committed`;
    const makeNote = () => transactions.init(note, settings.transactionTimeoutMs); // invariant 3
    const commit = async (transaction: KafkaCommittable, isRepeated: boolean) => {
      const { isCommitted, found } = await commitVisibly(transactions, transaction, isRepeated, makeNote);
      if (!isCommitted) throw notCommitted(transactionalId, found?.state);
    };
    let before = await transactions.ended(transactionalId);
    if (before?.state === 'Ongoing') {
      if ((await transactions.describe(note)) !== undefined) return await commit(before, true); // invariant 3
      await transactions.abortUnlessCommitted(before); // invariant 2
      before = await transactions.ended(transactionalId);
    }
    if (before?.state === 'CompleteCommit') return; // invariant 1
    for (const value of values) writer.write(value, { timestamp: undefined, currentWatermark: -Infinity });
    await writer.flush();
    const [transaction] = writer.prepareCommit();
    if (transaction !== undefined) await commit(transaction, false);
  } finally {
    await writer.close();
    client.close();
  }
}

function notCommitted(transactionalId: string, state: string | undefined): KafkaFencedError {
  return new KafkaFencedError(
    `The transaction '${transactionalId}' is ${state ?? 'gone'} instead of committed: another run of the job has taken ` +
      'over. If no other run is there, start the job again.',
    { details: { transactionalId, state } },
  );
}
