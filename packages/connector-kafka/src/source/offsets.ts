import { KafkaConfigError, KafkaConnectionError, KafkaOffsetError } from '../errors.js';
import type { BrokerAddress, TopicPartition } from '../protocol/cluster-apis.js';
import type { KafkaClient } from '../protocol/kafka-client.js';
import { checkCode } from '../protocol/kafka-codes.js';
import { EARLIEST, LATEST, listOffsets, offsetFetch } from '../protocol/read-apis.js';
import { splitIdOf } from './kafka-split.js';

/** By `topic-partition`, such as `orders-3`. */
export type OffsetsByPartition = Readonly<Record<string, number>>;

/**
 * Where partitions that have no position yet are read from. With `timestamp` at the first record at or after it, at the end
 * where there is none. `fallback` is for partitions that have no offset there; default `fail`.
 */
export type StartingOffsets =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly committedBy: string; readonly fallback?: 'earliest' | 'latest' | 'fail' }
  | { readonly offsets: OffsetsByPartition; readonly fallback?: 'earliest' | 'latest' | 'fail' };

/** Where bounded reading ends: before these offsets. `latest`: as they are when the job first starts. */
export type StoppingOffsets =
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly committedBy: string }
  | { readonly offsets: OffsetsByPartition };

/** Partitions of topics, and which broker leads each. */
export interface LedPartition extends TopicPartition {
  readonly leader: BrokerAddress | undefined;
}

/** Finds the offsets that a specification means for partitions. One attempt. */
export class OffsetResolver {
  readonly #client: KafkaClient;
  readonly #isReadCommitted: boolean;

  constructor(client: KafkaClient, isReadCommitted: boolean) {
    this.#client = client;
    this.#isReadCommitted = isReadCommitted;
  }

  /** @throws KafkaOffsetError where there is none and no fallback; KafkaError for what the brokers say */
  async resolve(
    option: 'startingOffsets' | 'stoppingOffsets',
    partitions: readonly LedPartition[],
    specification: StartingOffsets | StoppingOffsets,
  ): Promise<Map<string, number>> {
    if (specification === 'earliest') return this.#list(partitions, EARLIEST);
    if (specification === 'latest') return this.#list(partitions, LATEST);
    if ('timestamp' in specification) {
      const found = await this.#list(partitions, Number(specification.timestamp));
      return this.#fill(partitions, found, LATEST);
    }
    const found =
      'offsets' in specification
        ? given(partitions, specification.offsets)
        : await this.#committed(partitions, specification.committedBy);
    const fallback = 'fallback' in specification ? specification.fallback : 'fail';
    if (fallback === 'earliest') return this.#fill(partitions, found, EARLIEST);
    if (fallback === 'latest') return this.#fill(partitions, found, LATEST);
    const missing = partitions.map(splitIdOf).filter((id) => !found.has(id));
    if (missing.length === 0) return found;
    throw new KafkaOffsetError(
      `'${option}' has no offset for ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}. ` +
        (option === 'startingOffsets'
          ? "Give 'fallback': 'earliest' or 'latest', or the missing offsets."
          : 'Give the missing offsets.'),
      { details: { option, missing: missing.length } },
    );
  }

  async #fill(
    partitions: readonly LedPartition[],
    found: Map<string, number>,
    timestamp: number,
  ): Promise<Map<string, number>> {
    const missing = partitions.filter((partition) => !found.has(splitIdOf(partition)));
    if (missing.length === 0) return found;
    return new Map([...found, ...(await this.#list(missing, timestamp))]);
  }

  async #list(partitions: readonly LedPartition[], timestamp: number): Promise<Map<string, number>> {
    const byLeader = new Map<BrokerAddress, LedPartition[]>();
    for (const partition of partitions) {
      const { leader } = partition;
      if (leader === undefined) throw new KafkaConnectionError(`${splitIdOf(partition)} has no leader.`);
      const ofLeader = byLeader.get(leader);
      if (ofLeader === undefined) byLeader.set(leader, [partition]);
      else ofLeader.push(partition);
    }
    const lists = await Promise.all(
      Array.from(byLeader, ([leader, ofLeader]) =>
        this.#client.request(leader, listOffsets, {
          isReadCommitted: this.#isReadCommitted,
          partitions: ofLeader.map(({ topic, partition }) => ({ topic, partition, timestamp })),
        }),
      ),
    );
    const found = new Map<string, number>();
    for (const listed of lists.flat()) {
      checkCode(`Looking up an offset of ${splitIdOf(listed)}`, listed.errorCode);
      if (listed.offset >= 0) found.set(splitIdOf(listed), listed.offset);
    }
    return found;
  }

  async #committed(partitions: readonly TopicPartition[], groupId: string): Promise<Map<string, number>> {
    const { errorCode, offsets } = await this.#client.toCoordinator('group', groupId, offsetFetch, {
      groupId,
      partitions,
    });
    const codes = [errorCode, ...offsets.map((offset) => offset.errorCode)];
    for (const code of codes) {
      if (code !== 0) this.#client.forgetCoordinator('group', groupId);
      checkCode(`Looking up the offsets of the group '${groupId}'`, code);
    }
    return new Map(
      offsets.filter(({ offset }) => offset >= 0).map((offset) => [splitIdOf(offset), offset.offset]),
    );
  }
}

function given(partitions: readonly TopicPartition[], offsets: OffsetsByPartition): Map<string, number> {
  const found = new Map<string, number>();
  for (const partition of partitions) {
    const offset = offsets[splitIdOf(partition)];
    if (offset !== undefined) found.set(splitIdOf(partition), offset);
  }
  return found;
}

/** @throws KafkaConfigError */
export function checkOffsets(option: string, specification: StartingOffsets | StoppingOffsets): void {
  const problem = problemOf(option, specification);
  if (problem === undefined) return;
  throw new KafkaConfigError(`'${option}' ${problem}.`, { details: { option } });
}

function problemOf(option: string, specification: StartingOffsets | StoppingOffsets): string | undefined {
  if (specification === 'latest' || (specification === 'earliest' && option === 'startingOffsets'))
    return undefined;
  if (typeof specification !== 'object') return `is '${String(specification)}', which is none`;
  if ('timestamp' in specification) {
    return Number.isSafeInteger(Number(specification.timestamp))
      ? undefined
      : `has the timestamp ${String(specification.timestamp)}; it must be whole milliseconds`;
  }
  if ('committedBy' in specification)
    return specification.committedBy === '' ? 'has an empty group' : undefined;
  for (const [partition, offset] of Object.entries(specification.offsets)) {
    if (!/-\d+$/.test(partition))
      return `names '${partition}'; it must be 'topic-partition', such as 'orders-3'`;
    if (!Number.isSafeInteger(offset) || offset < 0) return `has ${offset} for '${partition}'`;
  }
  return undefined;
}
