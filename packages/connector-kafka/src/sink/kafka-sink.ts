import type { Committer, CommitterContext, Sink, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import { KafkaConfigError } from '../errors.js';
import { checkCompression, type KafkaCompression } from '../protocol/compression.js';
import {
  bootstrapAddresses,
  positiveInteger,
  type KafkaConnectionOptions,
} from '../protocol/connection-options.js';
import { KafkaCommitter } from './kafka-committer.js';
import type { PrepareContext } from '../prepare-context.js';
import type { KafkaSerializer, SerializeRecord } from './kafka-serializers.js';
import { KafkaWriter } from './kafka-writer.js';
import type { KafkaCommittable } from './producer-session.js';
import type { SinkSettings } from './sink-settings.js';
import { TransactionalIds } from './transactional-ids.js';
import { writeOnce } from './write-once.js';

/** What a reader of the topic sees of a job that was killed and has gone on. */
export type DeliveryGuarantee = 'at-least-once' | 'exactly-once';

/** Options of {@link KafkaSink}. */
export interface KafkaSinkOptions<T> extends KafkaConnectionOptions {
  readonly serializer: KafkaSerializer<T>;
  /**
   * `exactly-once`: one transaction per checkpoint and subtask; consumers with `read_committed` see its records when the
   * checkpoint is complete, each once. `at-least-once`: records are visible at once, and again after a failure. Default
   * `at-least-once`.
   */
  readonly deliveryGuarantee?: DeliveryGuarantee;
  /** Required with `exactly-once`: begins the names of this sink's transactions. No other sink on the cluster may have it. */
  readonly transactionalIdPrefix?: string;
  /**
   * How long a transaction may be open: from the first record of a checkpoint until its commit, restarts included. After that
   * the broker aborts it, and its records are lost. Default 900,000, the most that brokers allow by default.
   */
  readonly transactionTimeoutMs?: number;
  /** Default `none`. */
  readonly compression?: KafkaCompression;
  /** Of a batch, before compression. Default 524,288; brokers take 1 MiB by default. */
  readonly maxBatchBytes?: number;
  /** What a round of requests sends, and one batch more. Default 4 MiB. */
  readonly maxRequestBytes?: number;
  /** What a subtask holds before it stops its input. Default 16 MiB. */
  readonly maxBufferedBytes?: number;
}

/**
 * Writes a stream to Kafka topics: idempotent, and with `exactly-once` in transactions that are bound to checkpoints.
 *
 * @example
 * orders.sinkTo(
 *   new KafkaSink({
 *     bootstrapServers: 'localhost:9092',
 *     deliveryGuarantee: 'exactly-once',
 *     transactionalIdPrefix: 'orders-by-region',
 *     serializer: jsonSerializer<Order>({ topic: 'orders', key: (order) => order.id }),
 *   }),
 * );
 * @throws KafkaConfigError
 */
export class KafkaSink<T> implements Sink<T, KafkaCommittable, never> {
  /** Not there with `at-least-once`: nothing is to be committed. */
  readonly createCommitter?: (context: CommitterContext) => Committer<KafkaCommittable, never>;
  readonly #settings: SinkSettings;
  readonly #serializer: KafkaSerializer<T>;

  constructor(options: KafkaSinkOptions<T>) {
    bootstrapAddresses(options.bootstrapServers);
    const { deliveryGuarantee = 'at-least-once', compression = 'none' } = options;
    checkCompression(compression);
    const transactionalIdPrefix = prefixOf(deliveryGuarantee, options.transactionalIdPrefix);
    const settings = {
      connection: options,
      transactionalIds: new TransactionalIds(),
      transactionTimeoutMs: positiveInteger('transactionTimeoutMs', options.transactionTimeoutMs ?? 900_000),
      sending: {
        compression,
        maxBatchBytes: positiveInteger('maxBatchBytes', options.maxBatchBytes ?? 512 * 1024),
        maxRequestBytes: positiveInteger('maxRequestBytes', options.maxRequestBytes ?? 4 * 1024 * 1024),
        maxBufferedBytes: positiveInteger('maxBufferedBytes', options.maxBufferedBytes ?? 16 * 1024 * 1024),
        requestTimeoutMs: positiveInteger('requestTimeoutMs', options.requestTimeoutMs ?? 30_000),
      },
    };
    this.#settings = { ...settings, transactionalIdPrefix };
    this.#serializer = options.serializer;
    if (transactionalIdPrefix !== undefined) {
      this.createCommitter = (context) => new KafkaCommitter({ ...settings, transactionalIdPrefix }, context);
    }
  }

  async createWriter(context: SinkWriterContext): Promise<SinkWriter<T, KafkaCommittable, never>> {
    return new KafkaWriter(this.#settings, await this.#serialize(context), context);
  }

  /**
   * Writes records in a transaction of their own, and commits it, unless that was done before under the same `name`: also by
   * a process that has died. For committers that have something to write; with `exactly-once`. Brokers remember names for
   * `transactional.id.expiration.ms`.
   * @throws KafkaConfigError, KafkaConnectionError, KafkaRemoteError, KafkaFencedError
   */
  async writeOnce(name: string, values: readonly T[], context: CommitterContext): Promise<void> {
    const prefix = prefixOf('exactly-once', this.#settings.transactionalIdPrefix);
    const settings = { ...this.#settings, transactionalId: `${prefix}-${name}` };
    await writeOnce(settings, await this.#serialize({ ...context, subtaskIndex: 0 }), values, context);
  }

  async #serialize(context: PrepareContext): Promise<SerializeRecord<T>> {
    const serializer = this.#serializer;
    return typeof serializer === 'function' ? serializer : serializer.prepare(context);
  }
}

function prefixOf(guarantee: DeliveryGuarantee, prefix: string | undefined): string | undefined {
  if (guarantee === 'at-least-once') return undefined;
  if ((guarantee as string) !== 'exactly-once') {
    throw new KafkaConfigError(
      `'deliveryGuarantee' is '${guarantee as string}'; it must be 'at-least-once' or 'exactly-once'.`,
    );
  }
  if (typeof prefix === 'string' && /^[\w.-]+$/.test(prefix)) return prefix;
  throw new KafkaConfigError(
    `'transactionalIdPrefix' is ${JSON.stringify(prefix)}; 'exactly-once' needs one of letters, digits, '.', '_' and '-' ` +
      'that no other sink on the cluster has.',
  );
}
