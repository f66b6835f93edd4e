import type { Int64Mode } from '@millrace/druid-client';
import { DruidSourceSchemaError } from './errors.js';

/**
 * How a column is read. `string[]` is a multi-value string or an `ARRAY<STRING>`; `timestamp` is `__time` only, as
 * epoch milliseconds; `json` passes nested data on as it is.
 */
export type DruidColumnType =
  'timestamp' | 'string' | 'string[]' | 'long' | 'long[]' | 'double' | 'double[]' | 'float' | 'json';

/** The columns to read and their types. */
export type DruidColumns = Readonly<Record<string, DruidColumnType>>;

/** What a LONG is in mode `I`. */
export type Int64<I extends Int64Mode> = I extends 'bigint' ? bigint : I extends 'string' ? string : number;

interface ColumnValues<I extends Int64Mode> {
  timestamp: number;
  string: string;
  'string[]': (string | null)[];
  long: Int64<I>;
  'long[]': (Int64<I> | null)[];
  double: number;
  'double[]': (number | null)[];
  float: number;
  json: unknown;
}

/**
 * The row that `columns` describe: `__time` is never null, everything else may be.
 *
 * @example RowOf<{ __time: 'timestamp'; flights: 'long' }> // { __time: number; flights: number | null }
 */
export type RowOf<C extends DruidColumns, I extends Int64Mode = 'safe-number'> = {
  -readonly [K in keyof C]: C[K] extends 'timestamp' ? number : ColumnValues<I>[C[K]] | null;
};

/** Declared types, and `raw`: whatever type Druid has, for a zod schema to judge. */
export type ColumnReading = DruidColumnType | 'raw';

/** SQL types (INFORMATION_SCHEMA) that may be read as each declared type; `json` passes anything on. */
const accepted: Readonly<Record<Exclude<DruidColumnType, 'json'>, readonly string[]>> = {
  timestamp: ['TIMESTAMP'],
  string: ['VARCHAR'],
  'string[]': ['VARCHAR', 'ARRAY'],
  long: ['BIGINT', 'BOOLEAN', 'INTEGER'],
  'long[]': ['ARRAY'],
  double: ['DOUBLE', 'FLOAT', 'REAL', 'DECIMAL'],
  'double[]': ['ARRAY'],
  float: ['FLOAT', 'REAL', 'DOUBLE'],
};

/** The reading of a column that only a zod schema describes, from its SQL type. Numbers are read exactly. */
export function readingOf(sqlType: string): ColumnReading {
  if (sqlType === 'TIMESTAMP') return 'timestamp';
  if (sqlType === 'BIGINT') return 'long';
  if (sqlType === 'DOUBLE' || sqlType === 'FLOAT' || sqlType === 'REAL') return 'double';
  return 'raw';
}

/** Whether columns of this SQL type can be read so. */
export function isReadableAs(reading: ColumnReading, sqlType: string): boolean {
  return reading === 'raw' || reading === 'json' || accepted[reading].includes(sqlType);
}

/**
 * Compares what is to be read with what the datasource has (`sqlTypes`: column → SQL type). Pure.
 *
 * @throws DruidSourceSchemaError naming every column that is missing or of another type
 */
export function checkColumns(
  dataSource: string,
  readings: Readonly<Record<string, ColumnReading>>,
  sqlTypes: ReadonlyMap<string, string>,
): void {
  const faults: string[] = [];
  for (const [column, reading] of Object.entries(readings)) {
    const sqlType = sqlTypes.get(column);
    if (sqlType === undefined) faults.push(`'${column}' does not exist`);
    else if (!isReadableAs(reading, sqlType)) {
      faults.push(`'${column}' is ${sqlType} and cannot be read as '${reading}'`);
    }
  }
  if (faults.length === 0) return;
  const known = [...sqlTypes].map(([name, type]) => `${name} ${type}`).join(', ');
  throw new DruidSourceSchemaError(
    `Datasource '${dataSource}' does not have the columns to read: ${faults.join('; ')}. ` +
      `It has: ${known}. Correct 'columns' (or the schema).`,
    { details: { dataSource, faults: faults.join('; ') } },
  );
}
