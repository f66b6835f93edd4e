/**
 * Ends transactions, once their checkpoint is durable.
 *
 * Invariants
 * 1. A commit that is said again changes nothing, whoever says it.
 * 2. What the restored checkpoint names is never aborted; what an earlier run left open besides is, before anything is
 *    written, and its writer is fenced by that.
 * 3. A transaction that a checkpoint names, and the broker does not commit, is an error: its records are lost.
 */
import type { CommitRequest, Committer, CommitterContext } from '@millrace/core-stream';
import { KafkaTransactionLostError } from '../errors.js';
import { KafkaClient } from '../protocol/kafka-client.js';
import type { KafkaCommittable } from './producer-session.js';
import type { DescribedTransaction } from '../protocol/write-apis.js';
import type { SinkSettings } from './sink-settings.js';
import { isTransactionOf, type TransactionalIds } from './transactional-ids.js';
import { Transactions } from './transactions.js';
import { abortVisibly, commitVisibly } from './visible-commit.js';

export class KafkaCommitter implements Committer<KafkaCommittable, never> {
  readonly #prefix: string;
  readonly #transactionTimeoutMs: number;
  readonly #context: CommitterContext;
  readonly #client: KafkaClient;
  readonly #transactions: Transactions;
  readonly #ids: TransactionalIds;
  /** Transactions that may be committed though nobody has made sure of it: by an earlier run, or a call that has failed. */
  #inDoubt = new Set<string>();

  constructor(
    settings: SinkSettings & { readonly transactionalIdPrefix: string },
    context: CommitterContext,
  ) {
    this.#prefix = settings.transactionalIdPrefix;
    this.#transactionTimeoutMs = settings.transactionTimeoutMs;
    this.#context = context;
    this.#client = new KafkaClient(settings.connection, context);
    this.#transactions = new Transactions(this.#client);
    this.#ids = settings.transactionalIds;
  }

  async recover(pending: readonly CommitRequest<KafkaCommittable>[]): Promise<void> {
    const named = (this.#inDoubt = new Set(pending.map(({ committable }) => committable.transactionalId)));
    const open = await this.#transactions.listOpen();
    const left = open.filter(
      ({ transactionalId }) => isTransactionOf(this.#prefix, transactionalId) && !named.has(transactionalId),
    );
    for (const { transactionalId } of left) {
      await abortVisibly(this.#transactions, transactionalId, this.#transactionTimeoutMs); // invariant 2
      this.#transactions.forget(transactionalId);
      this.#context.logger.info('a transaction of an earlier run was aborted', { transactionalId });
    }
  }

  async commit(requests: readonly CommitRequest<KafkaCommittable>[]): Promise<void> {
    await Promise.all(requests.map((request) => this.#commit(request)));
  }

  close(): void {
    this.#client.close();
  }

  async #commit({ committable, checkpointId }: CommitRequest<KafkaCommittable>): Promise<void> {
    const { transactionalId } = committable;
    const isRepeated = this.#inDoubt.has(transactionalId);
    this.#inDoubt.add(transactionalId);
    const { isCommitted, found } = await commitVisibly(this.#transactions, committable, isRepeated); // invariant 1
    this.#transactions.forget(transactionalId);
    if (!isCommitted) throw lost(committable, checkpointId, found); // invariant 3
    this.#inDoubt.delete(transactionalId);
    this.#ids.committed(transactionalId);
  }
}

function lost(
  { transactionalId, producerId, producerEpoch }: KafkaCommittable,
  checkpointId: number,
  found: DescribedTransaction | undefined,
): KafkaTransactionLostError {
  const isSame = found?.producerId === producerId && found.producerEpoch === producerEpoch;
  const state = found?.state;
  const now =
    found === undefined
      ? "the broker does not know it any more (it forgets transactions, committed ones too, after 'transactional.id.expiration.ms')"
      : `it is now ${found.state}${isSame ? '' : ', and begun anew since: committed before, where the checkpoint is many checkpoints old, or aborted'}`;
  return new KafkaTransactionLostError(
    `The transaction '${transactionalId}' of checkpoint ${checkpointId} cannot be committed: ${now}. ` +
      'The broker aborts a transaction that is open for too long, or another job with the same prefix has taken it over: the records of this checkpoint are lost. ' +
      'Start from an earlier checkpoint or savepoint to write them again. To avoid it, give the sink a prefix of its own, and let ' +
      "'transactionTimeoutMs' (and the brokers' 'transaction.max.timeout.ms') be longer than the job may be down.",
    { details: { transactionalId, producerId, producerEpoch, checkpointId, state } },
  );
}
