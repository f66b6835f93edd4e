import { KafkaRecordError } from '../errors.js';
import type { PrepareContext } from '../prepare-context.js';

/** By key; or as a list, in which a key may come several times. */
export type KafkaOutputHeaders =
  | Readonly<Record<string, string | Uint8Array | null>>
  | readonly { readonly key: string; readonly value: string | Uint8Array | null }[];

/** What is written to Kafka of a record. */
export interface KafkaOutput {
  readonly topic: string;
  /** Decides about the partition, as Java's producer has it. Without a key, records are spread. */
  readonly key?: string | Uint8Array | null | undefined;
  /** `null` is a tombstone. */
  readonly value: string | Uint8Array | null;
  readonly headers?: KafkaOutputHeaders | undefined;
  /** Epoch milliseconds; the record's event time unless told, the time of day where it has none. */
  readonly timestamp?: number | undefined;
  /** Overrules the key. */
  readonly partition?: number | undefined;
}

/** Called once per record. What it throws fails the job. */
export type SerializeRecord<T> = (value: T, timestamp: number | undefined) => KafkaOutput;

/**
 * Makes Kafka records: a function, or what makes one per subtask before the first record. That is where a schema registry is
 * asked: afterwards nothing waits.
 */
export type KafkaSerializer<T> =
  SerializeRecord<T> | { prepare(context: PrepareContext): SerializeRecord<T> | Promise<SerializeRecord<T>> };

/** What is the same for every format. */
export interface SerializerOptions<T> {
  readonly topic: string | ((value: T) => string);
  readonly key?: (value: T) => string | Uint8Array | null;
  readonly headers?: (value: T) => KafkaOutputHeaders;
  readonly timestamp?: (value: T) => number;
  readonly partition?: (value: T) => number;
}

/** Values as `JSON.stringify` makes them; `null` and `undefined` become tombstones. */
export function jsonSerializer<T>(options: SerializerOptions<T>): KafkaSerializer<T> {
  return serializer(options, (value) => {
    if (value === null || value === undefined) return null;
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined) return text;
    throw new KafkaRecordError(`A ${typeof value} has no JSON. Map it to data before the sink.`);
  });
}

/** Values that are texts (UTF-8) or bytes, written as they are. */
export function rawSerializer<T extends string | Uint8Array | null>(
  options: SerializerOptions<T>,
): KafkaSerializer<T> {
  return serializer(options, (value) => value);
}

function serializer<T>(
  options: SerializerOptions<T>,
  encode: (value: T) => string | Uint8Array | null,
): SerializeRecord<T> {
  const { topic, key, headers, timestamp, partition } = options;
  const topicOf = typeof topic === 'string' ? () => topic : topic;
  return (value) => ({
    topic: topicOf(value),
    key: key?.(value),
    value: encode(value),
    headers: headers?.(value),
    timestamp: timestamp?.(value),
    partition: partition?.(value),
  });
}
