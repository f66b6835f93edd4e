import type { Committer, CommitterContext, SinkWriter, SinkWriterContext } from '@millrace/core-stream';

/** One message: rows of one datasource and checkpoint as newline-delimited JSON. */
export interface RowBlock {
  readonly topic: string;
  readonly partition: number;
  readonly value: Uint8Array;
  /** Epoch milliseconds of writing. Not the rows' event time: brokers delete by it, and refuse what lies in the future. */
  readonly timestamp: number;
}

/** By partition the offset after the last record. */
export type EndOffsets = Readonly<Record<string, number>>;

/** What one writer has prepared at a barrier: plain data. */
export interface TransportCommittable {
  /** For the transport's own committer. */
  readonly transaction: unknown;
  /** By topic and partition the offset after the last block. */
  readonly endOffsets: Readonly<Record<string, EndOffsets>>;
}

/**
 * How rows get into the topics that Druid reads, in transactions that are bound to checkpoints. Made by `kafkaTransport` of
 * `@millrace/connector-sink/kafka`; an interface of its own, so that the other modes need no Kafka client.
 */
export interface RowTransport {
  /** Where a datasource's rows go. Two datasources never share a topic. */
  topicOf(dataSource: string): string;
  /** How long a transaction may be open until the brokers abort it. */
  readonly transactionTimeoutMs: number;
  /** A block ends with the row that reaches this many bytes. */
  readonly maxRecordBytes: number;
  /** How Druid's tasks reach the topics: `bootstrap.servers` and what else a Java consumer needs. */
  readonly consumerProperties: Readonly<{ 'bootstrap.servers': string; [key: string]: unknown }>;
  /** Creates the topic where it is missing, with a partition for each writer at least. Resolves with how many it has. */
  prepareTopic(topic: string, context: CommitterContext): Promise<number>;
  createWriter(context: SinkWriterContext): Promise<SinkWriter<RowBlock, TransportCommittable, never>>;
  /** Commits are safe to repeat by any process. Called before the writers are made. */
  createCommitter(context: CommitterContext): Committer<TransportCommittable, never>;
  /** Writes and commits blocks in a transaction of this name, unless that was done before: by any process. */
  writeOnce(name: string, blocks: readonly RowBlock[], context: CommitterContext): Promise<void>;
}
