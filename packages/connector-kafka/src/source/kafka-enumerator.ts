/**
 * Finds partitions and hands each to the reader whose it is.
 *
 * Invariants
 * 1. A partition gets its position once, when it is found; from then on it is in a reader's state or among the pending.
 * 2. Partitions that are found later than the others are read from their first record: none of it was there before.
 * 3. Bounded, the set of partitions and their ends are those of the job's first start.
 */
import type { SplitEnumerator, SplitEnumeratorContext } from '@millrace/core-stream';
import { KafkaClient } from '../protocol/kafka-client.js';
import { checkCode } from '../protocol/kafka-codes.js';
import { ownerOf, splitIdOf, type KafkaSplit } from './kafka-split.js';
import { OffsetResolver, type LedPartition } from './offsets.js';
import type { SourceSettings } from './source-settings.js';

/** What a checkpoint stores of the enumerator. Plain data. */
export interface KafkaEnumeratorState {
  readonly format: 1;
  /** Whether partitions have been looked for: what is found from then on is new. */
  readonly hasDiscovered: boolean;
  /** Every partition that was ever found. */
  readonly known: readonly string[];
  /** Those that no reader has. */
  readonly pending: readonly KafkaSplit[];
}

interface FoundPartition extends LedPartition {
  readonly topicId: string | undefined;
}

export class KafkaEnumerator implements SplitEnumerator<KafkaSplit, KafkaEnumeratorState> {
  readonly #settings: SourceSettings;
  readonly #context: SplitEnumeratorContext<KafkaSplit>;
  readonly #client: KafkaClient;
  readonly #known: Set<string>;
  #pending: KafkaSplit[];
  #hasDiscovered: boolean;
  #hasStarted = false;

  constructor(
    settings: SourceSettings,
    context: SplitEnumeratorContext<KafkaSplit>,
    restored: KafkaEnumeratorState | undefined,
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#client = new KafkaClient(settings.connection, context);
    this.#known = new Set(restored?.known);
    this.#pending = [...(restored?.pending ?? [])];
    this.#hasDiscovered = restored?.hasDiscovered ?? false;
  }

  start(): void {
    this.#hasStarted = true;
    const { stoppingOffsets, partitionDiscoveryIntervalMs: periodMs } = this.#settings;
    const isBounded = stoppingOffsets !== undefined;
    this.#distribute();
    if (isBounded && this.#hasDiscovered) return; // invariant 3
    this.#context.callAsync(
      () => this.#client.retrying('Looking for partitions', () => this.#discover()),
      (found) => this.#add(found),
      isBounded || periodMs === undefined ? {} : { periodMs },
    );
  }

  /** Partitions are not asked for: each has its reader. */
  handleSplitRequest(): void {}

  addSplitsBack(splits: readonly KafkaSplit[]): void {
    this.#pending.push(...splits);
    this.#distribute();
  }

  snapshotState(): KafkaEnumeratorState {
    return {
      format: 1,
      hasDiscovered: this.#hasDiscovered,
      known: [...this.#known],
      pending: [...this.#pending],
    };
  }

  close(): void {
    this.#client.close();
  }

  #distribute(): void {
    if (!this.#hasStarted) return;
    const { parallelism } = this.#context;
    for (const split of this.#pending) this.#context.assignSplit(split, ownerOf(split, parallelism));
    this.#pending = [];
    if (this.#settings.stoppingOffsets === undefined || !this.#hasDiscovered) return;
    for (let index = 0; index < parallelism; index++) this.#context.signalNoMoreSplits(index);
  }

  #add(found: readonly KafkaSplit[]): void {
    for (const split of found) this.#known.add(split.splitId);
    this.#pending.push(...found);
    if (found.length > 0) {
      this.#context.logger.info('partitions were found', { count: found.length, first: found[0]!.splitId });
    }
    this.#hasDiscovered = true;
    this.#distribute();
  }

  /** One attempt: partitions that are not known yet, with their positions (invariant 1). */
  async #discover(): Promise<KafkaSplit[]> {
    const { startingOffsets, stoppingOffsets, isReadCommitted } = this.#settings;
    const partitions = (await this.#list()).filter((partition) => !this.#known.has(splitIdOf(partition)));
    if (partitions.length === 0) return [];
    const resolver = new OffsetResolver(this.#client, isReadCommitted);
    const from = this.#hasDiscovered ? 'earliest' : startingOffsets; // invariant 2
    const starts = await resolver.resolve('startingOffsets', partitions, from);
    const stops = stoppingOffsets && (await resolver.resolve('stoppingOffsets', partitions, stoppingOffsets));
    return partitions.map((found) => {
      const { topic, partition, topicId } = found;
      const splitId = splitIdOf(found);
      const identity = { splitId, topic, partition, ...(topicId !== undefined && { topicId }) };
      const split = { ...identity, offset: starts.get(splitId)! };
      return stops === undefined ? split : { ...split, stoppingOffset: stops.get(splitId)! };
    });
  }

  async #list(): Promise<FoundPartition[]> {
    const { topics: wanted } = this.#settings;
    const { brokers, topics } = await this.#client.metadata(wanted instanceof RegExp ? null : wanted);
    const byId = new Map(brokers.map((broker) => [broker.nodeId, broker]));
    const partitions: FoundPartition[] = [];
    for (const { name, topicId, errorCode, isInternal, partitions: ofTopic } of topics) {
      if (wanted instanceof RegExp && (isInternal || !wanted.test(name))) continue;
      checkCode(`Looking up the topic '${name}'`, errorCode);
      for (const { partition, leaderId } of ofTopic) {
        partitions.push({ topic: name, topicId, partition, leader: byId.get(leaderId) });
      }
    }
    return partitions;
  }
}
