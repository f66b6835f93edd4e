import type {
  CommitRequest,
  Committer,
  CommitterContext,
  SinkWriter,
  SinkWriterContext,
} from '@millrace/core-stream';
import {
  ensureKafkaTopic,
  KafkaSink,
  type KafkaCommittable,
  type KafkaCompression,
  type KafkaConnectionOptions,
} from '@millrace/connector-kafka';
import type { EndOffsets, RowBlock, RowTransport, TransportCommittable } from './row-transport.js';

/** Options of {@link kafkaTransport}. */
export interface KafkaTransportOptions extends KafkaConnectionOptions {
  /**
   * Made where it is missing. It belongs to one sink: nothing else may write to it. A function of the datasource where the
   * sink writes to many, or has `deadLetters`.
   */
  readonly topic: string | ((dataSource: string) => string);
  /** Of a topic that is made. Default: the sink's parallelism. */
  readonly partitions?: number;
  /** Of a topic that is made. Default: the brokers' `default.replication.factor`. */
  readonly replicationFactor?: number;
  /** Of a topic that is made, such as `{ 'retention.ms': '604800000' }`: Druid may be away for as long. */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Begins the names of the sink's transactions. Default: the topic; to be given where that is a function. */
  readonly transactionalIdPrefix?: string;
  /** How long a transaction may be open, restarts of the job included. Default 900,000. */
  readonly transactionTimeoutMs?: number;
  readonly compression?: KafkaCompression;
  /** A Kafka record holds rows up to this size; 1: one row each, for those who read the topic besides Druid. Default 16 KiB. */
  readonly maxRecordBytes?: number;
  /**
   * For Druid's consumers, in Java's names; wins over `bootstrap.servers` as this process has it. Where Kafka wants TLS or
   * SASL, Druid needs it here as well.
   */
  readonly consumerProperties?: Readonly<Record<string, unknown>>;
}

/**
 * Kafka between the sink and Druid, for `DruidSink` in mode `kafka`.
 *
 * @example
 * new DruidSink({ mode: 'kafka', druid, schema: flights, transport: kafkaTransport({ bootstrapServers: 'localhost:9092', topic: 'flights' }) });
 * @throws KafkaConfigError
 */
export function kafkaTransport(options: KafkaTransportOptions): RowTransport {
  const { topic, bootstrapServers, transactionTimeoutMs = 900_000 } = options;
  const prefix = options.transactionalIdPrefix ?? (typeof topic === 'string' ? topic : undefined);
  const sink = new KafkaSink<RowBlock>({
    ...options,
    deliveryGuarantee: 'exactly-once',
    ...(prefix !== undefined && { transactionalIdPrefix: prefix }),
    transactionTimeoutMs,
    serializer: (block) => block,
  });
  return {
    topicOf: (dataSource) => (typeof topic === 'string' ? topic : topic(dataSource)),
    transactionTimeoutMs,
    maxRecordBytes: options.maxRecordBytes ?? 16 * 1024,
    consumerProperties: {
      'bootstrap.servers':
        typeof bootstrapServers === 'string' ? bootstrapServers : bootstrapServers.join(','),
      ...options.consumerProperties,
    },
    prepareTopic: (name, context) =>
      ensureKafkaTopic(
        { ...options, topic: name, partitions: options.partitions ?? context.parallelism },
        context,
      ),
    createWriter: (context) => transportWriter(sink, context),
    createCommitter: (context) => transportCommitter(sink, context),
    writeOnce: (name, blocks, context) => sink.writeOnce(name, blocks, context),
  };
}

async function transportWriter(
  sink: KafkaSink<RowBlock>,
  context: SinkWriterContext,
): Promise<SinkWriter<RowBlock, TransportCommittable, never>> {
  const writer = await sink.createWriter(context);
  return {
    write: writer.write.bind(writer),
    backPressure: () => writer.backPressure?.(),
    flush: (endOfInput) => writer.flush(endOfInput),
    prepareCommit: async (checkpointId, isSavepoint) => {
      const prepared = (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
      return prepared.map((transaction) => ({ transaction, endOffsets: endOffsetsOf(transaction) }));
    },
    close: () => writer.close(),
  };
}

/** From `topic-partition` to topic and partition. */
function endOffsetsOf({ endOffsets = {} }: KafkaCommittable): Record<string, EndOffsets> {
  const byTopic: Record<string, Record<string, number>> = {};
  for (const [name, offset] of Object.entries(endOffsets)) {
    const end = name.lastIndexOf('-');
    (byTopic[name.slice(0, end)] ??= {})[name.slice(end + 1)] = offset;
  }
  return byTopic;
}

function transportCommitter(
  sink: KafkaSink<RowBlock>,
  context: CommitterContext,
): Committer<TransportCommittable, never> {
  const committer = sink.createCommitter!(context); // there with `exactly-once`
  return {
    recover: (pending) => committer.recover?.(pending.map(kafkaRequest), []),
    commit: (requests) => committer.commit(requests.map(kafkaRequest)),
    close: () => committer.close?.(),
  };
}

function kafkaRequest({
  committable,
  ...origin
}: CommitRequest<TransportCommittable>): CommitRequest<KafkaCommittable> {
  return { ...origin, committable: committable.transaction as KafkaCommittable };
}
