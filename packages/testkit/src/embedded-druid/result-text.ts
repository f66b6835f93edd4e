/** Turns DuckDB chunks into the text of rows, column by column, without going through JavaScript objects. */

import type { DuckDBBigIntVector, DuckDBVarCharVector } from '@duckdb/node-api';
import { type DuckDBDataChunk, type DuckDBVector } from '@duckdb/node-api';
import { javaDouble, javaFloat } from './json-text.js';
import { isoTimeWriter } from './time-text.js';

/** How the values of a column are written. */
export type CellKind = 'text' | 'long' | 'double' | 'float' | 'boolean' | 'time';

const SMALL_CACHE = 4096;

/** A writer of one column's cells; keep it for a whole result, it remembers what it wrote. */
export type CellWriter = (vector: DuckDBVector, row: number) => string | null;

/** JSON text of a value, or null for NULL. */
export function jsonCell(kind: CellKind): CellWriter {
  switch (kind) {
    case 'text':
      return cached((value) => JSON.stringify(value));
    case 'time':
      return timeCell('"');
    case 'long':
      return (vector, row) => longOf(vector, row)?.toString() ?? null;
    case 'double':
      return (vector, row) => jsonNumber(numberOf(vector, row), javaDouble);
    case 'float':
      return (vector, row) => jsonNumber(numberOf(vector, row), javaFloat);
    case 'boolean':
      return (vector, row) => booleanOf(vector, row);
  }
}

/** CSV text of a value, or null for NULL. */
export function csvCell(kind: CellKind): CellWriter {
  if (kind === 'text') return (vector, row) => csvText(textOf(vector, row));
  if (kind === 'time') return timeCell('');
  if (kind === 'double') return (vector, row) => plain(numberOf(vector, row), javaDouble);
  if (kind === 'float') return (vector, row) => plain(numberOf(vector, row), javaFloat);
  return jsonCell(kind);
}

const textOf = (vector: DuckDBVector, row: number): string | null =>
  (vector as DuckDBVarCharVector).getItem(row);
const longOf = (vector: DuckDBVector, row: number): bigint | null =>
  (vector as DuckDBBigIntVector).getItem(row);
const numberOf = (vector: DuckDBVector, row: number): number | null => vector.getItem(row) as number | null;
const booleanOf = (vector: DuckDBVector, row: number): string | null => {
  const value = vector.getItem(row) as boolean | null;
  return value === null ? null : String(value);
};

/** A value as DuckDB has it; null for NULL. */
export const cellValue = (vector: DuckDBVector, row: number): string | bigint | number | null =>
  vector.getItem(row) as string | bigint | number | null;

/** An instant between two quotes, or none. */
function timeCell(quote: string): CellWriter {
  const write = isoTimeWriter();
  return (vector, row) => {
    const value = longOf(vector, row);
    return value === null ? null : quote + write(Number(value)) + quote;
  };
}

/** Writes repeated texts once. */
function cached(write: (value: string) => string): CellWriter {
  const known = new Map<string, string>();
  return (vector, row) => {
    const value = textOf(vector, row);
    if (value === null) return null;
    let text = known.get(value);
    if (text === undefined) {
      text = write(value);
      if (known.size >= SMALL_CACHE) known.clear();
      known.set(value, text);
    }
    return text;
  };
}

const plain = (value: number | null, write: (value: number) => string): string | null =>
  value === null ? null : write(value);

/** NaN and the infinities are no JSON; Druid writes them as strings. */
function jsonNumber(value: number | null, write: (value: number) => string): string | null {
  if (value === null) return null;
  return Number.isFinite(value) ? write(value) : `"${String(value)}"`;
}

/** The quoting of Druid's CSV writer: only where a quote, a comma or a line break needs it. */
export function csvText(value: string | null): string | null {
  if (value === null) return null;
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** The rows of a chunk as text: `open`, the cells joined by commas, `close`; `labels` precede the cells. */
export function rowTexts(
  chunk: DuckDBDataChunk,
  writers: readonly CellWriter[],
  format: {
    open: string;
    close: string;
    separator: string;
    labels: readonly string[] | undefined;
    empty: string;
    skip?: number;
  },
): string {
  const { open, close, separator, labels, empty, skip = 0 } = format;
  const vectors = writers.map((_, index) => chunk.getColumnVector(index + skip));
  let text = '';
  const { rowCount } = chunk;
  for (let row = 0; row < rowCount; row += 1) {
    if (row > 0) text += separator;
    text += open;
    for (let index = 0; index < writers.length; index += 1) {
      if (index > 0) text += ',';
      if (labels) text += labels[index];
      text += (writers[index] as CellWriter)(vectors[index] as DuckDBVector, row) ?? empty;
    }
    text += close;
  }
  return text;
}
