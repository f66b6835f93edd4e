import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import type { PrepareContext } from '../prepare-context.js';
import type { KafkaHeader } from '../protocol/record-batch.js';

/** A record as it is in Kafka. `key`, `value` and headers are views of what was fetched: copy what is kept for long. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch milliseconds; the record's event time unless a timestamp assigner says otherwise. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  /** `null`: a tombstone. */
  readonly value: Buffer | null;
  readonly headers: readonly KafkaHeader[];
}

/** Called once per record. What it throws is what is wrong with the record; see `onInvalidRecord`. */
export type DeserializeRecord<T> = (record: KafkaRecord) => T;

/**
 * Makes records of the stream: a function, or what makes one per subtask before the first record. That is where a schema
 * registry is asked: afterwards nothing waits.
 */
export type KafkaDeserializer<T> =
  | DeserializeRecord<T>
  | { prepare(context: PrepareContext): DeserializeRecord<T> | Promise<DeserializeRecord<T>> };

/** The record as it is in Kafka, tombstones included. */
export function rawDeserializer(): DeserializeRecord<KafkaRecord> {
  return (record) => record;
}

/** The value as text. A tombstone, or what is not UTF-8, is invalid. */
export function textDeserializer(): DeserializeRecord<string> {
  return textOf;
}

/** The value as JSON, checked and transformed by a zod schema. What does not fit is invalid, a tombstone too. */
export function jsonDeserializer<S extends z.ZodType>(schema: S): DeserializeRecord<z.output<S>> {
  return (record) => schema.parse(JSON.parse(textOf(record)));
}

function textOf({ value }: KafkaRecord): string {
  if (value === null) throw new TypeError('it has no value (a tombstone)');
  if (!isUtf8(value)) throw new TypeError('its value is not valid UTF-8');
  return value.toString('utf8');
}
