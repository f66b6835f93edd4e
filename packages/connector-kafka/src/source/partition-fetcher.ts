/**
 * Keeps the buffers of a reader's partitions filled: one loop per leader, each with one request under way, and one loop that
 * looks up leaders.
 *
 * Invariants
 * 1. A partition is fetched by one loop at a time, that of its leader.
 * 2. Nothing is fetched for a partition that is paused or has enough buffered, nor for any while `maxBufferedBytes` are: at
 *    most that, and one answer per leader, are held.
 * 3. A partition that cannot be fetched is tried again, ever more slowly, for `unavailableTimeoutMs`.
 * 4. Fetches name topics by their ids, where the broker knows them: nothing comes from a topic that was made anew under the
 *    same name, until its partition was looked up and went there, or failed.
 */
import { sleep } from '@millrace/core-stream';
import { KafkaConnectionError, KafkaError } from '../errors.js';
import type { BrokerAddress, TopicInfo } from '../protocol/cluster-apis.js';
import { backOffMs, unavailable, type KafkaClient } from '../protocol/kafka-client.js';
import { checkCode, isPassing, KafkaCode, remoteError } from '../protocol/kafka-codes.js';
import { byTopic, fetchRecords, fetchRecordsByName, type FetchedPartition } from '../protocol/read-apis.js';
import { isNothingLeft } from './compacted-end.js';
import type { FetchedSplit } from './fetched-split.js';
import { offsetInNewTopic, offsetInRange } from './offset-out-of-range.js';
import type { SourceMetrics } from './source-metrics.js';
import type { SourceSettings } from './source-settings.js';

/** How long a leader may wait for records while other partitions of it, left out, may soon have room. */
const SHORT_WAIT_MS = 20;

export interface PartitionFetcherOptions {
  readonly client: KafkaClient;
  readonly settings: SourceSettings;
  readonly metrics: SourceMetrics;
  /** Something was buffered, or reading has failed. */
  readonly onChange: () => void;
}

export class PartitionFetcher<T> {
  readonly splits = new Map<string, FetchedSplit<T>>();
  readonly #options: PartitionFetcherOptions;
  readonly #loops = new Map<number, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #routing: Promise<void> | undefined;
  failure: { readonly error: unknown } | undefined;

  constructor(options: PartitionFetcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#routing = this.#guard(() => this.#route());
  }

  add(split: FetchedSplit<T>): void {
    this.splits.set(split.split.splitId, split);
    this.wake();
  }

  /** There is room again, or something else to do. */
  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when no loop runs; the client is closed, or the job over, before. */
  async stopped(): Promise<void> {
    this.wake();
    await this.#routing;
    await Promise.all(this.#loops.values());
  }

  get #hasStopped(): boolean {
    return this.failure !== undefined || this.#options.client.context.signal.aborted;
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#stopWith(error);
    }
  }

  #stopWith(error: unknown): void {
    if (this.#hasStopped) return;
    this.failure = { error };
    this.wake();
    this.#options.onChange();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #route(): Promise<void> {
    const { client } = this.#options;
    const { clock, signal } = client.context;
    while (!this.#hasStopped) {
      const homeless = [...this.splits.values()].filter(({ leaderId }) => leaderId === undefined);
      if (homeless.length === 0) {
        await this.#changed();
        continue;
      }
      const failures = Math.max(...homeless.map((split) => split.failures));
      if (failures > 0) await sleep(clock, backOffMs(failures), signal); // invariant 3
      try {
        const { brokers, topics } = await client.metadata([
          ...new Set(homeless.map(({ split }) => split.topic)),
        ]);
        const byName = new Map(topics.map((topic) => [topic.name, topic]));
        for (const split of homeless) await this.#settle(split, byName.get(split.split.topic), brokers);
      } catch (error) {
        if (!KafkaError.is(error) || !error.retryable) throw error;
        for (const split of homeless) this.#fail(split, error);
      }
    }
  }

  async #settle(
    split: FetchedSplit<T>,
    found: TopicInfo | undefined,
    brokers: readonly BrokerAddress[],
  ): Promise<void> {
    const { topic, partition, splitId } = split.split;
    const leaderId = found?.partitions.find((info) => info.partition === partition)?.leaderId;
    const leader = brokers.find(({ nodeId }) => nodeId === leaderId);
    if (found === undefined || leader === undefined) {
      const code = found?.errorCode ?? KafkaCode.NONE;
      const problem =
        code === KafkaCode.NONE
          ? new KafkaConnectionError(`${splitId} has no leader.`)
          : remoteError(`Looking up the topic '${topic}'`, code);
      if (!problem.retryable) throw problem;
      this.#fail(split, problem);
      return;
    }
    const { topicId } = found;
    if (split.fetchTopicId === undefined) split.identify(topicId);
    else if (topicId !== undefined && split.fetchTopicId !== topicId) {
      const { client, settings } = this.#options;
      split.moveTo(topicId, await offsetInNewTopic(split, topicId, leader, settings, client)); // invariant 4
    }
    split.leaderId = leader.nodeId;
    this.wake();
    if (this.#loops.has(leader.nodeId)) return;
    const loop = this.#guard(() => this.#fetchFrom(leader)).finally(() => {
      if (this.#loops.get(leader.nodeId) === loop) this.#loops.delete(leader.nodeId);
    });
    this.#loops.set(leader.nodeId, loop);
  }

  /** The partition has to be looked up again. */
  #fail(split: FetchedSplit<T>, problem: KafkaError): void {
    const { client, metrics } = this.#options;
    const { clock, logger } = client.context;
    split.leaderId = undefined;
    split.failures++;
    split.failingSinceMs ??= clock.now();
    metrics.retries.inc();
    const elapsedMs = clock.now() - split.failingSinceMs;
    if (elapsedMs >= client.unavailableTimeoutMs) {
      this.#stopWith(unavailable(`Reading ${split.split.splitId}`, elapsedMs, problem));
    }
    logger.debug('a partition is looked up again', {
      partition: split.split.splitId,
      error: problem.message,
    });
    this.wake();
  }

  async #fetchFrom(leader: BrokerAddress): Promise<void> {
    let turn = 0;
    while (!this.#hasStopped) {
      const mine = [...this.splits.values()].filter(({ leaderId }) => leaderId === leader.nodeId);
      if (mine.length === 0) {
        this.#loops.delete(leader.nodeId); // at once: the next one found there begins a new loop (invariant 1)
        return;
      }
      const ready = this.#ready(mine);
      if (ready.length === 0) await this.#changed();
      else {
        // The first ones are served first: none of them is always the last.
        const first = turn++ % ready.length;
        const inTurn = [...ready.slice(first), ...ready.slice(0, first)];
        await this.#fetch(leader, inTurn, ready.length < mine.length);
      }
    }
  }

  /** Invariant 2. */
  #ready(mine: readonly FetchedSplit<T>[]): FetchedSplit<T>[] {
    const { maxPartitionBytes, maxBufferedBytes } = this.#options.settings.fetch;
    let buffered = 0;
    for (const { bufferedBytes } of this.splits.values()) buffered += bufferedBytes;
    return mine.filter((split) => {
      const hasRoom = buffered < maxBufferedBytes && split.bufferedBytes < maxPartitionBytes;
      if (hasRoom && !split.isPaused && !split.isFinished) return true;
      split.failingSinceMs = undefined; // it does not fail while it is not asked
      return false;
    });
  }

  async #fetch(leader: BrokerAddress, ready: readonly FetchedSplit<T>[], isPartial: boolean): Promise<void> {
    const { client, settings, metrics, onChange } = this.#options;
    const { maxWaitMs, minBytes, maxBytes, maxPartitionBytes } = settings.fetch;
    try {
      const hasIds =
        ready.every(({ fetchTopicId }) => fetchTopicId !== undefined) &&
        (await client.understands(leader, fetchRecords, 'fetch'));
      const asked = ready.map((split) => ({
        topic: hasIds ? split.fetchTopicId! : split.split.topic,
        partition: split.split.partition,
        offset: split.fetchOffset,
        maxBytes: maxPartitionBytes,
        split,
      }));
      const response = await client.request(
        leader,
        hasIds ? fetchRecords : fetchRecordsByName,
        {
          maxWaitMs: isPartial ? Math.min(maxWaitMs, SHORT_WAIT_MS) : maxWaitMs,
          minBytes,
          maxBytes,
          isReadCommitted: settings.isReadCommitted,
          topics: byTopic(asked).map(([topic, partitions]) => ({ topic, partitions })),
        },
        'fetch',
      );
      checkCode('Fetch', response.errorCode);
      metrics.fetches.inc();
      const byKey = new Map(asked.map((entry) => [keyOf(entry), entry]));
      for (const fetched of response.partitions) {
        const entry = byKey.get(keyOf(fetched));
        if (entry === undefined || !this.splits.has(entry.split.split.splitId)) continue;
        if (fetched.errorCode !== KafkaCode.NONE) {
          await this.#refused(entry.split, entry.offset, fetched.errorCode);
          continue;
        }
        entry.split.failures = 0;
        entry.split.failingSinceMs = undefined;
        const { split, offset } = entry;
        metrics.bytesIn.inc(split.receive(fetched, offset, settings.isReadCommitted));
        // The first one asked for has something if there is anything, unless a quota is used up.
        const isNothing = entry === asked[0] && response.throttleMs === 0 && fetched.records.length === 0;
        if (!isNothing || !split.isMissing(offset)) continue;
        const isEnd = await isNothingLeft(split, offset, leader, client);
        if (isEnd && split.isMissing(offset)) split.skipTo(split.split.stoppingOffset!);
      }
      onChange();
    } catch (error) {
      if (this.#hasStopped || !KafkaError.is(error) || !error.retryable) throw error;
      // The others are looked up again, too: the broker may have another address by now.
      for (const split of this.splits.values())
        if (split.leaderId === leader.nodeId) split.leaderId = undefined;
      for (const split of ready) this.#fail(split, error);
    }
  }

  async #refused(split: FetchedSplit<T>, asked: number, code: number): Promise<void> {
    const { client, settings } = this.#options;
    const { splitId } = split.split;
    if (code !== KafkaCode.OFFSET_OUT_OF_RANGE) {
      const problem = remoteError(`Fetching ${splitId}`, code);
      if (!isPassing(code)) throw problem;
      this.#fail(split, problem);
      return;
    }
    if (split.fetchOffset !== asked) return; // paused meanwhile: it is fetched from elsewhere
    const offset = await offsetInRange(split, settings, client);
    if (offset === undefined)
      this.#fail(split, remoteError(`Fetching ${splitId}`, KafkaCode.LEADER_NOT_AVAILABLE));
    else if (split.fetchOffset === asked) split.skipTo(offset);
  }
}

function keyOf({ topic, partition }: Pick<FetchedPartition, 'topic' | 'partition'>): string {
  return `${topic}-${partition}`;
}
