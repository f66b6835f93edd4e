import type { z } from 'zod';
import type { Int64Mode } from './columns.js';
import { requirePositive } from './options.js';
import { parseWith } from './json-request.js';
import { streamResult } from './result-stream.js';
import { SqlRowsFormat, type SqlColumn } from './sql-rows-format.js';
import { toTypedParameter, type SqlParameter } from './sql-parameters.js';
import { path, type DruidRequest } from './request.js';
import type { Transport } from './transport.js';

/** A row as an object, keyed by column name. */
export type SqlRow = Record<string, unknown>;

/** Options of every SQL query. */
export interface SqlQueryOptions {
  /** Values for the `?` of the query, in order. They are sent apart from the text, never put into it. */
  readonly parameters?: readonly SqlParameter[];
  /** Druid's query context. `sqlTimeZone` is UTC unless given; a `sqlQueryId` given here is used for cancelling too. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
  readonly signal?: AbortSignal;
  /** Milliseconds; see {@link DruidClientOptions.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Called with the result's columns before the first row. */
  readonly onColumns?: (columns: readonly SqlColumn[]) => void;
}

/** Adds the zod schema that every row must satisfy. */
export interface SqlSchemaOptions<T> extends SqlQueryOptions {
  readonly schema: z.ZodType<T>;
}

/** Asks for rows as arrays in column order: less work, and columns of the same name stay apart. */
export interface SqlArrayOptions extends SqlQueryOptions {
  readonly rowFormat: 'array';
}

type AnyOptions = SqlQueryOptions & { readonly schema?: z.ZodType<unknown>; readonly rowFormat?: 'array' };

/** `POST /druid/v2/sql`. */
export class DruidSql {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Runs a query and collects its rows.
   *
   * @example await druid.sql.query('SELECT page, added FROM edits WHERE page = ?', { parameters: ['Main_Page'] })
   * // [{ page: 'Main_Page', added: 36 }]
   * @throws DruidTruncatedError, DruidRemoteError (400 for bad SQL or an unknown table), DruidDecodeError
   */
  query<T>(sql: string, options: SqlSchemaOptions<T>): Promise<T[]>;
  query(sql: string, options: SqlArrayOptions): Promise<unknown[][]>;
  query<T = SqlRow>(sql: string, options?: SqlQueryOptions): Promise<T[]>;
  async query(sql: string, options: AnyOptions = {}): Promise<unknown[]> {
    const all: unknown[] = [];
    for await (const batch of this.batches(sql, options)) {
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
  stream<T>(sql: string, options: SqlSchemaOptions<T>): AsyncIterable<T[]>;
  stream(sql: string, options: SqlArrayOptions): AsyncIterable<unknown[][]>;
  stream<T = SqlRow>(sql: string, options?: SqlQueryOptions): AsyncIterable<T[]>;
  stream(sql: string, options: AnyOptions = {}): AsyncIterable<unknown[]> {
    return { [Symbol.asyncIterator]: () => this.batches(sql, options) };
  }

  private async *batches(sql: string, options: AnyOptions): AsyncGenerator<unknown[], void, undefined> {
    requirePositive('timeoutMs', options.timeoutMs);
    const { schema } = options;
    const operation = 'SQL query';
    const parameters = options.parameters?.map(toTypedParameter);
    const ownId = options.context?.['sqlQueryId'];
    const rows = streamResult<unknown>({
      transport: this.transport,
      operation,
      queryId: typeof ownId === 'string' ? ownId : undefined,
      request: (sqlQueryId) => requestOf(sql, sqlQueryId, options, parameters),
      cancelPath: (id) => path`/druid/v2/sql/${id}`,
      createFormat: () =>
        new SqlRowsFormat({
          int64: options.int64 ?? 'safe-number',
          asObjects: options.rowFormat !== 'array',
          operation,
          onColumns: options.onColumns,
        }),
      signal: options.signal,
    });
    let row = 0;
    for await (const batch of rows) {
      yield schema === undefined ? batch : batch.map((value) => parseWith(schema, value, operation, row++));
    }
  }
}

function requestOf(
  sql: string,
  sqlQueryId: string,
  options: AnyOptions,
  parameters: readonly unknown[] | undefined,
): DruidRequest {
  return {
    operation: 'SQL query',
    method: 'POST',
    path: '/druid/v2/sql',
    kind: 'query',
    timeoutMs: options.timeoutMs,
    body: {
      query: sql,
      resultFormat: 'arrayLines',
      header: true,
      typesHeader: true,
      sqlTypesHeader: true,
      // Without a fixed zone, the text of a TIMESTAMP depends on the server's configuration.
      context: { sqlTimeZone: 'UTC', ...options.context, sqlQueryId },
      ...(parameters === undefined ? {} : { parameters }),
    },
  };
}
