import type { SinkWriteContext, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import { KafkaRecordError } from '../errors.js';
import { KafkaClient } from '../protocol/kafka-client.js';
import type { KafkaHeader } from '../protocol/record-batch.js';
import { BatchSender } from './batch-sender.js';
import type { KafkaOutputHeaders, SerializeRecord } from './kafka-serializers.js';
import { ProducerSession, type KafkaCommittable } from './producer-session.js';
import { createSinkMetrics } from './sink-metrics.js';
import type { SinkSettings } from './sink-settings.js';
import type { WriterIds } from './transactional-ids.js';
import { Transactions } from './transactions.js';

const NO_HEADERS: readonly KafkaHeader[] = [];

/**
 * Writes the records of one subtask. `BatchSender` has what is under way, `ProducerSession` the transaction.
 *
 * Invariant 1: what `prepareCommit` names is acknowledged by all replicas in sync, so that whoever ends the transaction
 *   commits all of it.
 */
export class KafkaWriter<T> implements SinkWriter<T, KafkaCommittable, never> {
  readonly #client: KafkaClient;
  readonly #transactions: Transactions;
  readonly #ids: WriterIds | undefined;
  readonly #session: ProducerSession;
  readonly #sender: BatchSender;
  readonly #serialize: SerializeRecord<T>;
  readonly #context: SinkWriterContext;
  readonly #transactionTimeoutMs: number;
  readonly #stop = new AbortController();

  constructor(settings: SinkSettings, serialize: SerializeRecord<T>, context: SinkWriterContext) {
    const { connection, transactionalIdPrefix, transactionalId, transactionTimeoutMs } = settings;
    const { clock, logger, subtaskIndex } = context;
    const signal = AbortSignal.any([context.signal, this.#stop.signal]);
    this.#context = context;
    this.#serialize = serialize;
    this.#transactionTimeoutMs = transactionTimeoutMs;
    this.#client = new KafkaClient(connection, { clock, logger, signal });
    this.#transactions = new Transactions(this.#client);
    if (transactionalIdPrefix !== undefined && transactionalId === undefined)
      this.#ids = settings.transactionalIds.open(transactionalIdPrefix, subtaskIndex);
    this.#session = new ProducerSession({
      transactions: this.#transactions,
      nextId: transactionalId === undefined ? this.#ids?.next : () => transactionalId,
      transactionTimeoutMs,
    });
    this.#sender = new BatchSender({
      ...settings.sending,
      client: this.#client,
      session: this.#session,
      metrics: createSinkMetrics(context.metrics),
    });
  }

  write(value: T, context: SinkWriteContext): void {
    const output = this.#serialize(value, context.timestamp);
    this.#sender.add(output.topic, {
      key: bytesOf(output.key),
      value: bytesOf(output.value),
      headers: headersOf(output.headers),
      timestamp: wholeMs(output.timestamp ?? context.timestamp ?? this.#context.clock.now()),
      partition: output.partition,
    });
  }

  backPressure(): Promise<void> | undefined {
    return this.#sender.push();
  }

  flush(): Promise<void> {
    return this.#sender.flush();
  }

  prepareCommit(): readonly KafkaCommittable[] {
    const transaction = this.#session.endTransaction(); // invariant 1: `flush` came before
    return transaction === undefined ? [] : [transaction];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#ids?.close();
    const isSending = this.#sender.stopped();
    const open = this.#session.transaction;
    if (open !== undefined) await this.#abort(open.transactionalId);
    this.#client.close();
    await isSending;
  }

  /** So that readers need not wait for the time-out. It is tried once: the next run, or the time-out, does it otherwise. */
  async #abort(transactionalId: string): Promise<void> {
    try {
      await this.#transactions.abortOnce(transactionalId, this.#transactionTimeoutMs);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      this.#context.logger.debug('an open transaction was not aborted', { error: said });
    }
  }
}

function bytesOf(value: string | Uint8Array | null | undefined): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : (value ?? null);
}

/** Kafka's times are whole milliseconds. */
function wholeMs(timestamp: number): number {
  const whole = Math.floor(timestamp);
  if (Number.isSafeInteger(whole)) return whole;
  throw new KafkaRecordError(
    `A record has the timestamp ${timestamp}; Kafka takes epoch milliseconds. ` +
      "Mend the timestamp assigner, or the serializer's timestamp.",
    { details: { timestamp } },
  );
}

function headersOf(headers: KafkaOutputHeaders | undefined) {
  if (headers === undefined) return NO_HEADERS;
  if (isList(headers)) return headers.map(({ key, value }) => ({ key, value: bytesOf(value) }));
  return Object.entries(headers).map(([key, value]) => ({ key, value: bytesOf(value) }));
}

function isList(headers: KafkaOutputHeaders): headers is Extract<KafkaOutputHeaders, readonly unknown[]> {
  return Array.isArray(headers);
}
