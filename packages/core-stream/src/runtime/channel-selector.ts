/** Which subtask a record goes to, by partitioning; and which subtasks are connected at all. */
import { StreamRecordError } from '../errors.js';
import type { AnyKeySelector, Partitioning } from '../graph/stream-graph.js';
import type { Partitioner } from '../functions/functions.js';
import { keyIdentity } from '../state/canonical-encoding.js';
import { keyGroupOf, subtaskOfKeyGroup } from '../state/key-groups.js';

/** Gives the index of a channel, or says that every channel gets the record. */
export type ChannelSelector = ((value: unknown) => number) | 'all';

/** Key groups are remembered up to this many keys: telling keys apart is cheaper than hashing them. */
const KEY_CACHE_SIZE = 16_384;

export interface SelectorOptions {
  readonly channelCount: number;
  readonly subtaskIndex: number;
  readonly maxParallelism: number;
}

export function channelSelector(partitioning: Partitioning, options: SelectorOptions): ChannelSelector {
  const { channelCount, subtaskIndex, maxParallelism } = options;
  switch (partitioning.type) {
    case 'broadcast':
      return 'all';
    case 'custom':
      return customSelector(partitioning.partitioner, partitioning.keySelector, channelCount);
    case 'hash':
      if (channelCount === 1) return () => 0;
      return hashSelector(partitioning.keySelector, channelCount, maxParallelism);
    case 'shuffle':
      return shuffleSelector(channelCount, subtaskIndex);
    case 'rebalance':
    case 'rescale': {
      let next = subtaskIndex % channelCount; // not all of them begin with the same subtask
      return () => {
        const index = next;
        next = index + 1 === channelCount ? 0 : index + 1;
        return index;
      };
    }
    case 'forward':
    case 'global':
      return () => 0;
  }
}

/** Whether subtask `from` of `sources` has a channel to subtask `to` of `targets`. */
export function isConnected(
  partitioning: Partitioning,
  from: number,
  sources: number,
  to: number,
  targets: number,
): boolean {
  if (partitioning.type === 'forward') return from === to;
  if (partitioning.type !== 'rescale') return true;
  // Flink's pointwise pattern: each subtask of the larger side belongs to one of the smaller side.
  return sources <= targets
    ? Math.floor((to * sources) / targets) === from
    : Math.floor((from * targets) / sources) === to;
}

function customSelector(
  partitioner: Partitioner<unknown>,
  keySelector: AnyKeySelector,
  channelCount: number,
): ChannelSelector {
  return (value) => {
    const index = partitioner(keySelector(value), channelCount);
    if (Number.isInteger(index) && index >= 0 && index < channelCount) return index;
    throw new StreamRecordError(
      `The custom partitioner gave ${String(index)}: it has to give a whole number from 0 to ${channelCount - 1}`,
    );
  };
}

function hashSelector(
  keySelector: AnyKeySelector,
  channelCount: number,
  maxParallelism: number,
): ChannelSelector {
  const cache = new Map<unknown, number>();
  return (value) => {
    const key = keySelector(value);
    const identity = keyIdentity(key);
    let channel = cache.get(identity);
    if (channel === undefined) {
      channel = subtaskOfKeyGroup(keyGroupOf(key, maxParallelism), channelCount, maxParallelism);
      if (cache.size >= KEY_CACHE_SIZE) cache.clear();
      cache.set(identity, channel);
    }
    return channel;
  };
}

/** A small generator of its own (mulberry32): the engine has no other randomness, and a run can be repeated. */
function shuffleSelector(channelCount: number, seed: number): ChannelSelector {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % channelCount;
  };
}
