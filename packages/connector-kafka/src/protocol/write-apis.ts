import type { TopicPartition } from './cluster-apis.js';
import { kafkaApi } from './kafka-api.js';
import { byTopic } from './read-apis.js';

/** Who writes: sequence numbers are counted per producer and epoch; a higher epoch fences the lower ones. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A transaction, as any process can end it. */
export interface TransactionIdentity extends ProducerIdentity {
  readonly transactionalId: string;
}

export interface ProduceRequest {
  readonly transactionalId: string | null;
  readonly timeoutMs: number;
  readonly batches: readonly ProduceBatch[];
}

export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  /** One record batch. */
  readonly records: Uint8Array;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Of the first record; -1 where the broker does not say. */
  readonly baseOffset: number;
  readonly errorMessage: string | null;
}

/** Acknowledged by all replicas in sync. */
export const produce = kafkaApi<ProduceRequest, ProducedPartition[]>({
  name: 'Produce',
  key: 0,
  version: 9,
  write: (w, { transactionalId, timeoutMs, batches }) =>
    w
      .compactString(transactionalId)
      .int16(-1) // acknowledged by all
      .int32(timeoutMs)
      .array(byTopic(batches), ([topic, ofTopic]) =>
        w
          .compactString(topic)
          .array(ofTopic, ({ partition, records }) => w.int32(partition).compactBytes(records)),
      ),
  read: (r) =>
    r
      .array(() => {
        const topic = r.compactString() ?? '';
        return r.array(() => {
          const produced = { topic, partition: r.int32(), errorCode: r.int16(), baseOffset: r.int64() };
          r.int64(); // append time
          r.int64(); // log start
          const refused = r.array(() => {
            r.int32();
            return r.compactString();
          });
          const errorMessage = r.compactString() ?? refused.find((reason) => reason !== null) ?? null;
          return { ...produced, errorMessage };
        });
      })
      .flat(),
});

/** For a transactional id it ends whatever is open under it, and fences who wrote it; `null` is for idempotence only. */
export const initProducerId = kafkaApi<
  { transactionalId: string | null; transactionTimeoutMs: number },
  ProducerIdentity & { readonly errorCode: number }
>({
  name: 'InitProducerId',
  key: 22,
  version: 3,
  write: (w, { transactionalId, transactionTimeoutMs }) =>
    w.compactString(transactionalId).int32(transactionTimeoutMs).int64(-1).int16(-1),
  read: (r) => {
    r.int32();
    return { errorCode: r.int16(), producerId: r.int64(), producerEpoch: r.int16() };
  },
});

interface TransactionPartitions extends TransactionIdentity {
  readonly partitions: readonly TopicPartition[];
}

/** Version 3: later ones are for brokers, and need rights on the cluster. */
export const addPartitionsToTxn = kafkaApi<
  TransactionPartitions,
  { topic: string; partition: number; errorCode: number }[]
>({
  name: 'AddPartitionsToTxn',
  key: 24,
  version: 3,
  write: (w, { transactionalId, producerId, producerEpoch, partitions }) =>
    w
      .compactString(transactionalId)
      .int64(producerId)
      .int16(producerEpoch)
      .array(byTopic(partitions), ([topic, ofTopic]) =>
        w.compactString(topic).array(ofTopic, ({ partition }) => w.int32(partition), false),
      ),
  read: (r) => {
    r.int32();
    return r
      .array(() => {
        const topic = r.compactString() ?? '';
        return r.array(() => ({ topic, partition: r.int32(), errorCode: r.int16() }));
      })
      .flat();
  },
});

export const endTxn = kafkaApi<TransactionIdentity & { readonly isCommit: boolean }, { errorCode: number }>({
  name: 'EndTxn',
  key: 26,
  version: 3,
  write: (w, { transactionalId, producerId, producerEpoch, isCommit }) =>
    w.compactString(transactionalId).int64(producerId).int16(producerEpoch).boolean(isCommit),
  read: (r) => {
    r.int32();
    return { errorCode: r.int16() };
  },
});

export interface ListedTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  /** Such as `Ongoing` or `CompleteCommit`. */
  readonly state: string;
}

/** Those that the asked broker coordinates. */
export const listTransactions = kafkaApi<
  { states: readonly string[] },
  { errorCode: number; transactions: ListedTransaction[] }
>({
  name: 'ListTransactions',
  key: 66,
  version: 0,
  write: (w, { states }) =>
    w.array(states, (state) => w.compactString(state), false).array([], () => undefined, false),
  read: (r) => {
    r.int32();
    const errorCode = r.int16();
    r.array(() => r.compactString(), false); // states that it does not know
    const transactions = r.array(() => ({
      transactionalId: r.compactString() ?? '',
      producerId: r.int64(),
      state: r.compactString() ?? '',
    }));
    return { errorCode, transactions };
  },
});

export interface DescribedTransaction extends TransactionIdentity {
  readonly errorCode: number;
  readonly state: string;
  readonly timeoutMs: number;
  /** None once it is complete. */
  readonly partitions: readonly TopicPartition[];
}

export const describeTransactions = kafkaApi<{ transactionalIds: readonly string[] }, DescribedTransaction[]>(
  {
    name: 'DescribeTransactions',
    key: 65,
    version: 0,
    write: (w, { transactionalIds }) => w.array(transactionalIds, (id) => w.compactString(id), false),
    read: (r) => {
      r.int32();
      return r.array(() => {
        const errorCode = r.int16();
        const transactionalId = r.compactString() ?? '';
        const state = r.compactString() ?? '';
        const timeoutMs = r.int32();
        r.int64(); // start
        const producerId = r.int64();
        const producerEpoch = r.int16();
        const partitions = r
          .array(() => {
            const topic = r.compactString() ?? '';
            return r.array(() => ({ topic, partition: r.int32() }), false);
          })
          .flat();
        return { errorCode, transactionalId, state, timeoutMs, producerId, producerEpoch, partitions };
      });
    },
  },
);
