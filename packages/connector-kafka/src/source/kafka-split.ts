import type { SourceSplit } from '@millrace/core-stream';
import type { TopicPartition } from '../protocol/cluster-apis.js';

/** A partition and where reading goes on. Plain data. */
export interface KafkaSplit extends SourceSplit {
  readonly topic: string;
  readonly partition: number;
  /** Which topic of that name the offset is of; undefined where nobody has asked yet, or topics have no ids. */
  readonly topicId?: string;
  /** Of the next record. */
  readonly offset: number;
  /** Bounded reading ends before this one. */
  readonly stoppingOffset?: number;
}

export function splitIdOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** Whose a partition is: neighbours of one topic go to different readers, topics begin at different ones. As Flink's. */
export function ownerOf({ topic, partition }: TopicPartition, parallelism: number): number {
  let hash = 0;
  for (let i = 0; i < topic.length; i++) hash = (Math.imul(hash, 31) + topic.charCodeAt(i)) | 0;
  return (((Math.imul(hash, 31) & 0x7fffffff) % parallelism) + partition) % parallelism;
}
