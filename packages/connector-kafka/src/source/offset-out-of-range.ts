import { KafkaOffsetError } from '../errors.js';
import type { BrokerAddress } from '../protocol/cluster-apis.js';
import type { KafkaClient } from '../protocol/kafka-client.js';
import type { FetchedSplit } from './fetched-split.js';
import { OffsetResolver } from './offsets.js';
import type { SourceSettings } from './source-settings.js';

/**
 * Where a partition goes on whose leader says that the log does not have its offset; `undefined` where it does, by now.
 * @throws KafkaOffsetError unless `onOffsetOutOfRange` says where to go on
 */
export async function offsetInRange(
  { split, fetchOffset, leaderId }: FetchedSplit<never>,
  { onOffsetOutOfRange, isReadCommitted }: SourceSettings,
  client: KafkaClient,
): Promise<number | undefined> {
  const { topic, partition, splitId } = split;
  const { brokers } = await client.metadata([topic]);
  const found = [{ topic, partition, leader: brokers.find(({ nodeId }) => nodeId === leaderId) }];
  const resolver = new OffsetResolver(client, isReadCommitted);
  const first = (await resolver.resolve('startingOffsets', found, 'earliest')).get(splitId)!;
  const end = (await resolver.resolve('startingOffsets', found, 'latest')).get(splitId)!;
  if (fetchOffset >= first && fetchOffset <= end) return undefined;
  if (onOffsetOutOfRange === 'fail') {
    throw new KafkaOffsetError(
      `${splitId} is to be read from offset ${fetchOffset}, but ${first === end ? 'is empty' : `holds ${first} to ${end - 1}`}: ` +
        (fetchOffset < first
          ? 'retention has removed records before they were read. '
          : 'the log was cut off. ') +
        "Start where the records are, or set 'onOffsetOutOfRange' to 'earliest' or 'latest' to go on with what there is.",
      { details: { topic, partition, offset: fetchOffset, first, end } },
    );
  }
  const offset = onOffsetOutOfRange === 'earliest' ? first : end;
  client.context.logger.warn('an offset is out of range: records are passed over or read again', {
    partition: splitId,
    from: fetchOffset,
    to: offset,
  });
  return offset;
}

/**
 * Where a partition goes on whose topic was deleted, and made anew under the same name.
 * @throws KafkaOffsetError unless `onOffsetOutOfRange` says where to go on, and where the offset to stop at was one of the old topic
 */
export async function offsetInNewTopic(
  { split, fetchOffset, fetchTopicId }: FetchedSplit<never>,
  topicId: string,
  leader: BrokerAddress,
  { onOffsetOutOfRange, isReadCommitted }: SourceSettings,
  client: KafkaClient,
): Promise<number> {
  const { topic, partition, splitId, stoppingOffset } = split;
  if (onOffsetOutOfRange === 'fail' || stoppingOffset !== undefined) {
    throw new KafkaOffsetError(
      `${splitId} is to be read from offset ${fetchOffset} of the topic with id ${fetchTopicId}, but '${topic}' has the id ${topicId}: ` +
        'it was deleted and made anew, and what was not read yet is gone. Start without the checkpoint' +
        (stoppingOffset === undefined
          ? ", or set 'onOffsetOutOfRange' to 'earliest' or 'latest' to go on with the new topic."
          : '.'),
      { details: { topic, partition, offset: fetchOffset, topicId } },
    );
  }
  const found = [{ topic, partition, leader }];
  const resolver = new OffsetResolver(client, isReadCommitted);
  const offset = (await resolver.resolve('startingOffsets', found, onOffsetOutOfRange)).get(splitId)!;
  client.context.logger.warn('a topic was made anew: what was not read of the old one is passed over', {
    partition: splitId,
    from: fetchOffset,
    to: offset,
  });
  return offset;
}
