import type { ReaderOutput } from '@millrace/core-stream';
import { KafkaRecordError } from '../errors.js';
import type { RecordCursor } from '../protocol/record-batch.js';
import type { DeserializeRecord, KafkaRecord } from './kafka-deserializers.js';
import type { TopicPartition } from './kafka-split.js';

/** A record that the deserializer has thrown at, and what it has thrown. */
export interface InvalidKafkaRecord {
  readonly record: KafkaRecord;
  readonly reason: string;
  readonly error: unknown;
}

/** `fail`, or what goes on in the stream instead; `undefined`: nothing does. */
export type OnInvalidRecord<T> = 'fail' | ((invalid: InvalidKafkaRecord) => T | undefined);

/** Deserializes and emits. */
export class RecordDecoder<T> {
  readonly #deserialize: DeserializeRecord<T>;
  readonly #onInvalid: OnInvalidRecord<T>;

  constructor(deserialize: DeserializeRecord<T>, onInvalid: OnInvalidRecord<T>) {
    this.#deserialize = deserialize;
    this.#onInvalid = onInvalid;
  }

  /** @throws KafkaRecordError for an invalid record, unless told otherwise */
  decode({ topic, partition }: TopicPartition, cursor: RecordCursor, output: ReaderOutput<T>): void {
    const { offset, timestamp, key, value, headers } = cursor;
    const record = { topic, partition, offset, timestamp, key, value, headers };
    let decoded: T;
    try {
      decoded = this.#deserialize(record);
    } catch (error) {
      const replacement = this.#invalid(record, error);
      if (replacement === undefined) return;
      decoded = replacement;
    }
    output.collect(decoded, timestamp);
  }

  #invalid(record: KafkaRecord, error: unknown): T | undefined {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#onInvalid !== 'fail') return this.#onInvalid({ record, reason, error });
    const { topic, partition, offset } = record;
    throw new KafkaRecordError(
      `The record at offset ${offset} of ${topic}-${partition} cannot be deserialized: ${shorten(reason)} ` +
        "Correct the deserializer or its schema, or let such records go on as data with 'onInvalidRecord'.",
      { cause: error, details: { topic, partition, offset } },
    );
  }
}

function shorten(reason: string): string {
  return reason.length > 300 ? `${reason.slice(0, 300)}…` : reason;
}
