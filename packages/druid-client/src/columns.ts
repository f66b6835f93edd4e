import { DruidDecodeError } from './errors.js';

/**
 * How 64-bit integers are handed out.
 * - `safe-number`: a number, and a {@link DruidDecodeError} where a value lies beyond 2^53 - 1;
 * - `bigint` / `string`: LONG columns always are bigint / decimal text (only `__time`, epoch milliseconds, stays a
 *   number), and so is any larger integer elsewhere.
 */
export type Int64Mode = 'safe-number' | 'bigint' | 'string';

/** What is known of a result's columns. `types` are Druid's native types (`LONG`, `ARRAY<DOUBLE>`, …). */
export interface Columns {
  readonly names: readonly string[];
  readonly types: readonly (string | null)[] | undefined;
}

type Convert = (value: unknown) => unknown;

/** Decodes rows in place: 64-bit integers by `mode`, and "NaN" / "Infinity" in DOUBLE and FLOAT columns. */
export class RowDecoder {
  private readonly columns: Columns;
  private readonly mode: Int64Mode;
  private readonly operation: string;
  private readonly converters: readonly { readonly index: number; readonly convert: Convert }[];

  constructor(columns: Columns, mode: Int64Mode, operation: string) {
    this.columns = columns;
    this.mode = mode;
    this.operation = operation;
    this.converters = (columns.types ?? []).flatMap((type, index) => {
      const convert = converterOf(type, columns.names[index], mode);
      return convert === undefined ? [] : [{ index, convert }];
    });
  }

  /** `firstRow` is the number of the first of `rows` within the result. @throws DruidDecodeError */
  decode(values: readonly unknown[], hasBigInt: boolean, firstRow: number): unknown[][] {
    const rows = this.requireWidth(values, firstRow);
    if (hasBigInt) {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as unknown[];
        for (let c = 0; c < row.length; c++) row[c] = this.exact(row[c], c, firstRow + i);
      }
    }
    for (const { index, convert } of this.converters) {
      for (const row of rows) row[index] = convert(row[index]);
    }
    return rows;
  }

  /** The same rows, each an array of as many values as there are columns. @throws DruidDecodeError */
  requireWidth(rows: readonly unknown[], firstRow: number): unknown[][] {
    const width = this.columns.names.length;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (!Array.isArray(row) || row.length !== width) throw this.wrongWidth(row, firstRow + i);
    }
    return rows as unknown[][];
  }

  private exact(value: unknown, column: number, row: number): unknown {
    return replaceBigInts(value, this.mode, (found) => {
      const name = this.columns.names[column];
      return unsafeInteger(found, this.operation, {
        ...(name === undefined ? {} : { column: name }),
        row,
      });
    });
  }

  private wrongWidth(row: unknown, number: number): DruidDecodeError {
    const found = Array.isArray(row) ? `${row.length} values` : typeof row;
    return new DruidDecodeError({
      message: `Row ${number} of the ${this.operation} has ${found} where ${this.columns.names.length} columns were announced.`,
      details: { operation: this.operation, row: number },
    });
  }
}

/** Replaces the bigints in parsed JSON as `mode` asks; for `safe-number` it throws what `unsafe` makes of the first. */
export function replaceBigInts(value: unknown, mode: Int64Mode, unsafe: (value: bigint) => Error): unknown {
  if (typeof value === 'bigint') {
    if (mode === 'bigint') return value;
    if (mode === 'string') return value.toString();
    throw unsafe(value);
  }
  if (Array.isArray(value)) return value.map((item) => replaceBigInts(item, mode, unsafe));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, replaceBigInts(item, mode, unsafe)]),
  );
}

/** The error for an integer that `safe-number` cannot hand out. */
export function unsafeInteger(
  value: bigint,
  operation: string,
  where: { readonly column?: string; readonly row?: number },
): DruidDecodeError {
  const place = `${where.column === undefined ? '' : ` in column '${where.column}'`}${where.row === undefined ? '' : `, row ${where.row}`}`;
  return new DruidDecodeError({
    message: `The ${operation} holds the integer ${value}${place}: a JavaScript number cannot hold it exactly. Ask for int64: 'bigint' or 'string'.`,
    details: { operation, ...where, value: value.toString() },
  });
}

function converterOf(type: string | null, name: string | undefined, mode: Int64Mode): Convert | undefined {
  const element = type === null ? undefined : /^ARRAY<(\w+)>$/.exec(type)?.[1];
  if (element !== undefined) {
    const convert = converterOf(element, name, mode);
    return convert && ((value) => (Array.isArray(value) ? value.map(convert) : value));
  }
  if (type === 'DOUBLE' || type === 'FLOAT') return specialNumber;
  if (type !== 'LONG' || name === '__time') return undefined;
  // SQL prints TIMESTAMP and BOOLEAN, which are LONG inside, as text and true/false: those pass as they are.
  if (mode === 'bigint') return (value) => (typeof value === 'number' ? BigInt(value) : value);
  if (mode === 'string') return (value) => (typeof value === 'number' ? String(value) : value);
  return undefined;
}

// JSON has no such numbers, so Druid writes them as text.
const specialNumber: Convert = (value) => {
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  return value;
};
