/**
 * Reads the partitions of one subtask: `PartitionFetcher` fills their buffers, `pollNext` empties them in turn.
 *
 * Invariants
 * 1. The state has, of every partition that is not finished, the offset after the last emitted record.
 * 2. Records fetched before a failure are emitted before the failure is raised.
 * 3. Every partition has an output, and so holds the watermark back, before the first record of any is emitted.
 */
import type { PollStatus, ReaderOutput, SourceReader, SourceReaderContext } from '@millrace/core-stream';
import { KafkaClient } from '../protocol/kafka-client.js';
import { FetchedSplit } from './fetched-split.js';
import type { KafkaDeserializer } from './kafka-deserializers.js';
import type { KafkaSplit } from './kafka-split.js';
import { OffsetCommitter } from './offset-committer.js';
import { PartitionFetcher } from './partition-fetcher.js';
import { RecordDecoder, type OnInvalidRecord } from './record-decoder.js';
import { createSourceMetrics, type SourceMetrics } from './source-metrics.js';
import type { SourceSettings } from './source-settings.js';

export interface KafkaReaderOptions<T> {
  readonly settings: SourceSettings;
  readonly deserializer: KafkaDeserializer<T>;
  readonly onInvalidRecord: OnInvalidRecord<T>;
}

export class KafkaReader<T> implements SourceReader<T, KafkaSplit> {
  readonly #options: KafkaReaderOptions<T>;
  readonly #context: SourceReaderContext;
  readonly #client: KafkaClient;
  readonly #fetcher: PartitionFetcher<T>;
  readonly #metrics: SourceMetrics;
  readonly #offsets: OffsetCommitter | undefined;
  readonly #stop = new AbortController();
  /** In the order in which they are emptied. */
  #turn: FetchedSplit<T>[] = [];
  #decoder: RecordDecoder<T> | undefined;
  #preparing: Promise<void> | undefined;
  #noMoreSplits = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(options: KafkaReaderOptions<T>, context: SourceReaderContext) {
    const { settings } = options;
    const { clock, logger } = context;
    this.#options = options;
    this.#context = context;
    const signal = AbortSignal.any([context.signal, this.#stop.signal]);
    this.#client = new KafkaClient(settings.connection, { clock, logger, signal });
    this.#metrics = createSourceMetrics(context.metrics);
    this.#fetcher = new PartitionFetcher({
      client: this.#client,
      settings,
      metrics: this.#metrics,
      onChange: () => this.#changed(),
    });
    if (settings.groupId !== undefined) this.#offsets = new OffsetCommitter(this.#client, settings.groupId);
  }

  start(): void {
    this.#preparing = this.#prepare();
  }

  addSplits(splits: readonly KafkaSplit[]): void {
    for (const split of splits) {
      const fetched = new FetchedSplit<T>(split);
      this.#turn.push(fetched);
      this.#fetcher.add(fetched);
      this.#metrics.lag(split.splitId, () => fetched.lag);
    }
    this.#changed();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#changed();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    for (const split of this.#turn) split.output ??= output.forSplit(split.split.splitId); // invariant 3
    if (this.#decoder !== undefined) {
      let room = maxRecords;
      for (let left = this.#turn.length; left > 0 && room > 0; left--) {
        const split = this.#turn.shift()!;
        if (!split.isPaused) room -= this.#emit(split, room, this.#decoder);
        if (split.isFinished) this.#finish(split, output);
        else this.#turn.push(split);
      }
      this.#fetcher.wake();
      if (this.#turn.some((split) => split.hasBuffered && !split.isPaused)) return 'more';
    }
    this.#throwFailure(); // invariant 2
    return this.#noMoreSplits && this.#turn.length === 0 ? 'end' : 'wait';
  }

  async isAvailable(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#decoder !== undefined && this.#turn.some((split) => !split.isPaused && isReady(split)))
        return;
      if (this.#noMoreSplits && this.#turn.length === 0) return;
      this.#throwFailure();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  pauseOrResumeSplits(toPause: readonly string[], toResume: readonly string[]): void {
    for (const splitId of toPause) {
      const split = this.#fetcher.splits.get(splitId);
      if (split === undefined) continue;
      split.isPaused = true;
      split.failingSinceMs = undefined;
      split.rewind(); // what it has buffered must not keep those from being fetched that it waits for
    }
    for (const splitId of toResume) {
      const split = this.#fetcher.splits.get(splitId);
      if (split !== undefined) split.isPaused = false;
    }
    this.#fetcher.wake();
    this.#changed();
  }

  snapshotState(checkpointId: number): KafkaSplit[] {
    const splits = this.#turn.map((split) => split.snapshot()); // invariant 1
    this.#offsets?.snapshot(checkpointId, splits);
    return splits;
  }

  notifyCheckpointComplete(checkpointId: number): void {
    this.#offsets?.complete(checkpointId);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#changed();
    this.#client.close();
    await this.#preparing;
    await this.#fetcher.stopped();
  }

  /** Never rejects. */
  async #prepare(): Promise<void> {
    const { deserializer, onInvalidRecord } = this.#options;
    try {
      const deserialize =
        typeof deserializer === 'function' ? deserializer : await deserializer.prepare(this.#context);
      this.#decoder = new RecordDecoder(deserialize, onInvalidRecord, this.#context.metrics);
      this.#fetcher.start();
    } catch (error) {
      this.#failure = { error };
    }
    this.#changed();
  }

  #emit(split: FetchedSplit<T>, room: number, decoder: RecordDecoder<T>): number {
    const output = split.output!;
    let emitted = 0;
    while (emitted < room) {
      const cursor = split.next();
      if (cursor === undefined) break;
      decoder.decode(split.split, cursor, output);
      emitted++;
    }
    return emitted;
  }

  #finish(split: FetchedSplit<T>, output: ReaderOutput<T>): void {
    this.#fetcher.splits.delete(split.split.splitId);
    output.releaseSplit(split.split.splitId);
  }

  #throwFailure(): void {
    const failure = this.#failure ?? this.#fetcher.failure;
    if (failure !== undefined) throw failure.error;
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function isReady(split: FetchedSplit<never>): boolean {
  return split.hasBuffered || split.isFinished || split.output === undefined;
}
