/**
 * Sends what is buffered, in rounds: one request to each leader, one batch of each partition, then the next round.
 *
 * Invariants
 * 1. A batch is sent again with the same bytes and sequence until it is acknowledged: brokers write it once.
 * 2. Of a partition one batch is under way at a time, so its records stay in their order.
 * 3. In a transaction nothing goes to a partition that was not added to it.
 * 4. At most `maxBufferedBytes`, and what one batch of the runtime adds, are held.
 */
import { sleep } from '@millrace/core-stream';
import { KafkaConnectionError, KafkaError, KafkaRecordError } from '../errors.js';
import type { BrokerAddress } from '../protocol/cluster-apis.js';
import type { KafkaCompression } from '../protocol/compression.js';
import { backOffMs, unavailable, type KafkaClient } from '../protocol/kafka-client.js';
import { isPassing, KafkaCode, remoteError } from '../protocol/kafka-codes.js';
import type { RecordToWrite } from '../protocol/record-batch.js';
import { produce, type ProducedPartition } from '../protocol/write-apis.js';
import type { ProducerSession } from './producer-session.js';
import type { SinkMetrics } from './sink-metrics.js';
import { sizeOf, TopicBuffer } from './topic-buffer.js';

/** As Java's `metadata.max.age.ms`. */
const METADATA_MAX_AGE_MS = 300_000;

export interface BatchSenderOptions {
  readonly client: KafkaClient;
  readonly session: ProducerSession;
  readonly metrics: SinkMetrics;
  readonly compression: KafkaCompression;
  readonly maxBatchBytes: number;
  readonly maxRequestBytes: number;
  readonly maxBufferedBytes: number;
  readonly requestTimeoutMs: number;
}

/** A batch with its sequence, until it is acknowledged. */
interface SentBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: Buffer;
  readonly recordCount: number;
  readonly heldBytes: number;
}

export class BatchSender {
  readonly #options: BatchSenderOptions;
  readonly #topics = new Map<string, TopicBuffer>();
  readonly #leaders = new Map<string, number>();
  #brokers = new Map<number, BrokerAddress>();
  #unacknowledged: SentBatch[] = [];
  #heldBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #sending: Promise<void> | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  add(topic: string, record: RecordToWrite & { readonly partition: number | undefined }): void {
    let buffer = this.#topics.get(topic);
    if (buffer === undefined) {
      buffer = new TopicBuffer(topic, this.#options.maxBatchBytes);
      this.#topics.set(topic, buffer);
    }
    buffer.add(record);
    this.#heldBytes += sizeOf(record);
  }

  /** Begins to send; a promise where more is held than may be, or sending has failed. */
  push(): Promise<void> | undefined {
    if (this.#failure !== undefined) return this.#untilRoom();
    if (!this.#hasWork) return undefined;
    this.#sending ??= this.#send();
    return this.#heldBytes < this.#options.maxBufferedBytes ? undefined : this.#untilRoom(); // invariant 4
  }

  /** Resolves when everything is acknowledged. */
  async flush(): Promise<void> {
    while (this.#hasWork) {
      this.#throwFailure();
      this.#sending ??= this.#send();
      await this.#sending;
    }
    this.#throwFailure();
  }

  /** Resolves when nothing is under way any more. */
  async stopped(): Promise<void> {
    await this.#sending;
  }

  get #hasWork(): boolean {
    if (this.#unacknowledged.length > 0) return true;
    for (const topic of this.#topics.values()) if (!topic.isEmpty) return true;
    return false;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #untilRoom(): Promise<void> {
    while (this.#heldBytes >= this.#options.maxBufferedBytes && this.#failure === undefined) {
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    }
    this.#throwFailure();
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    const { client, metrics } = this.#options;
    const { clock, signal } = client.context;
    let failures = 0;
    let lastSuccess = clock.now();
    try {
      while (this.#hasWork) {
        signal.throwIfAborted();
        const problem = await this.#round();
        this.#wakeWriter?.();
        if (problem === undefined) {
          failures = 0;
          lastSuccess = clock.now();
          continue;
        }
        const elapsedMs = clock.now() - lastSuccess;
        if (elapsedMs >= client.unavailableTimeoutMs)
          throw unavailable('Writing to Kafka', elapsedMs, problem);
        metrics.retries.inc();
        client.context.logger.debug('sending to Kafka failed and is repeated', { error: problem.message });
        await sleep(clock, backOffMs(++failures), signal);
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#sending = undefined;
      this.#wakeWriter?.();
    }
  }

  /** What is to be tried again after a while, if anything. */
  async #round(): Promise<KafkaError | undefined> {
    try {
      await this.#options.session.begin();
      await this.#route();
      this.#takeBatches();
      await this.#options.session.addPartitions(this.#unacknowledged); // invariant 3
    } catch (error) {
      if (KafkaError.is(error) && error.retryable && error.code !== 'KAFKA_FENCED') return error;
      throw error;
    }
    const byLeader = new Map<number, SentBatch[]>();
    for (const batch of this.#unacknowledged) {
      const leader = this.#leaders.get(keyOf(batch)) ?? -1;
      const ofLeader = byLeader.get(leader);
      if (ofLeader === undefined) byLeader.set(leader, [batch]);
      else ofLeader.push(batch);
    }
    const problems = await Promise.all(
      Array.from(byLeader, ([leader, batches]) => this.#produce(leader, batches)),
    );
    return problems.find((problem) => problem !== undefined);
  }

  /** Finds partitions and leaders that are not known, or for so long that there may be more. */
  async #route(): Promise<void> {
    const now = this.#options.client.context.clock.now();
    const names = [...this.#topics.values()]
      .filter(
        (topic) =>
          (!topic.isEmpty && now - topic.routedAtMs >= METADATA_MAX_AGE_MS) ||
          this.#unacknowledged.some(
            (batch) => batch.topic === topic.name && !this.#leaders.has(keyOf(batch)),
          ),
      )
      .map(({ name }) => name);
    if (names.length === 0) return;
    const { brokers, topics } = await this.#options.client.metadata(names, true);
    this.#brokers = new Map(brokers.map((broker) => [broker.nodeId, broker]));
    for (const { name, errorCode, partitions } of topics) {
      if (errorCode !== KafkaCode.NONE) throw remoteError(`Looking up the topic '${name}'`, errorCode);
      for (const { partition, leaderId } of partitions) {
        if (leaderId >= 0) this.#leaders.set(`${name}-${partition}`, leaderId);
      }
      this.#topics.get(name)?.route(partitions.length, now);
    }
  }

  /** One batch of each partition that has none under way (invariant 2), as many as go into a request. */
  #takeBatches(): void {
    const { session, compression, maxRequestBytes } = this.#options;
    const busy = new Set(this.#unacknowledged.map(keyOf));
    let bytes = 0;
    for (const [topic, buffer] of this.#topics) {
      for (const partition of [...buffer.waiting()]) {
        if (busy.has(`${topic}-${partition}`)) continue;
        if (bytes >= maxRequestBytes) return;
        const batch = buffer.take(partition);
        const baseSequence = session.nextSequence(`${topic}-${partition}`, batch.recordCount);
        const records = batch.build({ ...session.identity, baseSequence, compression });
        const { recordCount, heldBytes } = batch;
        this.#unacknowledged.push({ topic, partition, records, recordCount, heldBytes }); // invariant 1
        bytes += records.length;
      }
    }
  }

  async #produce(leader: number, batches: readonly SentBatch[]): Promise<KafkaError | undefined> {
    const { client, session, metrics, requestTimeoutMs } = this.#options;
    const broker = this.#brokers.get(leader);
    if (broker === undefined) {
      for (const batch of batches) this.#leaders.delete(keyOf(batch));
      const { topic, partition } = batches[0]!;
      return new KafkaConnectionError(`${topic}-${partition} has no leader.`);
    }
    let results: ProducedPartition[];
    try {
      metrics.requests.inc();
      const { transactionalId } = session.identity;
      results = await client.request(broker, produce, {
        transactionalId,
        timeoutMs: requestTimeoutMs,
        batches,
      });
    } catch (error) {
      if (!KafkaError.is(error) || !error.retryable) throw error;
      for (const batch of batches) this.#leaders.delete(keyOf(batch));
      return error;
    }
    const byKey = new Map(results.map((result) => [keyOf(result), result]));
    const problems = batches.map((batch) => this.#settle(batch, byKey.get(keyOf(batch))));
    return problems.find((problem) => problem !== undefined);
  }

  #settle(batch: SentBatch, result: ProducedPartition | undefined): KafkaError | undefined {
    const { session, metrics } = this.#options;
    const key = keyOf(batch);
    const code = result?.errorCode;
    if (code === KafkaCode.NONE || code === KafkaCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#unacknowledged = this.#unacknowledged.filter((other) => other !== batch);
      this.#heldBytes -= batch.heldBytes;
      metrics.bytesOut.inc(batch.records.length);
      if (result !== undefined && result.baseOffset >= 0)
        session.reached(key, result.baseOffset + batch.recordCount);
      return undefined;
    }
    this.#leaders.delete(key);
    if (code === undefined) return new KafkaConnectionError(`The answer says nothing about ${key}.`);
    session.checkFenced(code);
    if (code === KafkaCode.MESSAGE_TOO_LARGE) {
      throw new KafkaRecordError(
        `A batch of ${batch.records.length} bytes is more than ${key} takes. Lower 'maxBatchBytes' of the sink; ` +
          "where a single record is so large, raise 'max.message.bytes' of the topic.",
        { details: { topic: batch.topic, partition: batch.partition, bytes: batch.records.length } },
      );
    }
    const problem = remoteError(`Writing to ${key}`, code, result?.errorMessage ?? '');
    if (isPassing(code)) return problem;
    throw problem;
  }
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}
