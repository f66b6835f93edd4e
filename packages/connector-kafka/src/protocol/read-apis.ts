import { kafkaApi } from './kafka-api.js';
import type { WireReader } from './wire-reader.js';
import type { WireWriter } from './wire-writer.js';

export interface FetchRequest {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isReadCommitted: boolean;
  readonly topics: readonly {
    /** Its id; its name with `fetchRecordsByName`. */
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly offset: number;
      readonly maxBytes: number;
    }[];
  }[];
}

/** A transaction of a producer that was aborted, and the offset of its first record. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchedPartition {
  /** As asked for. */
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  /** The end of what `read_committed` may see; -1 where the broker does not say. */
  readonly lastStableOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; the last one may be cut off. */
  readonly records: Buffer;
}

const NO_RECORDS = Buffer.alloc(0);

export interface FetchResponse {
  readonly errorCode: number;
  /** More than 0: a quota is used up, and records may be missing because of that. */
  readonly throttleMs: number;
  readonly partitions: readonly FetchedPartition[];
}

/** From brokers that know topics by their ids, since Kafka 3.1: nothing comes from another topic of the same name. */
export const fetchRecords = fetchApi(
  13,
  (w, topicId) => w.uuid(topicId),
  (r) => r.uuid(),
);

/** From others. */
export const fetchRecordsByName = fetchApi(
  12,
  (w, name) => w.compactString(name),
  (r) => r.compactString() ?? '',
);

function fetchApi(
  version: number,
  writeTopic: (w: WireWriter, topic: string) => WireWriter,
  readTopic: (r: WireReader) => string,
) {
  return kafkaApi<FetchRequest, FetchResponse>({
    name: 'Fetch',
    key: 1,
    version,
    write: (w, { maxWaitMs, minBytes, maxBytes, isReadCommitted, topics }) =>
      w
        .int32(-1) // replica: none
        .int32(maxWaitMs)
        .int32(minBytes)
        .int32(maxBytes)
        .int8(isReadCommitted ? 1 : 0)
        .int32(0) // no session: every request names all its partitions
        .int32(-1)
        .array(topics, ({ topic, partitions }) =>
          writeTopic(w, topic).array(partitions, ({ partition, offset, maxBytes: partitionMaxBytes }) =>
            w
              .int32(partition)
              .int32(-1) // leader epoch: not known
              .int64(offset)
              .int32(-1)
              .int64(-1)
              .int32(partitionMaxBytes),
          ),
        )
        .array([], () => undefined)
        .compactString(''),
    read: (r) => {
      const throttleMs = r.int32();
      const errorCode = r.int16();
      r.int32(); // session
      const partitions = r.array(() => {
        const topic = readTopic(r);
        return r.array(() => {
          const fetched = {
            topic,
            partition: r.int32(),
            errorCode: r.int16(),
            highWatermark: r.int64(),
            lastStableOffset: r.int64(),
          };
          r.int64(); // log start
          const aborted = r.array(() => ({ producerId: r.int64(), firstOffset: r.int64() }));
          r.int32(); // preferred replica
          return { ...fetched, aborted, records: r.compactBytes() ?? NO_RECORDS };
        });
      });
      return { errorCode, throttleMs, partitions: partitions.flat() };
    },
  });
}

/** Instead of a time: the first offset, and the one after the last. */
export const EARLIEST = -2;
export const LATEST = -1;
/** The first one that is not in remote storage alone. */
export const EARLIEST_LOCAL = -4;

export interface PartitionTime {
  readonly topic: string;
  readonly partition: number;
  /** Epoch milliseconds, `EARLIEST` or `LATEST`. */
  readonly timestamp: number;
}

export interface ListedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Of the first record at or after the time; -1: there is none. */
  readonly offset: number;
}

export const listOffsets = listOffsetsApi(6);

/** Takes `EARLIEST_LOCAL`, too. Brokers without remote storage may not have it. */
export const listLocalOffsets = listOffsetsApi(8);

function listOffsetsApi(version: number) {
  return kafkaApi<{ isReadCommitted: boolean; partitions: readonly PartitionTime[] }, ListedOffset[]>({
    name: 'ListOffsets',
    key: 2,
    version,
    write: (w, { isReadCommitted, partitions }) =>
      w
        .int32(-1)
        .int8(isReadCommitted ? 1 : 0)
        .array(byTopic(partitions), ([topic, ofTopic]) =>
          w
            .compactString(topic)
            .array(ofTopic, ({ partition, timestamp }) => w.int32(partition).int32(-1).int64(timestamp)),
        ),
    read: (r) => {
      r.int32();
      return r
        .array(() => {
          const topic = r.compactString() ?? '';
          return r.array(() => {
            const listed = { topic, partition: r.int32(), errorCode: r.int16() };
            r.int64(); // timestamp
            const offset = r.int64();
            r.int32(); // leader epoch
            return { ...listed, offset };
          });
        })
        .flat();
    },
  });
}

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Offsets that a group has committed; -1 where it has none. */
export const offsetFetch = kafkaApi<
  { groupId: string; partitions: readonly { readonly topic: string; readonly partition: number }[] },
  { errorCode: number; offsets: ListedOffset[] }
>({
  name: 'OffsetFetch',
  key: 9,
  version: 7,
  write: (w, { groupId, partitions }) =>
    w
      .compactString(groupId)
      .array(byTopic(partitions), ([topic, ofTopic]) =>
        w.compactString(topic).array(ofTopic, ({ partition }) => w.int32(partition), false),
      )
      .boolean(true), // offsets of open transactions are waited for
  read: (r) => {
    r.int32();
    const offsets = r.array(() => {
      const topic = r.compactString() ?? '';
      return r.array(() => {
        const found = { topic, partition: r.int32(), offset: r.int64() };
        r.int32(); // leader epoch
        r.compactString(); // metadata
        return { ...found, errorCode: r.int16() };
      });
    });
    return { errorCode: r.int16(), offsets: offsets.flat() };
  },
});

/** For a group without members. Resolves with the error code of each partition. */
export const offsetCommit = kafkaApi<
  { groupId: string; offsets: readonly PartitionOffset[] },
  { topic: string; partition: number; errorCode: number }[]
>({
  name: 'OffsetCommit',
  key: 8,
  version: 8,
  write: (w, { groupId, offsets }) =>
    w
      .compactString(groupId)
      .int32(-1) // generation: no member
      .compactString('')
      .compactString(null)
      .array(byTopic(offsets), ([topic, ofTopic]) =>
        w
          .compactString(topic)
          .array(ofTopic, ({ partition, offset }) =>
            w.int32(partition).int64(offset).int32(-1).compactString(null),
          ),
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

/** In the order in which topics are first named. */
export function byTopic<P extends { readonly topic: string }>(partitions: readonly P[]): [string, P[]][] {
  const topics = new Map<string, P[]>();
  for (const entry of partitions) {
    const ofTopic = topics.get(entry.topic);
    if (ofTopic === undefined) topics.set(entry.topic, [entry]);
    else ofTopic.push(entry);
  }
  return [...topics];
}
