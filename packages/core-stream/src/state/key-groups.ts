import { encodeKey } from './canonical-encoding.js';

/** The number of key groups unless told otherwise: the highest parallelism that a job can be rescaled to. */
export const DEFAULT_MAX_PARALLELISM = 128;

/** Subtask `i` of `p` owns the key groups `[ceil(i·max/p), ceil((i+1)·max/p))`, as in Flink. */
export interface KeyGroupRange {
  /** First key group. */
  readonly start: number;
  /** One past the last key group. */
  readonly end: number;
}

/** murmur3, 32 bits, seed 0 (Austin Appleby, public domain), of `bytes`; unsigned. */
export function murmur3(bytes: Uint8Array): number {
  const length = bytes.length;
  const blocks = length & ~3;
  let h = 0;
  let k: number;
  for (let i = 0; i < blocks; i += 4) {
    k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  k = 0;
  const tail = length & 3;
  if (tail >= 3) k ^= bytes[blocks + 2]! << 16;
  if (tail >= 2) k ^= bytes[blocks + 1]! << 8;
  if (tail >= 1) {
    k ^= bytes[blocks]!;
    k = Math.imul(k, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
  }
  h ^= length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

/** The key group of a key: `murmur3(canonical key bytes) mod maxParallelism`. */
export function keyGroupOf(key: unknown, maxParallelism: number): number {
  return murmur3(encodeKey(key)) % maxParallelism;
}

export function subtaskOfKeyGroup(keyGroup: number, parallelism: number, maxParallelism: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism);
}

export function keyGroupRangeOf(
  subtaskIndex: number,
  parallelism: number,
  maxParallelism: number,
): KeyGroupRange {
  return {
    start: Math.ceil((subtaskIndex * maxParallelism) / parallelism),
    end: Math.ceil(((subtaskIndex + 1) * maxParallelism) / parallelism),
  };
}
