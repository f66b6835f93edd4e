import { keyGroupOf, subtaskOfKeyGroup } from '../state/key-groups.js';
import type { AnyKeySelector, Partitioning } from '../graph/stream-graph.js';
import type { Channel, ControlElement } from './channel.js';

/** Records that are collected for a channel before they are put into it as one batch. */
const BATCH_SIZE = 256;

/** Spreads one subtask's output over the channels of one edge. Control elements go to all of them, after the records. */
export class RecordWriter {
  readonly #channels: readonly Channel[];
  readonly #select: (value: unknown) => number;
  readonly #values: unknown[][];
  readonly #timestamps: number[][];

  constructor(channels: readonly Channel[], select: (value: unknown) => number) {
    this.#channels = channels;
    this.#select = select;
    this.#values = channels.map(() => []);
    this.#timestamps = channels.map(() => []);
  }

  get hasRoom(): boolean {
    for (const channel of this.#channels) if (!channel.hasRoom) return false;
    return true;
  }

  write(value: unknown, timestamp: number): void {
    const index = this.#select(value);
    const values = this.#values[index]!;
    values.push(value);
    this.#timestamps[index]!.push(timestamp);
    if (values.length >= BATCH_SIZE) this.#flushChannel(index);
  }

  broadcast(element: ControlElement): void {
    this.flush();
    for (const channel of this.#channels) channel.put(element);
  }

  flush(): void {
    for (let i = 0; i < this.#channels.length; i++) if (this.#values[i]!.length > 0) this.#flushChannel(i);
  }

  #flushChannel(index: number): void {
    this.#channels[index]!.put({
      type: 'records',
      values: this.#values[index]!,
      timestamps: this.#timestamps[index]!,
    });
    this.#values[index] = [];
    this.#timestamps[index] = [];
  }
}

/** Key groups of primitive keys are remembered up to this many keys. */
const KEY_CACHE_SIZE = 16_384;

/** Which of `channelCount` channels a record goes to. For `hash` that is the subtask that owns the key's group. */
export function channelSelector(
  partitioning: Partitioning,
  channelCount: number,
  maxParallelism: number,
): (value: unknown) => number {
  if (channelCount === 1) return () => 0;
  if (partitioning.type === 'hash')
    return hashSelector(partitioning.keySelector, channelCount, maxParallelism);
  let next = -1;
  return () => (next = next + 1 === channelCount ? 0 : next + 1);
}

function hashSelector(
  keySelector: AnyKeySelector,
  channelCount: number,
  maxParallelism: number,
): (value: unknown) => number {
  const cache = new Map<unknown, number>();
  return (value) => {
    const key = keySelector(value);
    let channel = cache.get(key);
    if (channel === undefined) {
      channel = subtaskOfKeyGroup(keyGroupOf(key, maxParallelism), channelCount, maxParallelism);
      if (typeof key !== 'object') {
        if (cache.size >= KEY_CACHE_SIZE) cache.clear();
        cache.set(key, channel);
      }
    }
    return channel;
  };
}
