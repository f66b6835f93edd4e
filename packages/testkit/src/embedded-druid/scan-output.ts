/** How the answer of a scan is written: as JSON or as Smile, row by row and batch by batch. */

import type { DuckDBDataChunk } from '@duckdb/node-api';
import { type CellKind, cellValue, jsonCell, rowTexts } from './result-text.js';
import { SMILE, SMILE_HEADER, SmileBytes } from './smile-bytes.js';
import type { ColumnType } from './timeline.js';

export interface ScanColumn {
  name: string;
  type: ColumnType | undefined;
}

/** A format of answers. `Piece` is a part of the answer. */
export interface ScanOutput<Piece extends string | Uint8Array = string | Uint8Array> {
  /** The rows of a chunk whose columns begin with the segment's number. */
  rows(chunk: DuckDBDataChunk): Piece[];
  batch(segmentId: string | null, rows: readonly Piece[], isFirst: boolean): Piece;
  /** What follows the last batch, if there was one. */
  end(hasBatches: boolean): Piece;
}

const cellOf = (type: ColumnType | undefined): CellKind => {
  if (type === undefined || type === 'STRING') return 'text';
  return type === 'LONG' ? 'long' : type === 'DOUBLE' ? 'double' : 'float';
};

const signatureOf = (columns: readonly ScanColumn[]): Record<string, string>[] =>
  columns.map(({ name, type }) => (type === undefined ? { name } : { name, type }));

/** `isCompacted`: rows are arrays, otherwise objects. */
export function jsonOutput(columns: readonly ScanColumn[], isCompacted: boolean): ScanOutput<string> {
  const writers = columns.map(({ type }) => jsonCell(cellOf(type)));
  const names = JSON.stringify(columns.map(({ name }) => name));
  const signature = JSON.stringify(signatureOf(columns));
  const [open, close] = isCompacted ? ['[', ']'] : ['{', '}'];
  const labels = isCompacted ? undefined : columns.map(({ name }) => `${JSON.stringify(name)}:`);
  const format = { open, close, separator: '\n', labels, empty: 'null', skip: 1 };
  return {
    rows: (chunk) => rowTexts(chunk, writers, format).split('\n'),
    batch: (id, rows, isFirst) =>
      `${isFirst ? '[' : ','}{"segmentId":${JSON.stringify(id)},"columns":${names},"events":[${rows.join(',')}],"rowSignature":${signature}}`,
    end: (hasBatches) => (hasBatches ? ']' : '[]'),
  };
}

/** As {@link jsonOutput}. */
export function smileOutput(columns: readonly ScanColumn[], isCompacted: boolean): ScanOutput<Uint8Array> {
  const bytes = new SmileBytes();
  const kinds = columns.map(({ type }) => cellOf(type));
  const start = Buffer.from([...SMILE_HEADER, SMILE.arrayStart]);
  const [open, close] = isCompacted
    ? [SMILE.arrayStart, SMILE.arrayEnd]
    : [SMILE.objectStart, SMILE.objectEnd];
  const writeCell = (kind: CellKind, value: string | bigint | number | null): void => {
    if (value === null) bytes.nothing();
    else if (typeof value === 'string') bytes.text(value);
    else if (typeof value === 'bigint') bytes.long(value);
    else if (kind === 'float') bytes.float(value);
    else bytes.double(value);
  };
  return {
    rows: (chunk) => {
      const vectors = columns.map((_, index) => chunk.getColumnVector(index + 1));
      const ends = Array.from({ length: chunk.rowCount }, (_, row) => {
        bytes.mark(open);
        vectors.forEach((vector, index) => {
          if (!isCompacted) bytes.key((columns[index] as ScanColumn).name);
          writeCell(kinds[index] as CellKind, cellValue(vector, row));
        });
        return bytes.mark(close).length;
      });
      const all = bytes.take();
      return ends.map((end, row) => all.subarray(ends[row - 1] ?? 0, end));
    },
    batch: (id, rows, isFirst) => {
      if (isFirst) bytes.raw(start);
      bytes.mark(SMILE.objectStart).key('segmentId');
      if (id === null) bytes.nothing();
      else bytes.text(id);
      bytes.key('columns').mark(SMILE.arrayStart);
      for (const { name } of columns) bytes.text(name);
      bytes.mark(SMILE.arrayEnd).key('events').mark(SMILE.arrayStart);
      for (const row of rows) bytes.raw(row);
      bytes.mark(SMILE.arrayEnd).key('rowSignature').mark(SMILE.arrayStart);
      for (const column of signatureOf(columns)) {
        bytes.mark(SMILE.objectStart);
        for (const [key, value] of Object.entries(column)) bytes.key(key).text(value);
        bytes.mark(SMILE.objectEnd);
      }
      return bytes.mark(SMILE.arrayEnd).mark(SMILE.objectEnd).take();
    },
    end: (hasBatches) => (hasBatches ? bytes : bytes.raw(start)).mark(SMILE.arrayEnd).take(),
  };
}
