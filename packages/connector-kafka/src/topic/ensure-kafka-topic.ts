import { KafkaConnectionError } from '../errors.js';
import {
  bootstrapAddresses,
  positiveInteger,
  type KafkaConnectionOptions,
} from '../protocol/connection-options.js';
import { KafkaClient, type KafkaClientContext } from '../protocol/kafka-client.js';
import { KafkaCode, remoteError } from '../protocol/kafka-codes.js';
import { createTopic } from '../protocol/topic-apis.js';

/** A topic, as it is made where it is missing. */
export interface EnsureKafkaTopicOptions extends KafkaConnectionOptions {
  readonly topic: string;
  /** Default: the brokers' `num.partitions`. */
  readonly partitions?: number;
  /** Default: the brokers' `default.replication.factor`. */
  readonly replicationFactor?: number;
  /** Such as `{ 'retention.ms': '604800000' }`. */
  readonly topicConfig?: Readonly<Record<string, string>>;
}

/**
 * Creates a topic unless it is there, and waits until every partition has a leader. Resolves with how many partitions it has;
 * a topic that is there stays as it is.
 * @throws KafkaConfigError, KafkaConnectionError, KafkaRemoteError
 */
export async function ensureKafkaTopic(
  options: EnsureKafkaTopicOptions,
  context: KafkaClientContext,
): Promise<number> {
  const { topic: name, partitions, replicationFactor, topicConfig: config = {} } = options;
  bootstrapAddresses(options.bootstrapServers);
  const topic = {
    name,
    config,
    partitions: partitions === undefined ? -1 : positiveInteger('partitions', partitions),
    replicationFactor:
      replicationFactor === undefined ? -1 : positiveInteger('replicationFactor', replicationFactor),
  };
  const client = new KafkaClient(options, context);
  try {
    return await client.retrying(`Looking for the topic '${name}'`, async () => {
      const [found] = (await client.metadata([name])).topics;
      if (found?.errorCode === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION) {
        const { errorCode, errorMessage } = await client.toAnyBroker(createTopic, {
          topic,
          timeoutMs: 10_000,
        });
        if (errorCode !== KafkaCode.NONE && errorCode !== KafkaCode.TOPIC_ALREADY_EXISTS)
          throw remoteError(`Creating the topic '${name}'`, errorCode, errorMessage ?? '');
        throw new KafkaConnectionError(`The topic '${name}' is not there yet.`);
      }
      if (found === undefined || found.errorCode !== KafkaCode.NONE)
        throw remoteError(`Looking for the topic '${name}'`, found?.errorCode ?? -1);
      if (found.partitions.some(({ leaderId }) => leaderId < 0))
        throw new KafkaConnectionError(`A partition of the topic '${name}' has no leader.`);
      return found.partitions.length;
    });
  } finally {
    client.close();
  }
}
