/**
 * How the keys of a state store are laid out. All of them are ordered by their bytes.
 *
 * - rows: 1, table (2 bytes), key group (2 bytes), row id
 * - undo records: 2, checkpoint (6 bytes), writer (2 bytes), number (4 bytes)
 * - numbers of rows: 3, table (2 bytes), key group (2 bytes)
 * - facts about the store: 0, name
 */
import { createHash } from 'node:crypto';

const FACT = 0;
const ROW = 1;
const UNDO = 2;
const COUNT = 3;

/** What LMDB takes with pages of 4 KiB. */
export const LONGEST_KEY = 1978;
const ROW_PREFIX = 5;
/** No row id begins with it: an id is an array in the canonical encoding. */
const HASHED = 0xff;

export function factKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(FACT), Buffer.from(name)]);
}

/** The key of a row. An id that is too long is hashed: then the row's value has to hold it. */
export function rowKey(table: number, keyGroup: number, id: Uint8Array): Buffer {
  const isLong = ROW_PREFIX + id.length > LONGEST_KEY;
  const key = Buffer.allocUnsafe(isLong ? ROW_PREFIX + 1 + 32 : ROW_PREFIX + id.length);
  writePrefix(key, ROW, table, keyGroup);
  if (isLong) {
    key[ROW_PREFIX] = HASHED;
    createHash('sha256')
      .update(id)
      .digest()
      .copy(key, ROW_PREFIX + 1);
  } else key.set(id, ROW_PREFIX);
  return key;
}

/** Sorts before all rows of `keyGroup`, and after all those of the key groups before it. */
export function firstRowKey(table: number, keyGroup: number): Buffer {
  const key = Buffer.allocUnsafe(ROW_PREFIX);
  writePrefix(key, ROW, table, keyGroup);
  return key;
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

export function isHashed(key: Uint8Array): boolean {
  return key[ROW_PREFIX] === HASHED;
}

export function tableOf(key: Uint8Array): number {
  return (key[1]! << 8) | key[2]!;
}

export function keyGroupOfRow(key: Uint8Array): number {
  return (key[3]! << 8) | key[4]!;
}

/** A view. Only of keys that are not hashed. */
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
