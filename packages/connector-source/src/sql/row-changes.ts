import { DruidSourceRecordError, DruidSourceSchemaError } from '../errors.js';
import { rowText } from './row-text.js';
import type { HeldRow } from './sql-split.js';

/** What differs between two results: a row that is new or has other values, or one that is gone (as it was last). */
export interface RowChange {
  readonly kind: 'upsert' | 'delete';
  readonly key: string;
  readonly row: HeldRow;
  readonly text: string;
}

/** Rows by key, with the text that tells whether they have changed. */
export type KnownRows = Map<string, { readonly row: HeldRow; readonly text: string }>;

/** @throws DruidSourceRecordError for two rows of one key */
export function knownRows(rows: readonly HeldRow[], keyColumns: readonly string[]): KnownRows {
  const known: KnownRows = new Map();
  for (const row of rows) {
    const key = keyOf(row, keyColumns);
    if (known.has(key)) throw twice(key, keyColumns);
    known.set(key, { row, text: rowText(row) });
  }
  return known;
}

/** Turns `known` into `result`, in the order of the result, deletions last. Pure; {@link applyChange} takes the steps. */
export function changesTo(result: KnownRows, known: KnownRows): RowChange[] {
  const changes: RowChange[] = [];
  for (const [key, { row, text }] of result) {
    if (known.get(key)?.text !== text) changes.push({ kind: 'upsert', key, row, text });
  }
  for (const [key, { row, text }] of known) {
    if (!result.has(key)) changes.push({ kind: 'delete', key, row, text });
  }
  return changes;
}

export function applyChange(known: KnownRows, { kind, key, row, text }: RowChange): void {
  if (kind === 'delete') known.delete(key);
  else known.set(key, { row, text });
}

function keyOf(row: HeldRow, columns: readonly string[]): string {
  return rowText(
    columns.map((column) => {
      if (column in row) return row[column];
      throw new DruidSourceSchemaError(
        `The result has no column '${column}', which is part of 'key'; it has: ${Object.keys(row).join(', ')}.`,
        { details: { column } },
      );
    }),
  );
}

function twice(key: string, columns: readonly string[]): DruidSourceRecordError {
  const shown = key.length > 80 ? `${key.slice(0, 80)}…` : key;
  return new DruidSourceRecordError(
    `The result has two rows with ${columns.join(', ')} = ${shown}. Name all columns that tell rows apart in 'key', ` +
      `usually those of GROUP BY.`,
    { details: { key: columns.join(', ') } },
  );
}
