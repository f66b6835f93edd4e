import type { Int64Mode } from '@millrace/druid-client';
import type { ColumnReading } from './druid-columns.js';

/** A value that does not fit its column. The reader turns it into an error that also names segment and position. */
export class ColumnFault extends Error {
  readonly column: string;
  readonly value: string;

  constructor(column: string, expected: string, value: unknown) {
    super(`column '${column}' should be ${expected}, but is ${excerpt(value)}`);
    this.column = column;
    this.value = excerpt(value);
  }
}

/** Turns one row of a scan (values in request order) into an object. */
export type RowMapper = (values: readonly unknown[]) => Record<string, unknown>;

type Convert = (value: unknown) => unknown;

/**
 * Chooses one converter per column, once, and returns the function that applies them. It is generated, so that all rows
 * get one shape at once, which makes them about five times cheaper; of the program it contains the names of columns, as
 * quoted texts. Where a process forbids code generation from strings, a loop does the same.
 *
 * @param readings columns in the order in which they were requested
 * @throws ColumnFault (the mapper) for a value that the column cannot hold; never a rounded or guessed value
 */
export function compileRowMapper(
  readings: readonly (readonly [column: string, reading: ColumnReading])[],
  int64: Int64Mode,
): RowMapper {
  const names = readings.map(([column]) => column);
  const converters = readings.map(([column, reading]) => converterFor(column, reading, int64));
  return generateMapper(names, converters) ?? loopingMapper(names, converters);
}

function generateMapper(names: readonly string[], converters: readonly Convert[]): RowMapper | undefined {
  const members = names.map((name, i) => {
    const key = JSON.stringify(name);
    return `${name === '__proto__' ? `[${key}]` : key}:c${i}(v[${i}])`; // plain, it would set the prototype
  });
  const parameters = names.map((_, i) => `c${i}`);
  try {
    const make = new Function(...parameters, `'use strict';return (v)=>({${members.join(',')}})`);
    return make(...converters) as RowMapper;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/** What the generated function does, without generating one. */
function loopingMapper(names: readonly string[], converters: readonly Convert[]): RowMapper {
  return (values) => {
    const entries = names.map((name, i) => [name, (converters[i] as Convert)(values[i])] as const);
    return Object.fromEntries(entries);
  };
}

function converterFor(column: string, reading: ColumnReading, int64: Int64Mode): Convert {
  switch (reading) {
    case 'timestamp':
      return (value) => {
        if (typeof value === 'number') return value;
        throw new ColumnFault(column, 'a timestamp in epoch milliseconds', value);
      };
    case 'string':
      return nullable(stringConverter(column));
    case 'string[]':
      return nullable(arrayOf(stringConverter(column)));
    case 'long':
      return nullable(longConverter(column, int64));
    case 'long[]':
      return nullable(arrayOf(longConverter(column, int64)));
    case 'double':
    case 'float':
      return nullable(doubleConverter(column));
    case 'double[]':
      return nullable(arrayOf(doubleConverter(column)));
    case 'json':
    case 'raw':
      return (value) => value ?? null;
  }
}

function nullable(convert: Convert): Convert {
  return (value) => (value === null || value === undefined ? null : convert(value));
}

/** A multi-value string with one value arrives as that value alone. */
function arrayOf(convert: Convert): Convert {
  const item = nullable(convert);
  return (value) => (Array.isArray(value) ? value.map(item) : [convert(value)]);
}

function stringConverter(column: string): Convert {
  return (value) => {
    if (typeof value === 'string') return value;
    const hint = Array.isArray(value) ? " (it is multi-value: declare it as 'string[]')" : '';
    throw new ColumnFault(column, `a string${hint}`, value);
  };
}

/** Druid writes non-finite doubles as strings, and the client may deliver a large integral one as bigint. */
function doubleConverter(column: string): Convert {
  return (value) => {
    if (typeof value === 'number') return value;
    if (value === 'NaN') return Number.NaN;
    if (value === 'Infinity') return Number.POSITIVE_INFINITY;
    if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
    if (typeof value === 'bigint') return Number(value);
    throw new ColumnFault(column, 'a double', value);
  };
}

/** The client delivers integers exactly: as `number` up to 2^53 - 1, as `bigint` (or digits) beyond. */
function longConverter(column: string, int64: Int64Mode): Convert {
  const exact = (value: unknown): number | bigint => {
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) return value as number | bigint;
    if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value);
    throw new ColumnFault(column, 'a 64-bit integer', value);
  };
  if (int64 === 'bigint') return (value) => BigInt(exact(value));
  if (int64 === 'string') return (value) => exact(value).toString();
  return (value) => {
    const number = Number(exact(value));
    if (Number.isSafeInteger(number)) return number;
    throw new ColumnFault(column, "a number up to 2^53 - 1 (set int64 to 'bigint' or 'string')", value);
  };
}

function excerpt(value: unknown): string {
  const text = typeof value === 'bigint' ? `${value}` : (JSON.stringify(value, bigintAsText) ?? 'absent');
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
