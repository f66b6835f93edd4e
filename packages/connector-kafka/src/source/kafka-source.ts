import type {
  Boundedness,
  OutputTag,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import { KafkaConfigError } from '../errors.js';
import {
  bootstrapAddresses,
  positiveInteger,
  type KafkaConnectionOptions,
} from '../protocol/connection-options.js';
import type { KafkaDeserializer } from './kafka-deserializers.js';
import { KafkaEnumerator, type KafkaEnumeratorState } from './kafka-enumerator.js';
import { KafkaReader } from './kafka-reader.js';
import type { KafkaSplit } from './kafka-split.js';
import { checkOffsets, type StartingOffsets, type StoppingOffsets } from './offsets.js';
import { sideOutputsOf, type OnInvalidRecord } from './record-decoder.js';
import type { SourceSettings } from './source-settings.js';

/** Options of {@link KafkaSource}. */
export interface KafkaSourceOptions<T> extends KafkaConnectionOptions {
  /** Names, or a pattern of names; with a pattern, topics that come later are read too. Kafka's internal ones never match. */
  readonly topics: string | readonly string[] | RegExp;
  readonly deserializer: KafkaDeserializer<T>;
  /** Where a new job begins; a restored one goes on where its checkpoint was. Default `earliest`. */
  readonly startingOffsets?: StartingOffsets;
  /** Makes the source bounded: the job ends when every partition is read up to there. */
  readonly stoppingOffsets?: StoppingOffsets;
  /**
   * `read_committed` waits for open transactions, and leaves out what was aborted; `read_uncommitted` takes everything.
   * Default `read_committed`.
   */
  readonly isolationLevel?: 'read_committed' | 'read_uncommitted';
  /** How often new partitions and topics are looked for; `false`: once. Default 300,000. Bounded sources look once. */
  readonly partitionDiscoveryIntervalMs?: number | false;
  /** A consumer group that is told the offsets of complete checkpoints, for monitoring. The job does not read them. */
  readonly groupId?: string;
  /**
   * When the offset to go on from is not in the log, or the topic was deleted and made anew: stop, or go on with what there is.
   * A bounded source always stops in a new topic. Default `fail`.
   */
  readonly onOffsetOutOfRange?: 'fail' | 'earliest' | 'latest';
  /** What becomes of a record that the deserializer throws at. Default `fail`. */
  readonly onInvalidRecord?: OnInvalidRecord<T>;
  /** How long a broker waits for records before it answers that there are none. Default 500. */
  readonly fetchMaxWaitMs?: number;
  /** Default 1. */
  readonly fetchMinBytes?: number;
  /** Of an answer; a single batch may be larger. Default 16 MiB. */
  readonly fetchMaxBytes?: number;
  /** Of one partition in an answer, and what is buffered of it before it is not fetched. Default 1 MiB. */
  readonly maxPartitionFetchBytes?: number;
  /** What a subtask buffers of all its partitions before it stops fetching. Default 32 MiB. */
  readonly maxBufferedBytes?: number;
}

/**
 * Reads Kafka topics: partitions are splits, positions are part of checkpoints, each partition has its watermark.
 *
 * @example
 * const orders = new KafkaSource({
 *   bootstrapServers: 'localhost:9092',
 *   topics: 'orders',
 *   deserializer: jsonDeserializer(z.object({ id: z.string(), amount: z.number() })),
 * });
 * env.fromSource(orders, WatermarkStrategy.forBoundedOutOfOrderness(5_000), 'orders');
 * @throws KafkaConfigError
 */
export class KafkaSource<T> implements Source<T, KafkaSplit, KafkaEnumeratorState> {
  readonly boundedness: Boundedness;
  readonly sideOutputs: readonly OutputTag<unknown>[];
  readonly #settings: SourceSettings;
  readonly #deserializer: KafkaDeserializer<T>;
  readonly #onInvalidRecord: OnInvalidRecord<T>;

  constructor(options: KafkaSourceOptions<T>) {
    bootstrapAddresses(options.bootstrapServers);
    const { startingOffsets = 'earliest', stoppingOffsets, isolationLevel = 'read_committed' } = options;
    checkOffsets('startingOffsets', startingOffsets);
    if (stoppingOffsets !== undefined) checkOffsets('stoppingOffsets', stoppingOffsets);
    const { fetchMaxWaitMs = 500, requestTimeoutMs = 30_000 } = options;
    if (fetchMaxWaitMs >= requestTimeoutMs) {
      throw new KafkaConfigError(
        `'fetchMaxWaitMs' is ${fetchMaxWaitMs}, but after ${requestTimeoutMs} ms ('requestTimeoutMs') a connection is given up; it must be less.`,
      );
    }
    const intervalMs = options.partitionDiscoveryIntervalMs ?? 300_000;
    this.boundedness = stoppingOffsets === undefined ? 'unbounded' : 'bounded';
    this.#deserializer = options.deserializer;
    this.#onInvalidRecord = options.onInvalidRecord ?? 'fail';
    this.sideOutputs = sideOutputsOf(this.#onInvalidRecord);
    this.#settings = {
      connection: options,
      topics: topicsOf(options.topics),
      startingOffsets,
      stoppingOffsets,
      isReadCommitted:
        oneOf('isolationLevel', isolationLevel, ['read_committed', 'read_uncommitted']) === 'read_committed',
      partitionDiscoveryIntervalMs:
        intervalMs === false ? undefined : positiveInteger('partitionDiscoveryIntervalMs', intervalMs),
      groupId: options.groupId,
      onOffsetOutOfRange: oneOf('onOffsetOutOfRange', options.onOffsetOutOfRange ?? 'fail', [
        'fail',
        'earliest',
        'latest',
      ]),
      fetch: {
        maxWaitMs: positiveInteger('fetchMaxWaitMs', fetchMaxWaitMs),
        minBytes: positiveInteger('fetchMinBytes', options.fetchMinBytes ?? 1),
        maxBytes: positiveInteger('fetchMaxBytes', options.fetchMaxBytes ?? 16 * 1024 * 1024),
        maxPartitionBytes: positiveInteger(
          'maxPartitionFetchBytes',
          options.maxPartitionFetchBytes ?? 1024 * 1024,
        ),
        maxBufferedBytes: positiveInteger('maxBufferedBytes', options.maxBufferedBytes ?? 32 * 1024 * 1024),
      },
    };
  }

  createEnumerator(
    context: SplitEnumeratorContext<KafkaSplit>,
    restored?: KafkaEnumeratorState,
  ): SplitEnumerator<KafkaSplit, KafkaEnumeratorState> {
    return new KafkaEnumerator(this.#settings, context, restored);
  }

  createReader(context: SourceReaderContext): SourceReader<T, KafkaSplit> {
    const options = {
      settings: this.#settings,
      deserializer: this.#deserializer,
      onInvalidRecord: this.#onInvalidRecord,
    };
    return new KafkaReader(options, context);
  }
}

function topicsOf(topics: string | readonly string[] | RegExp): readonly string[] | RegExp {
  // A pattern that remembers where it was would miss every other topic.
  if (topics instanceof RegExp) return new RegExp(topics.source, topics.flags.replace(/[gy]/g, ''));
  const names = [...new Set(typeof topics === 'string' ? [topics] : topics)];
  if (names.length > 0 && names.every((name) => /^[\w.-]{1,249}$/.test(name))) return names;
  throw new KafkaConfigError(
    `'topics' is ${JSON.stringify(names)}; it must be at least one name of letters, digits, '.', '_' and '-', or a RegExp.`,
  );
}

function oneOf<V extends string>(option: string, value: V, known: readonly V[]): V {
  if (known.includes(value)) return value;
  throw new KafkaConfigError(`'${option}' is '${value}'; it must be one of ${known.join(', ')}.`, {
    details: { option },
  });
}
