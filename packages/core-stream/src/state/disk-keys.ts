/**
 * How the keys of a state store are laid out. All of them are ordered by their bytes.
 *
 * - rows: 1, table (2 bytes), key group (2 bytes), row id, or what stands for it where it is too long
 * - undo records: 2, checkpoint (6 bytes), writer (2 bytes), number (4 bytes)
 * - numbers of rows: 3, table (2 bytes), key group (2 bytes)
 * - facts about the store: 0, name
 *
 * Invariants
 * 1. Different rows have different keys.
 * 2. Rows of one key whose namespaces are pairs with the same first item follow each other, however long their ids are: the
 *    entries of a map are a range.
 */
import { createHash } from 'node:crypto';
import { encodeKeyPair } from './canonical-encoding.js';
import type { KeyGroupRange } from './key-groups.js';
import { decodeRowId } from './rows.js';

const FACT = 0;
const ROW = 1;
const UNDO = 2;
const COUNT = 3;

/** What LMDB takes with pages of 4 KiB. */
export const LONGEST_KEY = 1978;
const ROW_PREFIX = 5;
/** Begins what stands for bytes that are too long; nothing in the canonical encoding begins with it. */
const HASHED = 0xff;
const HASH_BYTES = 33;
/** A longer id is hashed, or a part of it: then the row's value has to hold it. */
export const LONGEST_ID = LONGEST_KEY - ROW_PREFIX - HASH_BYTES;

/** Keys from `start` on, before `end`. */
export interface KeyRange {
  readonly start: Buffer;
  readonly end: Buffer;
}

export function factKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(FACT), Buffer.from(name)]);
}

export function rowKey(table: number, keyGroup: number, id: Uint8Array): Buffer {
  return keyOf(table, keyGroup, id.length > LONGEST_ID ? shortened(id) : id);
}

/** All rows of some key groups. */
export function rowsOfTable(table: number, { start, end }: KeyGroupRange): KeyRange {
  return { start: keyOf(table, start, NOTHING), end: keyOf(table, end, NOTHING) };
}

/** The rows of `key`, which is in `keyGroup`, whose namespaces are pairs that begin with `first` (invariant 2). */
export function rowsOfPairs(table: number, keyGroup: number, key: unknown, first: unknown): KeyRange {
  const start = keyOf(table, keyGroup, hashedIfLong(beginOfPairs(key, first)));
  return { start, end: afterPrefix(start) };
}

const NOTHING = Buffer.alloc(0);

function keyOf(table: number, keyGroup: number, id: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(ROW_PREFIX + id.length);
  writePrefix(key, ROW, table, keyGroup);
  key.set(id, ROW_PREFIX);
  return key;
}

/** In two parts where rows that belong together have to stay together (invariant 2). */
function shortened(id: Uint8Array): Buffer {
  const { key, namespace } = decodeRowId(id);
  if (!Array.isArray(namespace) || namespace.length !== 2) return hash(id);
  const { length } = beginOfPairs(key, namespace[0]);
  const begin = hashedIfLong(id.subarray(0, length));
  const rest = id.subarray(length);
  return Buffer.concat([begin, begin.length === length ? hash(rest) : hashedIfLong(rest)]);
}

/** What the ids of all these rows begin with, and no others. */
function beginOfPairs(key: unknown, first: unknown): Buffer {
  return encodeKeyPair(key, [first, undefined]).subarray(0, -1);
}

function hashedIfLong(bytes: Uint8Array): Uint8Array {
  return bytes.length > LONGEST_ID ? hash(bytes) : bytes;
}

function hash(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(HASHED), createHash('sha256').update(bytes).digest()]);
}

export function countKey(table: number, keyGroup: number): Buffer {
  const key = Buffer.allocUnsafe(ROW_PREFIX);
  writePrefix(key, COUNT, table, keyGroup);
  return key;
}

function writePrefix(key: Buffer, kind: number, table: number, keyGroup: number): void {
  key[0] = kind;
  key[1] = table >>> 8;
  key[2] = table;
  key[3] = keyGroup >>> 8;
  key[4] = keyGroup;
}

export function isRowKey(key: Uint8Array): boolean {
  return key[0] === ROW;
}

export function tableOf(key: Uint8Array): number {
  return (key[1]! << 8) | key[2]!;
}

export function keyGroupOfRow(key: Uint8Array): number {
  return (key[3]! << 8) | key[4]!;
}

/** A view. Only of keys of ids that are not too long. */
export function idOf(key: Uint8Array): Uint8Array {
  return key.subarray(ROW_PREFIX);
}

/** Sorts before all undo records of the checkpoint and writer, or of the checkpoint. */
export function undoKey(checkpointId: number, writer = 0, number = 0): Buffer {
  const key = Buffer.allocUnsafe(13);
  key[0] = UNDO;
  key.writeUIntBE(checkpointId, 1, 6);
  key.writeUInt16BE(writer, 7);
  key.writeUInt32BE(number, 9);
  return key;
}

/** Sorts after all undo records. */
export const LAST_UNDO_KEY = Buffer.from([UNDO, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);

/** The least key that sorts after all that begin with `prefix`. */
export function afterPrefix(prefix: Uint8Array): Buffer {
  const end = Buffer.from(prefix);
  let last = end.length - 1;
  while (end[last] === 0xff) last--;
  end[last]!++;
  return end.subarray(0, last + 1);
}
