import { createHash, type Hash } from 'node:crypto';
import type { HeldRow } from './sql-split.js';

/** A text that two rows share only if they are equal: same columns in the same order, same values. */
export function rowText(row: unknown): string {
  return JSON.stringify(row, exactValue);
}

// What JSON has no form for, or the form of something else. The zero byte keeps it apart from ordinary text.
function exactValue(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `\u0000${value}`;
  if (value instanceof Uint8Array) return `\u0000${Buffer.from(value).toString('base64')}`;
  if (typeof value === 'number' && !Number.isFinite(value)) return `\u0000${value}`;
  return value;
}

/** A digest over rows in their order, which can go on from where it is. */
export function newDigest(): Hash {
  return createHash('sha256');
}

export function addToDigest(digest: Hash, rows: readonly HeldRow[]): void {
  for (const row of rows) digest.update(rowText(row)).update('\n');
}

/** The digest so far, without ending it. */
export function digestSoFar(digest: Hash): string {
  return digest.copy().digest('hex');
}
