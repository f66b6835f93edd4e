import type { z } from 'zod';
import type { Int64Mode } from './columns.js';
import { DruidConfigError } from './errors.js';
import { parseWith } from './json-request.js';
import { changeIfThere, type CallOptions } from './management/calls.js';
import { requirePositive } from './options.js';
import { path, type DruidRequest } from './request.js';
import { streamResult, type ResultFormat, type TransferredBytes } from './result-stream.js';
import { SqlBytesFormat, type SqlHeaderOptions, type SqlResultFormat } from './sql-bytes-format.js';
import { declaredColumns, type SqlColumnTypes, type SqlRowOf, type TimestampMode } from './sql-columns.js';
import type { SqlContext } from './sql-context.js';
import { withSqlPosition } from './sql-error-position.js';
import { planOf, type SqlPlan } from './sql-explain.js';
import type { SqlParameter } from './sql-parameters.js';
import { SqlRowsFormat, type SqlColumn } from './sql-rows-format.js';
import { DruidSystemTables } from './sql-system-tables.js';
import { statementOf, type SqlQueryText, type SqlStatement } from './sql-template.js';
import type { Transport } from './transport.js';

/** A row as an object, keyed by column name. */
export type SqlRow = Record<string, unknown>;

/** Options of every call that runs SQL. */
export interface SqlCallOptions {
  /**
   * Values for the `?` of a query that is text, in order. They are sent apart from the text, never put into it. A
   * template sql`…` brings its own.
   */
  readonly parameters?: readonly SqlParameter[];
  /** Druid's query context. `sqlTimeZone` is UTC unless given; a `sqlQueryId` given here is used for cancelling too. */
  readonly context?: SqlContext;
  readonly signal?: AbortSignal;
  /** Milliseconds; see {@link DruidClientOptions.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Asks the server to compress its answer, which pays where the network is slower than both processors. */
  readonly gzip?: boolean;
  /** Called once when the answer is over, broken off or not; not if there was none. */
  readonly onTransfer?: (transfer: TransferredBytes) => void;
}

/** Options of every query for rows. */
export interface SqlQueryOptions extends SqlCallOptions {
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
  /** Called with the result's columns before the first row. */
  readonly onColumns?: (columns: readonly SqlColumn[]) => void;
}

/** Adds the zod schema that every row must satisfy. */
export interface SqlSchemaOptions<T> extends SqlQueryOptions {
  readonly schema: z.ZodType<T>;
}

/** Declares the result's columns, which gives the rows their type and has every value checked and decoded. */
export interface SqlColumnsOptions<
  C extends SqlColumnTypes,
  I extends Int64Mode = 'safe-number',
  T extends TimestampMode = 'ms',
> extends SqlQueryOptions {
  /** Rows hold these columns and no others. A declared `array<…>` sets `sqlStringifyArrays: false` in the context. */
  readonly columns: C;
  readonly int64?: I;
  /** Default `ms`: epoch milliseconds. */
  readonly timestamps?: T;
}

/** Asks for rows as arrays in column order: less work, and columns of the same name stay apart. */
export interface SqlArrayOptions extends SqlQueryOptions {
  readonly rowFormat: 'array';
}

/** Options of {@link DruidSql.streamBytes}. */
export interface SqlBytesOptions extends SqlCallOptions, SqlHeaderOptions {
  readonly resultFormat: SqlResultFormat;
}

type AnyOptions = SqlQueryOptions & {
  readonly schema?: z.ZodType<unknown>;
  readonly rowFormat?: 'array';
  readonly columns?: SqlColumnTypes;
  readonly timestamps?: TimestampMode;
};

const operation = 'SQL query';

/** `POST /druid/v2/sql`. A query is text, or a template sql`…`. */
export class DruidSql {
  /** Druid's tables about itself. */
  readonly system: DruidSystemTables;
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
    this.system = new DruidSystemTables((query, options) => this.query(query, options));
  }

  /**
   * Runs a query and collects its rows.
   *
   * @example await druid.sql.query(sql`SELECT page, added FROM edits WHERE page = ${'Main_Page'}`)
   * // [{ page: 'Main_Page', added: 36 }]
   * @throws DruidTruncatedError, DruidRemoteError (400 for bad SQL or an unknown table, with the line at fault),
   * DruidDecodeError (a value that does not fit the schema or the declared column, two columns of one name), DruidConfigError
   */
  query<T>(query: SqlQueryText, options: SqlSchemaOptions<T>): Promise<T[]>;
  query<const C extends SqlColumnTypes, I extends Int64Mode = 'safe-number', T extends TimestampMode = 'ms'>(
    query: SqlQueryText,
    options: SqlColumnsOptions<C, I, T>,
  ): Promise<SqlRowOf<C, I, T>[]>;
  query(query: SqlQueryText, options: SqlArrayOptions): Promise<unknown[][]>;
  query<T = SqlRow>(query: SqlQueryText, options?: SqlQueryOptions): Promise<T[]>;
  async query(query: SqlQueryText, options: AnyOptions = {}): Promise<unknown[]> {
    const all: unknown[] = [];
    for await (const batch of this.batches(query, options)) {
      for (const row of batch) all.push(row);
    }
    return all;
  }

  /**
   * Runs a query and hands out its rows in batches as they arrive (some hundreds to thousands each). Nothing is sent
   * before the first batch is asked for, and nothing is read ahead of the consumer beyond the socket's buffers.
   * Leaving the loop early, or aborting, cancels the query on the server.
   *
   * @example for await (const rows of druid.sql.stream('SELECT * FROM edits')) console.log(rows.length);
   * @throws DruidTruncatedError, which tells how many rows arrived, and as {@link DruidSql.query}
   */
  stream<T>(query: SqlQueryText, options: SqlSchemaOptions<T>): AsyncIterable<T[]>;
  stream<const C extends SqlColumnTypes, I extends Int64Mode = 'safe-number', T extends TimestampMode = 'ms'>(
    query: SqlQueryText,
    options: SqlColumnsOptions<C, I, T>,
  ): AsyncIterable<SqlRowOf<C, I, T>[]>;
  stream(query: SqlQueryText, options: SqlArrayOptions): AsyncIterable<unknown[][]>;
  stream<T = SqlRow>(query: SqlQueryText, options?: SqlQueryOptions): AsyncIterable<T[]>;
  stream(query: SqlQueryText, options: AnyOptions = {}): AsyncIterable<unknown[]> {
    return { [Symbol.asyncIterator]: () => this.batches(query, options) };
  }

  /**
   * Runs a query and hands out its result as Druid wrote it, in any of its formats, for piping into a file or a
   * response. Otherwise as {@link DruidSql.stream}: the bytes end in an error unless the result is whole. With
   * `csv` and a single column, a broken result whose last value is empty looks whole unless the server sends trailers.
   *
   * @example
   * const csv = druid.sql.streamBytes(sql`SELECT * FROM edits`, { resultFormat: 'csv', header: true });
   * await pipeline(csv, createWriteStream('edits.csv'));
   * @throws DruidTruncatedError and as {@link DruidSql.query}
   */
  streamBytes(query: SqlQueryText, options: SqlBytesOptions): AsyncIterable<Buffer> {
    return { [Symbol.asyncIterator]: () => this.bytes(query, options) };
  }

  /**
   * Asks Druid to stop the queries of this `sqlQueryId`, whoever runs them; your own calls do so by themselves when they
   * are aborted or left. False if there is none. Sent exactly once.
   */
  cancel(sqlQueryId: string, options: CallOptions = {}): Promise<boolean> {
    const call = {
      operation: 'cancellation',
      method: 'DELETE',
      path: path`/druid/v2/sql/${sqlQueryId}`,
    } as const;
    return changeIfThere(this.transport, call, options);
  }

  /**
   * Asks how Druid would run a query, without running it. Lines in errors count the line `EXPLAIN PLAN FOR` before it.
   *
   * @example (await druid.sql.explain('SELECT COUNT(*) FROM edits')).queries?.[0]?.query.queryType // 'timeseries'
   * @throws as {@link DruidSql.query}
   */
  async explain(query: SqlQueryText, options: SqlCallOptions = {}): Promise<SqlPlan> {
    const { parameters, context, ...call } = options;
    const { text, parameters: typed } = statementOf(query, parameters);
    const rows = await this.query(`EXPLAIN PLAN FOR\n${text}`, {
      ...call,
      parameters: typed,
      context: { useNativeQueryExplain: true, ...context },
    });
    return planOf(rows[0]);
  }

  private async *batches(
    query: SqlQueryText,
    options: AnyOptions,
  ): AsyncGenerator<unknown[], void, undefined> {
    const { schema, int64 = 'safe-number', onColumns, timestamps = 'ms' } = options;
    const columns = options.columns && declaredColumns(options.columns);
    if (columns !== undefined && (schema !== undefined || options.rowFormat !== undefined)) {
      throw new DruidConfigError({
        message: `Option 'columns' does not go together with '${schema === undefined ? 'rowFormat' : 'schema'}'.`,
        details: { option: 'columns' },
      });
    }
    const hasArrays = columns?.some(({ kind }) => kind.startsWith('array<')) ?? false;
    const asObjects = options.rowFormat !== 'array';
    const declared = columns && { columns, timestamps };
    const rows = this.run(
      query,
      { ...options, context: { ...(hasArrays ? { sqlStringifyArrays: false } : {}), ...options.context } },
      { resultFormat: 'arrayLines', header: true, typesHeader: true, sqlTypesHeader: true },
      () => new SqlRowsFormat({ int64, asObjects, operation, onColumns, ...(declared && { declared }) }),
    );
    let row = 0;
    for await (const batch of rows) {
      yield schema === undefined ? batch : batch.map((value) => parseWith(schema, value, operation, row++));
    }
  }

  private async *bytes(
    query: SqlQueryText,
    options: SqlBytesOptions,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { resultFormat, header = false, typesHeader = false, sqlTypesHeader = false } = options;
    const format = { resultFormat, header, typesHeader, sqlTypesHeader };
    for await (const chunks of this.run(
      query,
      options,
      format,
      () => new SqlBytesFormat(resultFormat, format),
    )) {
      yield* chunks;
    }
  }

  private async *run<T>(
    query: SqlQueryText,
    options: SqlCallOptions,
    resultFormat: object,
    createFormat: () => ResultFormat<T>,
  ): AsyncGenerator<T[], void, undefined> {
    requirePositive('timeoutMs', options.timeoutMs);
    const statement = statementOf(query, options.parameters);
    const ownId = options.context?.sqlQueryId;
    try {
      yield* streamResult<T>({
        transport: this.transport,
        operation,
        queryId: typeof ownId === 'string' ? ownId : undefined,
        request: (sqlQueryId) => requestOf(statement, sqlQueryId, options, resultFormat),
        cancelPath: (id) => path`/druid/v2/sql/${id}`,
        createFormat,
        signal: options.signal,
        ...(options.onTransfer && { onTransfer: options.onTransfer }),
      });
    } catch (error) {
      throw withSqlPosition(error, statement.text);
    }
  }
}

function requestOf(
  { text, parameters }: SqlStatement,
  sqlQueryId: string,
  { context, timeoutMs, gzip }: SqlCallOptions,
  resultFormat: object,
): DruidRequest {
  return {
    operation,
    method: 'POST',
    path: '/druid/v2/sql',
    kind: 'query',
    timeoutMs,
    gzip,
    body: {
      query: text,
      ...resultFormat,
      // Without a fixed zone, the text of a TIMESTAMP depends on the server's configuration.
      context: { sqlTimeZone: 'UTC', ...context, sqlQueryId },
      ...(parameters.length === 0 ? {} : { parameters }),
    },
  };
}
