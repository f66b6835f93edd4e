/**
 * Reads flights from a Parquet file into columns: three million of them take about 100 MB, as objects they would take
 * ten times as much.
 */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DemoError } from './failure.js';

/** Three million US flights of 2001, sorted by date. */
export const FLIGHTS_FILE = fileURLToPath(
  new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets')),
);

/** Rows in the order of the file. NaN and {@link NO_AIRPORT} stand for null. */
export interface FlightColumns {
  readonly rows: number;
  /** Epoch milliseconds. */
  readonly date: Float64Array;
  /** Minutes. */
  readonly delay: Float64Array;
  /** Miles. */
  readonly distance: Float64Array;
  /** Indices into `airports`. */
  readonly origin: Uint16Array;
  readonly destination: Uint16Array;
  readonly airports: readonly string[];
}

export const NO_AIRPORT = 0xffff;

const COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'];

/**
 * The first `rows` flights of the file.
 * @throws DemoError where the file is missing, is not Parquet, lacks a column or has fewer rows
 */
export async function readFlights(path: string, rows: number, signal: AbortSignal): Promise<FlightColumns> {
  const { file, metadata } = await openParquet(path);
  const available = Number(metadata.num_rows);
  if (rows > available) {
    throw new DemoError(
      `--rows is ${rows}, but ${path} holds ${available} flights. Ask for at most that many.`,
    );
  }
  const airports = new Dictionary();
  const date = new Float64Array(rows);
  const delay = new Float64Array(rows);
  const distance = new Float64Array(rows);
  const origin = new Uint16Array(rows);
  const destination = new Uint16Array(rows);
  const fill: Readonly<Record<string, (row: number, value: unknown) => void>> = {
    date: (row, value) => (date[row] = toNumber(value)),
    delay: (row, value) => (delay[row] = toNumber(value)),
    distance: (row, value) => (distance[row] = toNumber(value)),
    origin: (row, value) => (origin[row] = airports.indexOf(value)),
    destination: (row, value) => (destination[row] = airports.indexOf(value)),
  };
  // Group by group, so that no more than one group's values exist as JavaScript values.
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = Math.min(rows, rowStart + Number(group.num_rows));
    if (rowStart >= rowEnd) break;
    signal.throwIfAborted();
    await parquetRead({
      file,
      metadata,
      compressors,
      columns: COLUMNS,
      rowStart,
      rowEnd,
      parsers: {
        timestampFromMicroseconds: (micros) => Number(micros / 1000n),
        timestampFromMilliseconds: Number,
      },
      onChunk: ({ columnName, columnData, rowStart: first }) => {
        const set = fill[columnName]!;
        const end = Math.min(columnData.length, rows - first);
        for (let i = 0; i < end; i++) set(first + i, columnData[i]);
      },
    });
    rowStart = rowEnd;
  }
  return { rows, date, delay, distance, origin, destination, airports: airports.values };
}

async function openParquet(path: string) {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new DemoError(
      `The flights file ${path} does not exist. Run \`pnpm install\` to get the one of the package vega-datasets, or name another with --flights.`,
    );
  }
  const file = await asyncBufferFromFile(path);
  let metadata: FileMetaData;
  try {
    metadata = await parquetMetadataAsync(file);
  } catch (cause) {
    throw new DemoError(`${path} is not a Parquet file that can be read. Name another with --flights.`, {
      cause,
    });
  }
  const present = metadata.schema.map(({ name }) => name);
  const missing = COLUMNS.filter((name) => !present.includes(name));
  if (missing.length > 0) {
    throw new DemoError(
      `${path} has no column ${missing.map((name) => `'${name}'`).join(', ')} (it has ${present.slice(1).join(', ')}). ` +
        'Name a file of flights with --flights.',
    );
  }
  return { file, metadata };
}

function toNumber(value: unknown): number {
  return value === null || value === undefined ? NaN : Number(value);
}

class Dictionary {
  readonly values: string[] = [];
  readonly #indices = new Map<string, number>();

  indexOf(value: unknown): number {
    if (typeof value !== 'string') return NO_AIRPORT;
    let index = this.#indices.get(value);
    if (index === undefined) {
      index = this.values.push(value) - 1;
      if (index >= NO_AIRPORT)
        throw new DemoError(`The flights name more than ${NO_AIRPORT} airports; the demo takes fewer.`);
      this.#indices.set(value, index);
    }
    return index;
  }
}
