/** Runs a statement and turns its rows into records: typed by declared columns, or validated by a zod schema. */
import type { Counter, ReaderOutput, SourceReaderContext } from '@millrace/core-stream';
import type {
  DruidClient,
  Int64Mode,
  SqlColumn,
  SqlColumnTypes,
  SqlContext,
  SqlParameter,
  SqlQueryText,
} from '@millrace/druid-client';
import type { z } from 'zod';
import { DruidSourceRecordError, DruidSourceSchemaError } from '../errors.js';
import { InvalidRows, type OnInvalid } from '../invalid-rows.js';
import type { HeldRow } from './sql-split.js';

/** What to run: a template, or text with its parameters. */
export interface SqlCall {
  readonly query: SqlQueryText;
  readonly parameters?: readonly SqlParameter[] | undefined;
}

/** What rows look like: declared columns, or what a zod schema makes of an object of all columns. */
export type SqlShape =
  | { readonly kind: 'columns'; readonly columns: SqlColumnTypes }
  | { readonly kind: 'schema'; readonly schema: z.ZodType };

/** A row that the source does not emit, and why. */
export interface RejectedSqlRow {
  /** The range that it was read for, or `statement`. */
  readonly splitId: string;
  /** Its number in the order of emission, from 0. */
  readonly position: number;
  readonly row: HeldRow;
  readonly error: DruidSourceRecordError;
}

/** What to do with a row that the schema refuses; see {@link OnInvalid}. */
export type OnInvalidSqlRow = OnInvalid<RejectedSqlRow>;

export interface SqlRowSettings {
  readonly shape: SqlShape;
  readonly int64: Int64Mode;
  /** The column that is the record's timestamp; `isRequired`: a result without it is an error. */
  readonly time: { readonly column: string; readonly isRequired: boolean };
  readonly onInvalidRow: OnInvalidSqlRow;
  readonly context: SqlContext;
}

export class SqlRows {
  private readonly settings: SqlRowSettings;
  private readonly bytesIn: Counter;
  private readonly queries: Counter;
  private readonly retries: Counter;
  private readonly invalid: InvalidRows<RejectedSqlRow>;
  private hasTimeColumn = false;

  constructor(settings: SqlRowSettings, { metrics }: SourceReaderContext) {
    this.settings = settings;
    this.invalid = new InvalidRows(settings.onInvalidRow, metrics);
    this.bytesIn = metrics.counter('numBytesIn', { description: 'Bytes of SQL results read.' });
    this.queries = metrics.counter('sqlQueries', { description: 'SQL queries sent, repetitions included.' });
    this.retries = metrics.counter('sqlRetries', { description: 'SQL queries repeated after a failure.' });
  }

  /** Whether rows have a time, as far as is known before they come. */
  get hasTime(): boolean {
    const { shape, time } = this.settings;
    return shape.kind === 'columns' ? time.column in shape.columns : time.isRequired || this.hasTimeColumn;
  }

  countRetry(): void {
    this.retries.inc();
  }

  /** The rows of one run in batches, timestamps as epoch milliseconds. Leaving early cancels the query. */
  async *read(
    druid: DruidClient,
    call: SqlCall,
    signal: AbortSignal,
  ): AsyncGenerator<HeldRow[], void, undefined> {
    const { shape, int64, context } = this.settings;
    let timestamps: readonly string[] = [];
    const options = {
      int64,
      context,
      signal,
      onColumns: (columns: readonly SqlColumn[]) => (timestamps = this.checkColumns(columns)),
      onTransfer: ({ networkBytes }: { readonly networkBytes: number }) => this.bytesIn.inc(networkBytes),
      ...(call.parameters && { parameters: call.parameters }),
    };
    this.queries.inc();
    if (shape.kind === 'columns') {
      yield* druid.sql.stream(call.query, { ...options, columns: shape.columns });
      return;
    }
    for await (const rows of druid.sql.stream(call.query, options)) {
      if (timestamps.length > 0) for (const row of rows) timestampsToMs(row, timestamps);
      yield rows;
    }
  }

  /** The rows of one page of a statement's result, in batches, timestamps as epoch milliseconds. */
  async *readPage(
    druid: DruidClient,
    { queryId, page }: { readonly queryId: string; readonly page: number },
    signal: AbortSignal,
  ): AsyncGenerator<HeldRow[], void, undefined> {
    const { shape, int64 } = this.settings;
    const options = {
      int64,
      signal,
      fromPage: page,
      toPage: page,
      onTransfer: ({ networkBytes }: { readonly networkBytes: number }) => this.bytesIn.inc(networkBytes),
    };
    this.queries.inc();
    const { statements } = druid;
    if (shape.kind === 'columns') {
      yield* statements.results(queryId, { ...options, columns: shape.columns });
      return;
    }
    for await (const rows of statements.results(queryId, options)) {
      if (rows[0] !== undefined) this.requireTime(Object.keys(rows[0]));
      yield rows;
    }
  }

  /** Epoch milliseconds, or undefined for a row without. */
  timeOf(row: HeldRow): number | undefined {
    const value = row[this.settings.time.column];
    return typeof value === 'number' ? value : undefined;
  }

  /** The record, or undefined if `onInvalidRow` took the row. @throws DruidSourceRecordError */
  toRecord(row: HeldRow, splitId: string, position: number, output: ReaderOutput<unknown>): unknown {
    const { shape, onInvalidRow } = this.settings;
    if (shape.kind === 'columns') return row; // the client has checked it
    const result = shape.schema.safeParse(row);
    if (result.success) return result.data;
    const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`);
    const error = new DruidSourceRecordError(
      `Row ${position} of '${splitId}' does not fit the schema: ${faults.join('; ')}. Correct the schema or the ` +
        `statement${onInvalidRow === 'fail' ? ", or pass 'onInvalidRow' to set such rows aside" : ''}.`,
      { details: { split: splitId, position }, cause: result.error },
    );
    this.invalid.take({ splitId, position, row, error }, splitId, this.timeOf(row), output);
    return undefined;
  }

  /** Whether it makes a record. */
  fits(row: HeldRow): boolean {
    const { shape } = this.settings;
    return shape.kind === 'columns' || shape.schema.safeParse(row).success;
  }

  private checkColumns(columns: readonly SqlColumn[]): readonly string[] {
    const names = columns.map(({ name }) => name);
    this.requireTime(names);
    this.hasTimeColumn = names.includes(this.settings.time.column);
    return columns.filter(({ sqlType }) => sqlType === 'TIMESTAMP').map(({ name }) => name);
  }

  private requireTime(names: readonly string[]): void {
    const { column, isRequired } = this.settings.time;
    if (!isRequired || names.includes(column)) return;
    throw new DruidSourceSchemaError(
      `The result has no column '${column}', which is to be the time of its rows ('timeColumn'); it has: ${names.join(', ')}.`,
      { details: { column } },
    );
  }
}

/** A text that is no time stays as it is: the schema judges it. */
function timestampsToMs(row: Record<string, unknown>, columns: readonly string[]): void {
  for (const column of columns) {
    const value = row[column];
    if (typeof value !== 'string') continue;
    const ms = Date.parse(value);
    if (!Number.isNaN(ms)) row[column] = ms;
  }
}
