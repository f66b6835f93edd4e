import type { Int64Mode, RecordColumn } from '@millrace/druid-client';
import type { z } from 'zod';
import { readingOf, type ColumnReading, type DruidColumns } from './druid-columns.js';
import { DruidSourceRecordError } from './errors.js';
import type { OnInvalid } from './invalid-rows.js';
import { ColumnFault, compileRowMapper } from './row-mapper.js';

/** A row that the source does not emit, and why. */
export interface RejectedRow {
  readonly segmentId: string;
  /** The row's number within what is read of the segment, from 0. */
  readonly position: number;
  /** The row as an object, or its bare values in the order of the columns where a value does not fit its column. */
  readonly row: unknown;
  readonly error: DruidSourceRecordError;
}

/** What to do with a row that does not fit; see {@link OnInvalid}. */
export type OnInvalidRow = OnInvalid<RejectedRow>;

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
  /** How the client may make objects of rows; undefined where only plain values will do. */
  readonly recordColumns: Readonly<Record<string, RecordColumn>> | undefined;
  /** The record of plain values, or undefined if the row was rejected and `onInvalidRow` took it. @throws DruidSourceRecordError */
  decode(values: readonly unknown[], segmentId: string, position: number): Row | undefined;
  /** The same for an object that was made by `recordColumns`; undefined if every such object is a record. */
  readonly check: ((row: unknown, segmentId: string, position: number) => Row | undefined) | undefined;
}

export function createRowDecoder<Row>(options: {
  readonly shape: RowShape;
  readonly sqlTypes?: ReadonlyMap<string, string>;
  readonly int64: Int64Mode;
  /** Whether `onInvalidRow` is there to take rows; else it throws the error that it is given. */
  readonly isSetAside: boolean;
  readonly onInvalidRow: (rejected: RejectedRow) => void;
}): RowDecoder<Row> {
  const { shape, int64, isSetAside, onInvalidRow } = options;
  const readings = readingsOf(shape, options.sqlTypes);
  const map = compileRowMapper(Object.entries(readings), int64);
  const check = shape.kind === 'schema' ? schemaCheck(shape.schema) : undefined;
  const reject = (fault: unknown, row: unknown, segmentId: string, position: number): undefined => {
    const error = recordError(fault, segmentId, position, isSetAside);
    const isSchemaFault = fault instanceof SchemaFault;
    // A schema that fails itself, as one with promises does, says nothing about the row.
    if (!isSchemaFault && !(fault instanceof ColumnFault)) throw error;
    onInvalidRow({ segmentId, position, row: isSchemaFault ? fault.row : row, error });
  };
  return {
    recordColumns: recordColumnsOf(readings, int64),
    decode: (values, segmentId, position) => {
      try {
        const row = map(values);
        return (check === undefined ? row : check(row)) as Row;
      } catch (fault) {
        return reject(fault, values, segmentId, position);
      }
    },
    check:
      check &&
      ((row, segmentId, position) => {
        try {
          return check(row) as Row;
        } catch (fault) {
          return reject(fault, row, segmentId, position);
        }
      }),
  };
}

const recordKinds: Partial<Record<ColumnReading, RecordColumn>> = {
  timestamp: 'timestamp',
  string: 'string',
  long: 'long',
  double: 'double',
  float: 'double',
  json: 'any',
  raw: 'any',
};

/** Only of readings for which the client's records are what `compileRowMapper` makes of the same values. */
function recordColumnsOf(
  readings: Readonly<Record<string, ColumnReading>>,
  int64: Int64Mode,
): Record<string, RecordColumn> | undefined {
  const kinds = Object.entries(readings).map(([column, reading]) => [column, recordKinds[reading]] as const);
  // What integers become inside of other values is decided by the types in Druid, which plain values alone come with.
  const isExact = kinds.every(
    ([, kind]) => kind !== undefined && (kind !== 'any' || int64 === 'safe-number'),
  );
  return isExact ? (Object.fromEntries(kinds) as Record<string, RecordColumn>) : undefined;
}

class SchemaFault extends Error {
  readonly row: unknown;

  constructor(row: unknown, message: string) {
    super(message);
    this.row = row;
  }
}

function schemaCheck(schema: z.ZodObject): (row: unknown) => unknown {
  return (row) => {
    const result = schema.safeParse(row);
    if (result.success) return result.data;
    const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`);
    throw new SchemaFault(row, faults.join('; '));
  };
}

function recordError(
  fault: unknown,
  segmentId: string,
  position: number,
  isSetAside: boolean,
): DruidSourceRecordError {
  const column = fault instanceof ColumnFault ? fault.column : undefined;
  return new DruidSourceRecordError(
    `Row ${position} of segment '${segmentId}' does not fit: ${fault instanceof Error ? fault.message : String(fault)}. ` +
      `Correct 'columns' (or the schema)${isSetAside ? '' : ", or pass 'onInvalidRow' to set such rows aside"}.`,
    { details: { segment: segmentId, position, column }, cause: fault },
  );
}
