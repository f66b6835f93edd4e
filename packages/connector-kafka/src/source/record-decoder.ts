import type { Counter, MetricGroup, OutputTag, ReaderOutput } from '@millrace/core-stream';
import { KafkaRecordError } from '../errors.js';
import type { RecordCursor } from '../protocol/record-batch.js';
import type { DeserializeRecord, KafkaRecord } from './kafka-deserializers.js';
import type { TopicPartition } from '../protocol/cluster-apis.js';

/** A record that the deserializer has thrown at, and what it has thrown. */
export interface InvalidKafkaRecord {
  readonly record: KafkaRecord;
  readonly reason: string;
  readonly error: unknown;
}

/** The same as it goes to a side output: plain data. */
export interface RejectedKafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly reason: string;
}

/**
 * What to do with an invalid record: stop the job (`fail`); emit it to a side output of the source, for a dead-letter topic; or
 * go on with what a function gives instead, where `undefined` is nothing.
 */
export type OnInvalidRecord<T> =
  'fail' | OutputTag<RejectedKafkaRecord> | ((invalid: InvalidKafkaRecord) => T | undefined);

/** For `Source.sideOutputs`. */
export function sideOutputsOf(onInvalid: OnInvalidRecord<unknown>): readonly OutputTag<unknown>[] {
  return typeof onInvalid === 'object' ? [onInvalid] : [];
}

/** Deserializes and emits. */
export class RecordDecoder<T> {
  readonly #deserialize: DeserializeRecord<T>;
  readonly #onInvalid: OnInvalidRecord<T>;
  readonly #invalidRecords: Counter;

  constructor(deserialize: DeserializeRecord<T>, onInvalid: OnInvalidRecord<T>, metrics: MetricGroup) {
    this.#deserialize = deserialize;
    this.#onInvalid = onInvalid;
    this.#invalidRecords = metrics.counter('numInvalidRecords', {
      description: 'Records that could not be deserialized and did not stop the job.',
    });
  }

  /** @throws KafkaRecordError for an invalid record, unless told otherwise */
  decode({ topic, partition }: TopicPartition, cursor: RecordCursor, output: ReaderOutput<T>): void {
    const { offset, timestamp, key, value, headers } = cursor;
    const record = { topic, partition, offset, timestamp, key, value, headers };
    let decoded: T;
    try {
      decoded = this.#deserialize(record);
    } catch (error) {
      this.#invalid(record, error, output);
      return;
    }
    output.collect(decoded, timestamp);
  }

  #invalid(record: KafkaRecord, error: unknown, output: ReaderOutput<T>): void {
    const reason = error instanceof Error ? error.message : String(error);
    const { topic, partition, offset, timestamp, key, value } = record;
    if (this.#onInvalid === 'fail') {
      throw new KafkaRecordError(
        `The record at offset ${offset} of ${topic}-${partition} cannot be deserialized: ${shorten(reason)} ` +
          "Correct the deserializer or its schema, or let such records go on as data with 'onInvalidRecord'.",
        { cause: error, details: { topic, partition, offset } },
      );
    }
    this.#invalidRecords.inc();
    if (typeof this.#onInvalid === 'function') {
      const replacement = this.#onInvalid({ record, reason, error });
      if (replacement !== undefined) output.collect(replacement, timestamp);
      return;
    }
    const rejected = { topic, partition, offset, timestamp, key: copyOf(key), value: copyOf(value), reason };
    output.sideOutput(this.#onInvalid, rejected, timestamp);
  }
}

/** Not a view any more: what was fetched with it can go. */
function copyOf(bytes: Buffer | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}

function shorten(reason: string): string {
  return reason.length > 300 ? `${reason.slice(0, 300)}…` : reason;
}
