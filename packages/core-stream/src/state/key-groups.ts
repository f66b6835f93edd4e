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
  for (let i = 0; i < blocks; i += 4) {
    h = mixBlock(h, bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
  }
  let k = 0;
  const tail = length & 3;
  if (tail >= 3) k ^= bytes[blocks + 2]! << 16;
  if (tail >= 2) k ^= bytes[blocks + 1]! << 8;
  if (tail >= 1) k ^= bytes[blocks]!;
  return finish(h ^ scramble(k), length);
}

function scramble(k: number): number {
  k = Math.imul(k, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

function mixBlock(h: number, k: number): number {
  h ^= scramble(k);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

function finish(h: number, length: number): number {
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
  return hashOfKey(key) % maxParallelism;
}

/** Computed for every record that goes to another subtask: the usual keys are hashed without writing their bytes. */
function hashOfKey(key: unknown): number {
  if (typeof key === 'number' && (key | 0) === key) return hashOfInt32(key | 0);
  return (typeof key === 'string' ? hashOfLatin1(key) : undefined) ?? murmur3(encodeKey(key));
}

/** Of the tag 4 and the four bytes of `value`. */
function hashOfInt32(value: number): number {
  return finish(mixBlock(0, 4 | (value << 8)) ^ scramble(value >>> 24), 5);
}

/** Of the tag 7, the length in four bytes and a byte per character; `undefined` for text that has other bytes. */
function hashOfLatin1(text: string): number | undefined {
  const { length } = text;
  if (length >= 1 << 24) return undefined;
  let h = mixBlock(0, 7 | (length << 8));
  let units = 0;
  let k = 0; // the length's last byte, which is 0, then the characters
  let shift = 8;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    units |= unit;
    k |= unit << shift;
    if (shift === 24) {
      h = mixBlock(h, k);
      k = 0;
      shift = 0;
    } else shift += 8;
  }
  if (units > 0xff) return undefined;
  return finish(h ^ scramble(k), length + 5);
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
