import type {
  DruidClient,
  DruidClientOptions,
  Int64Mode,
  SqlColumnTypes,
  SqlContext,
  SqlRowOf,
} from '@millrace/druid-client';
import type { z } from 'zod';
import { DruidSourceConfigError } from '../errors.js';
import type { OnInvalidSqlRow, SqlRowSettings, SqlShape } from './sql-rows.js';

/** What a row is: declared columns of the result, or what a zod schema makes of an object of all its columns. */
export type SqlSourceRows<C extends SqlColumnTypes, S extends z.ZodType> =
  { readonly columns: C; readonly schema?: never } | { readonly schema: S; readonly columns?: never };

/** Options that all SQL sources have, apart from the columns. */
export interface SqlSourceSettings<I extends Int64Mode> {
  /** A client, which stays the caller's to close, or the options of one, which the source then opens and closes. */
  readonly druid: DruidClient | DruidClientOptions;
  /** What BIGINT columns become; see {@link Int64Mode}. Default `safe-number`. */
  readonly int64?: I;
  /** Runs of a statement in a row that bring nothing new before the job fails. Default 6, about 8 s. */
  readonly maxAttempts?: number;
  /** Druid's query context, such as `{ priority, lane, sqlTimeZone }`. Without `sqlQueryId`: each run has its own. */
  readonly queryContext?: SqlContext;
}

/** The row type: of the schema if there is one, else of the columns. */
export type SqlSourceRow<C extends SqlColumnTypes, S extends z.ZodType, I extends Int64Mode> = [S] extends [
  never,
]
  ? SqlRowOf<C, I>
  : z.output<S>;

export interface AnySqlRowOptions {
  readonly columns?: SqlColumnTypes;
  readonly schema?: z.ZodType;
  readonly timeColumn?: string;
  readonly int64?: Int64Mode;
  readonly queryContext?: SqlContext;
  readonly onInvalidRow?: OnInvalidSqlRow;
}

/** @throws DruidSourceConfigError */
export function rowSettingsOf(options: AnySqlRowOptions): SqlRowSettings {
  const { columns, timeColumn, int64 = 'safe-number', queryContext = {}, onInvalidRow = 'fail' } = options;
  if (queryContext.sqlQueryId !== undefined) {
    throw invalid(
      'queryContext',
      'has a sqlQueryId; every run of the statement needs one of its own, so leave it out',
    );
  }
  if (timeColumn !== undefined && columns !== undefined && !columns[timeColumn]?.startsWith('timestamp')) {
    throw invalid('timeColumn', `is '${timeColumn}'; declare that column as 'timestamp' in 'columns'`);
  }
  const time = { column: timeColumn ?? '__time', isRequired: timeColumn !== undefined };
  return { shape: shapeOf(options), int64, time, onInvalidRow, context: queryContext };
}

function shapeOf({ columns, schema }: AnySqlRowOptions): SqlShape {
  if (columns !== undefined && schema === undefined) {
    if (Object.keys(columns).length > 0) return { kind: 'columns', columns };
    throw invalid('columns', 'is empty; declare at least one column');
  }
  if (schema !== undefined && columns === undefined) return { kind: 'schema', schema };
  throw invalid('columns', "and 'schema' exclude each other; give exactly one of them");
}

/** @throws DruidSourceConfigError */
export function wholeNumber(option: string, value: number, min = 1): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw invalid(option, `is ${value}; it must be a whole number of at least ${min}`);
}

export function invalid(option: string, problem: string): DruidSourceConfigError {
  return new DruidSourceConfigError(`SQL source option '${option}' ${problem}.`, { details: { option } });
}
