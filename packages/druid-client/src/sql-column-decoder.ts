/**
 * Decodes results by declared columns.
 *
 * Boundary: values as JSON gave them in, values of the declared types out. Which decoder a column needs is settled once
 * per result; per value there is one call and no allocation but the value's own.
 *
 * Invariant 1: a value is handed out as its declared type or not at all ({@link DruidDecodeError}).
 */
import { replaceBigInts, unsafeInteger, type Int64Mode } from './columns.js';
import { DruidDecodeError } from './errors.js';
import { decodeJson } from './json-decode.js';
import type { DeclaredColumn, SqlColumnKind, TimestampMode } from './sql-columns.js';
import type { SqlColumn } from './sql-rows-format.js';
import { parseTimestamp } from './sql-timestamp.js';

/** How values are handed out. */
export interface DecodeModes {
  readonly int64: Int64Mode;
  readonly timestamps: TimestampMode;
}

/** Gives {@link misfit} for a value of another type. Not called with null. */
export type Decode = (value: unknown) => unknown;

interface PlacedColumn extends DeclaredColumn {
  readonly index: number;
  readonly decode: Decode;
  readonly sqlType: string | null;
}

/** Turns rows of a result whose columns are `actual` into rows of the columns `declared`. */
export class DeclaredDecoder {
  private readonly columns: readonly PlacedColumn[];
  private readonly operation: string;
  private readonly int64: Int64Mode;

  /** @throws DruidDecodeError if a declared column is missing, or there twice. Other columns are left out of the rows. */
  constructor(
    actual: readonly SqlColumn[],
    declared: readonly DeclaredColumn[],
    modes: DecodeModes,
    operation: string,
  ) {
    this.operation = operation;
    this.int64 = modes.int64;
    this.columns = declared.map((column) => {
      const index = actual.findIndex(({ name }) => name === column.name);
      const isTwice = index >= 0 && actual.some(({ name }, i) => i > index && name === column.name);
      if (index < 0 || isTwice) throw misplaced(column.name, actual, isTwice, operation);
      const { sqlType } = actual[index] as SqlColumn;
      return { ...column, index, decode: decoderOf(column.kind, modes), sqlType };
    });
  }

  /** The names of the rows' members, in the order of {@link places}. */
  get names(): readonly string[] {
    return this.columns.map(({ name }) => name);
  }

  /** Where each of {@link names} stands in a row. */
  get places(): readonly number[] {
    return this.columns.map(({ index }) => index);
  }

  /** Decodes in place; `firstRow` is the number of the first of `rows` within the result. @throws DruidDecodeError */
  decode(rows: readonly unknown[][], firstRow: number): void {
    for (const column of this.columns) this.decodeColumn(rows, column, firstRow);
  }

  private decodeColumn(rows: readonly unknown[][], column: PlacedColumn, firstRow: number): void {
    const { index, decode, isNullable } = column;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as unknown[];
      const value = row[index];
      if (value === null) {
        if (!isNullable) throw this.misfitError(value, column, firstRow + i);
        continue;
      }
      const decoded = decode(value);
      if (decoded === misfit) throw this.misfitError(value, column, firstRow + i); // invariant 1
      row[index] = decoded;
    }
  }

  private misfitError(value: unknown, column: PlacedColumn, row: number): DruidDecodeError {
    const { name, kind, isNullable, sqlType } = column;
    const unsafe = unsafeIn(value, kind, this.int64);
    if (unsafe !== undefined) return unsafeInteger(unsafe, this.operation, { column: name, row });
    const seen = shown(value);
    const declared = `'${kind}${isNullable ? '' : ' not null'}'`;
    const called = sqlType === null ? '' : ` (Druid's type is ${sqlType})`;
    return new DruidDecodeError({
      message: `Row ${row} of the ${this.operation} has ${seen} in column '${name}', which is declared as ${declared}${called}. Declare what the column holds, or CAST it in the query.`,
      details: { operation: this.operation, column: name, row, value: seen },
    });
  }
}

function misplaced(
  name: string,
  actual: readonly SqlColumn[],
  isTwice: boolean,
  operation: string,
): DruidDecodeError {
  const names = actual.map((column) => column.name).join(', ');
  return new DruidDecodeError({
    message: `The ${operation} has ${isTwice ? 'two columns' : 'no column'} '${name}', which is declared; its columns are ${names}.`,
    details: { operation, column: name },
  });
}

/** The integer because of which `safe-number` refuses a value of this kind; undefined if there is none. */
export function unsafeIn(value: unknown, kind: string, int64: Int64Mode): bigint | undefined {
  if (int64 !== 'safe-number') return undefined;
  if (kind === 'long') return typeof value === 'bigint' ? value : undefined;
  if (kind !== 'array<long>' && kind !== 'json') return undefined;
  return firstBigInt(typeof value === 'string' ? parsed(value) : value);
}

function firstBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.values(value)
    .map(firstBigInt)
    .find((found) => found !== undefined);
}

/** A value as a message quotes it. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  // Only an excerpt of what may be a megabyte; bigints inside would make JSON.stringify fail.
  const text = JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  );
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}

/** What a decoder returns for a value that is not of its type. */
export const misfit = Symbol('misfit');

/** How values of a kind are decoded. */
export function decoderOf(kind: SqlColumnKind, { int64, timestamps }: DecodeModes): Decode {
  switch (kind) {
    case 'string':
      return decodeString;
    case 'long':
      return longDecoders[int64];
    case 'double':
      return decodeDouble;
    case 'boolean':
      return decodeBoolean;
    case 'timestamp':
      return timestamps === 'date' ? decodeDate : decodeEpochMs;
    case 'array<string>':
      return arrayOf(decodeString);
    case 'array<long>':
      return arrayOf(longDecoders[int64]);
    case 'array<double>':
      return arrayOf(decodeDouble);
    case 'multi-value':
      return decodeMultiValue;
    case 'json':
      return jsonDecoder(int64);
    case 'bytes':
      return decodeBytes;
  }
}

const decodeString: Decode = (value) => (typeof value === 'string' ? value : misfit);

const longDecoders: Readonly<Record<Int64Mode, Decode>> = {
  'safe-number': (value) => (Number.isSafeInteger(value) ? value : misfit),
  bigint: (value) => {
    if (typeof value === 'bigint') return value;
    return Number.isSafeInteger(value) ? BigInt(value as number) : misfit;
  },
  string: (value) => (typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : misfit),
};

const decodeDouble: Decode = (value) => {
  if (typeof value === 'number') return value;
  // JSON has no such numbers, so Druid writes them as text.
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  return typeof value === 'bigint' ? Number(value) : misfit;
};

const decodeBoolean: Decode = (value) => {
  if (typeof value === 'boolean') return value;
  return value === 1 ? true : value === 0 ? false : misfit;
};

const decodeEpochMs: Decode = (value) => {
  if (typeof value === 'string') return parseTimestamp(value) ?? misfit;
  return Number.isSafeInteger(value) ? value : misfit;
};

const decodeDate: Decode = (value) => {
  const ms = decodeEpochMs(value);
  if (typeof ms !== 'number') return misfit;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? misfit : date;
};

function arrayOf(decode: Decode): Decode {
  return (value) => {
    // Servers that do not know `sqlStringifyArrays: false`, or were told otherwise, write arrays as JSON text.
    const items = typeof value === 'string' ? parsed(value) : value;
    if (!Array.isArray(items)) return misfit;
    for (let i = 0; i < items.length; i++) {
      if (items[i] === null) continue;
      const decoded = decode(items[i]);
      if (decoded === misfit) return misfit;
      items[i] = decoded;
    }
    return items;
  };
}

const decodeMultiValue: Decode = (value) => {
  if (typeof value !== 'string') return Array.isArray(value) && value.every(isTextOrNull) ? value : misfit;
  if (!value.startsWith('[')) return [value];
  const items = parsed(value);
  return Array.isArray(items) && items.every(isTextOrNull) ? items : [value];
};

function jsonDecoder(int64: Int64Mode): Decode {
  const unsafe = new Error('an integer beyond 2^53 - 1');
  return (value) => {
    try {
      const json = typeof value === 'string' ? decodeJson(value) : { value, hasBigInt: true };
      return json.hasBigInt ? replaceBigInts(json.value, int64, () => unsafe) : json.value;
    } catch (error) {
      if (error === unsafe || error instanceof SyntaxError) return misfit;
      throw error;
    }
  };
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

const decodeBytes: Decode = (value) => {
  if (typeof value !== 'string') return misfit;
  // SQL writes a COMPLEX value as JSON inside a string: base64 in quotes.
  const text = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value;
  if (text.length % 4 !== 0 || !base64.test(text)) return misfit;
  // A copy: small buffers are slices of a pool that others share.
  return new Uint8Array(Buffer.from(text, 'base64'));
};

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function parsed(text: string): unknown {
  try {
    return decodeJson(text).value;
  } catch (error) {
    if (error instanceof SyntaxError) return misfit;
    throw error;
  }
}
