import { createHash } from 'node:crypto';
import type { SourceSplit } from '@millrace/core-stream';
import { DruidSourceConfigError } from '../errors.js';
import type { TimeRange } from '../druid-split.js';

/** A row between Druid and the stream: plain data, so that it can go into a checkpoint. */
export type HeldRow = Readonly<Record<string, unknown>>;

/** One run of the statement and how far its rows were emitted. Plain data: this is what a checkpoint stores. */
export interface SqlSplit extends SourceSplit {
  /** What the statement is asked for; null for a statement without a range. */
  readonly range: TimeRange | null;
  /** Fingerprint of the statement's text and what goes with it. */
  readonly query: string;
  /** Rows emitted so far. */
  readonly position: number;
  /** With `order: 'total'`: digest of the rows emitted so far, which a repetition must yield again. */
  readonly digest: string | null;
  /** Rows that the reader keeps: those still to emit (`order: 'any'`), or those emitted last (changes). */
  readonly rows: readonly HeldRow[] | null;
}

/** What a checkpoint stores of the enumerator. Plain data. */
export interface SqlEnumeratorState {
  readonly format: 1;
  readonly query: string;
  /** Where the next range begins (epoch milliseconds); a statement without a range: 1 once it was handed out. */
  readonly position: number;
  /** Splits that no reader has. */
  readonly returned: readonly SqlSplit[];
}

export function newSplit(range: TimeRange | null, query: string): SqlSplit {
  const splitId =
    range === null
      ? 'statement'
      : `${new Date(range.startMs).toISOString()}/${new Date(range.endMs).toISOString()}`;
  return { splitId, range, query, position: 0, digest: null, rows: null };
}

/** Earlier ranges first: they are handed out and read in this order. */
export function rangesByTime(splits: readonly SqlSplit[]): SqlSplit[] {
  return [...splits].sort((a, b) => (a.range?.startMs ?? 0) - (b.range?.startMs ?? 0));
}

/** Identifies what a position belongs to. */
export function fingerprintOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** @throws DruidSourceConfigError */
export function requireSameStatement(stored: string, current: string): void {
  if (stored === current) return;
  throw new DruidSourceConfigError(
    `The checkpoint belongs to another statement: the text of 'query', or what its position depends on ('interval', 'alignMs', ` +
      `'order', 'key'), has changed (fingerprint ${stored}, now ${current}). Restore with the old ones, or start without the checkpoint.`,
    { details: { stored, current } },
  );
}
