/** Rows as text, piece by piece: nothing is kept but the rows that a table needs to find its widths. */
import { plainText } from './cell-text.js';
import { CliError, type CliIo } from './command.js';
import { jsonText } from './json-text.js';
import { recordsText, tableText } from './table-text.js';

export const rowFormats = ['table', 'records', 'csv', 'ndjson', 'json'] as const;
export type RowFormat = (typeof rowFormats)[number];

/** A column of what is printed. */
export interface OutputColumn {
  readonly name: string;
  /** Stands at the right. */
  readonly isNumber?: boolean;
  /** Is never cut in a table, as numbers and times never are: a part of it would mislead. */
  readonly isWhole?: boolean;
  /** How tables and records show a value, where that is not as it is. */
  readonly show?: (value: unknown) => string;
}

export type RowBatches = AsyncIterable<readonly (readonly unknown[])[]>;

/** Rows to print. `columns` is asked once the first rows, or the end, are there. */
export interface Rows {
  readonly columns: () => readonly OutputColumn[];
  readonly batches: RowBatches;
  /** What tables and records show for null. */
  readonly nullText: string;
  /** There is but one row: records do not number it. */
  readonly isSingle?: boolean;
}

/** How to print them. */
export interface RowOptions {
  readonly format: RowFormat;
  /** Cells in a line of tables and records; 0 for any number. */
  readonly width: number;
  readonly note: (text: string) => void;
}

/** Prints rows as they come. */
export async function writeRows(rows: Rows, io: Pick<CliIo, 'out'>, options: RowOptions): Promise<void> {
  for await (const text of textOf(rows, options)) await io.out(text);
}

function textOf(rows: Rows, options: RowOptions): AsyncGenerator<string, void, undefined> {
  switch (options.format) {
    case 'table':
      return tableText(rows, options);
    case 'records':
      return recordsText(rows, options);
    case 'csv':
      return csvText(rows);
    case 'ndjson':
      return ndjsonText(rows);
    case 'json':
      return jsonArrayText(rows);
  }
}

async function* csvText({ columns, batches }: Rows): AsyncGenerator<string, void, undefined> {
  const header = () => csvLine(columns().map(({ name }) => name));
  let hasHeader = false;
  for await (const batch of batches) {
    yield (hasHeader ? '' : header()) + batch.map(csvLine).join('');
    hasHeader = true;
  }
  if (!hasHeader) yield header();
}

function csvLine(values: readonly unknown[]): string {
  return `${values.map(csvField).join(',')}\n`;
}

/** By RFC 4180. An empty text is quoted, which tells it from null. */
function csvField(value: unknown): string {
  const text = plainText(value);
  if (text === '') return value === '' ? '""' : '';
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function* ndjsonText(rows: Rows): AsyncGenerator<string, void, undefined> {
  for await (const lines of objects(rows)) yield lines.map((line) => `${line}\n`).join('');
}

/** One array, an object a line. It stays open where the rows break off, so that nobody takes it for whole. */
async function* jsonArrayText(rows: Rows): AsyncGenerator<string, void, undefined> {
  let separator = '[\n';
  for await (const lines of objects(rows)) {
    yield separator + lines.join(',\n');
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

async function* objects({ columns, batches }: Rows): AsyncGenerator<readonly string[], void, undefined> {
  let keys: readonly string[] | undefined;
  for await (const batch of batches) {
    if (batch.length === 0) continue;
    keys ??= keysOf(columns());
    const known = keys;
    yield batch.map((row) => `{${row.map((value, i) => known[i] + jsonText(value)).join(',')}}`);
  }
}

function keysOf(columns: readonly OutputColumn[]): readonly string[] {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names.map((name) => `${JSON.stringify(name)}:`);
  throw new CliError(
    `Two columns are called '${twice}', and an object holds only one of them.`,
    'Name them apart with AS, or take the format csv or table.',
  );
}
