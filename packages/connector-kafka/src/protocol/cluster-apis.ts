import { kafkaApi } from './kafka-api.js';

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionInfo {
  readonly errorCode: number;
  readonly partition: number;
  /** -1: none at the moment. */
  readonly leaderId: number;
  /** Higher whenever the partition gets, or loses, a leader. */
  readonly leaderEpoch: number;
}

export interface TopicInfo {
  readonly errorCode: number;
  readonly name: string;
  /** Another one when the topic is deleted and made anew; undefined where the cluster's topics have none. */
  readonly topicId: string | undefined;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionInfo[];
}

export interface ClusterMetadata {
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicInfo[];
}

/** All zeros. */
const NO_TOPIC_ID = Buffer.alloc(16).toString('base64url');

function idOf(topicId: string): string | undefined {
  return topicId === NO_TOPIC_ID ? undefined : topicId;
}

/** `topics` null asks for all. */
export const metadata = kafkaApi<{ topics: readonly string[] | null; mayCreate: boolean }, ClusterMetadata>({
  name: 'Metadata',
  key: 3,
  version: 10,
  write: (w, { topics, mayCreate }) =>
    w
      .array(topics, (name) => w.uuid(NO_TOPIC_ID).compactString(name))
      .boolean(mayCreate)
      .boolean(false)
      .boolean(false),
  read: (r) => {
    r.int32(); // throttle time
    const brokers = r.array(() => {
      const broker = { nodeId: r.int32(), host: r.compactString() ?? '', port: r.int32() };
      r.compactString(); // rack
      return broker;
    });
    r.compactString(); // cluster id
    r.int32(); // controller
    const topics = r.array(() => {
      const topic = {
        errorCode: r.int16(),
        name: r.compactString() ?? '',
        topicId: idOf(r.uuid()),
        isInternal: r.int8() !== 0,
        partitions: r.array(() => {
          const info = {
            errorCode: r.int16(),
            partition: r.int32(),
            leaderId: r.int32(),
            leaderEpoch: r.int32(),
          };
          for (let lists = 0; lists < 3; lists++) r.array(() => r.int32(), false); // replicas, in sync, offline
          return info;
        }),
      };
      r.int32(); // authorized operations
      return topic;
    });
    return { brokers, topics };
  },
});

export type CoordinatorKind = 'group' | 'transaction';

export const findCoordinator = kafkaApi<
  { key: string; kind: CoordinatorKind },
  { errorCode: number; broker: BrokerAddress }
>({
  name: 'FindCoordinator',
  key: 10,
  version: 3,
  write: (w, { key, kind }) => w.compactString(key).int8(kind === 'group' ? 0 : 1),
  read: (r) => {
    r.int32();
    const errorCode = r.int16();
    r.compactString(); // error message
    return { errorCode, broker: { nodeId: r.int32(), host: r.compactString() ?? '', port: r.int32() } };
  },
});
