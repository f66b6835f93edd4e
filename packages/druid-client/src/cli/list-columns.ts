/** Lists of things as rows: a column is a name and where its value comes from. */
import type { OutputColumn, RowBatches, Rows } from './row-formats.js';

export interface ListColumn<T> extends OutputColumn {
  readonly of: (item: T) => unknown;
}

/** The rows of things that are at hand. */
export function rowsOf<T>(columns: readonly ListColumn<T>[], items: readonly T[]): Rows {
  return streamedRowsOf(columns, [items]);
}

/** The rows of things that come in batches. */
export function streamedRowsOf<T>(
  columns: readonly ListColumn<T>[],
  batches: Iterable<readonly T[]> | AsyncIterable<readonly T[]>,
): Rows {
  async function* rows(): RowBatches {
    for await (const batch of batches) yield batch.map((item) => columns.map(({ of }) => of(item)));
  }
  return { columns: () => columns, batches: rows(), nullText: '' };
}

/** A column of numbers. */
export function number<T>(name: string, of: (item: T) => unknown): ListColumn<T> {
  return { name, of, isNumber: true };
}

/** A column of bytes, which tables show in larger units. */
export function bytes<T>(name: string, of: (item: T) => unknown): ListColumn<T> {
  return { name, of, isNumber: true, show: (value) => bytesText(Number(value)) };
}

/** A column of milliseconds, which tables show in larger units. */
export function duration<T>(name: string, of: (item: T) => unknown): ListColumn<T> {
  return { name, of, isNumber: true, show: (value) => durationText(Number(value)) };
}

/** A column of names that one may want to copy. */
export function name<T>(title: string, of: (item: T) => unknown): ListColumn<T> {
  return { name: title, of, isWhole: true };
}

/** A column of times in ISO 8601, which tables show to the second, and without zeros. */
export function time<T>(title: string, of: (item: T) => unknown): ListColumn<T> {
  return { name: title, of, isWhole: true, show: (value) => timeText(String(value)) };
}

/** @example timeText('2026-01-01T10:00:00.000Z') // '2026-01-01T10:00Z' */
export function timeText(iso: string): string {
  return iso.replace(/T00:00:00\.000Z$/, '').replace(/(:00)?\.\d+Z$/, 'Z');
}

/** @example bytesText(1536) // '1.5 KiB' */
export function bytesText(value: number): string {
  if (value < 1024) return `${value} B`;
  const power = Math.min(5, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toFixed(1)} ${'KMGTP'[power - 1]}iB`;
}

/** @example durationText(754_000) // '12 min 34 s' */
export function durationText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
