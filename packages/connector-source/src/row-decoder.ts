import type { Int64Mode } from '@millrace/druid-client';
import type { z } from 'zod';
import { readingOf, type ColumnReading, type DruidColumns } from './druid-columns.js';
import { DruidSourceRecordError } from './errors.js';
import { ColumnFault, compileRowMapper, type RowMapper } from './row-mapper.js';

/** A row that the source does not emit, and why. */
export interface RejectedRow {
  readonly segmentId: string;
  /** The row's number within what is read of the segment, from 0. */
  readonly position: number;
  /** The row as an object, or its bare values in the order of the columns where a value does not fit its column. */
  readonly row: unknown;
  readonly error: DruidSourceRecordError;
}

/** What to do with a row that does not fit: stop the job (the default), or hand it over and go on. */
export type OnInvalidRow = 'fail' | ((rejected: RejectedRow) => void);

/** What rows should look like: declared columns, or a zod schema of an object whose keys are the columns. */
export type RowShape =
  | { readonly kind: 'columns'; readonly columns: DruidColumns }
  | { readonly kind: 'schema'; readonly schema: z.ZodObject };

/** Names of the declared columns. */
export function declaredColumns(shape: RowShape): string[] {
  return Object.keys(shape.kind === 'columns' ? shape.columns : shape.schema.shape);
}

/** The columns to ask Druid for: those declared, and `__time`, which is every record's timestamp. */
export function requestedColumns(shape: RowShape): string[] {
  const declared = declaredColumns(shape);
  return declared.includes('__time') ? declared : [...declared, '__time'];
}

/** How each declared column is to be read; a schema leaves that to the types in Druid, or open where they are unknown. */
export function readingsOf(
  shape: RowShape,
  sqlTypes?: ReadonlyMap<string, string>,
): Record<string, ColumnReading> {
  if (shape.kind === 'columns') return { ...shape.columns };
  return Object.fromEntries(
    declaredColumns(shape).map((column) => [column, readingOf(sqlTypes?.get(column) ?? '')]),
  );
}

/** Turns a scan's rows into records. */
export interface RowDecoder<Row> {
  /** The record, or undefined if the row was rejected and `onInvalidRow` took it. @throws DruidSourceRecordError */
  decode(values: readonly unknown[], segmentId: string, position: number): Row | undefined;
}

export function createRowDecoder<Row>(options: {
  readonly shape: RowShape;
  readonly sqlTypes?: ReadonlyMap<string, string>;
  readonly int64: Int64Mode;
  readonly onInvalidRow: OnInvalidRow;
}): RowDecoder<Row> {
  const { shape, int64, onInvalidRow } = options;
  const map = compileRowMapper(Object.entries(readingsOf(shape, options.sqlTypes)), int64);
  const check = shape.kind === 'schema' ? schemaCheck(map, shape.schema) : map;
  return {
    decode(values, segmentId, position) {
      try {
        return check(values) as Row;
      } catch (fault) {
        const error = recordError(fault, segmentId, position);
        if (onInvalidRow === 'fail') throw error;
        onInvalidRow({ segmentId, position, row: fault instanceof SchemaFault ? fault.row : values, error });
        return undefined;
      }
    },
  };
}

class SchemaFault extends Error {
  readonly row: unknown;

  constructor(row: unknown, message: string) {
    super(message);
    this.row = row;
  }
}

function schemaCheck(map: RowMapper, schema: z.ZodObject): (values: readonly unknown[]) => unknown {
  return (values) => {
    const row = map(values);
    const result = schema.safeParse(row);
    if (result.success) return result.data;
    const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`);
    throw new SchemaFault(row, faults.join('; '));
  };
}

function recordError(fault: unknown, segmentId: string, position: number): DruidSourceRecordError {
  const column = fault instanceof ColumnFault ? fault.column : undefined;
  return new DruidSourceRecordError(
    `Row ${position} of segment '${segmentId}' does not fit: ${fault instanceof Error ? fault.message : String(fault)}. ` +
      `Correct 'columns' (or the schema), or pass 'onInvalidRow' to set such rows aside.`,
    { details: { segment: segmentId, position, column }, cause: fault },
  );
}
