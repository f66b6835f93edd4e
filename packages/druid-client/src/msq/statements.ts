import type { z } from 'zod';
import type { Int64Mode } from '../columns.js';
import { DruidConfigError, DruidDecodeError, DruidRemoteError } from '../errors.js';
import { parseJson, parseWith } from '../json-request.js';
import { changeIfThere, readIfThere, type CallOptions } from '../management/calls.js';
import { poll, type WaitOptions } from '../poll.js';
import { path } from '../request.js';
import type { TransferredBytes } from '../result-stream.js';
import { declaredColumns, type SqlColumnTypes, type SqlRowOf } from '../sql-columns.js';
import { statementOf, type SqlQueryText } from '../sql-template.js';
import type { Transport } from '../transport.js';
import { msqContext } from './msq-context.js';
import type { MsqSubmitOptions } from './msq.js';
import { pageRows } from './statement-rows.js';
import { statementStatusSchema, type StatementPage, type StatementStatus } from './statement-status.js';
import { statementBody, submitIdentified, taskIdOf } from './submission.js';

/** Options of {@link DruidStatements.waitFor}: by default a look every 500 ms, for an hour. */
export interface StatementWaitOptions extends WaitOptions {
  /** Called after every look at the server, the last one included. */
  readonly onStatus?: (status: StatementStatus) => void;
}

/** Options of {@link DruidStatements.results}. */
export interface StatementResultOptions extends CallOptions {
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
  /** The id of the first page to read: to go on after an error, that of the page that broke. Default 0. */
  readonly fromPage?: number;
  /** The id of the last page to read. Default: that of the last one. */
  readonly toPage?: number;
  /** Called when a page has been read to its end. */
  readonly onPage?: (page: StatementPage) => void;
  /** Called once a page, when its answer has ended, however it ended. */
  readonly onTransfer?: (transfer: TransferredBytes) => void;
}

/** Adds the zod schema that every row must satisfy. */
export interface StatementSchemaOptions<T> extends StatementResultOptions {
  readonly schema: z.ZodType<T>;
}

/** Declares the result's columns, which gives the rows their type and has every value checked and decoded. */
export interface StatementColumnsOptions<
  C extends SqlColumnTypes,
  I extends Int64Mode,
> extends StatementResultOptions {
  /** Rows hold these columns and no others. */
  readonly columns: C;
  readonly int64?: I;
}

interface AnyResultOptions extends StatementResultOptions {
  readonly schema?: z.ZodType<unknown>;
  readonly columns?: SqlColumnTypes;
}

/**
 * Statements that run by themselves and keep their results: `/druid/v2/sql/statements` ("Query from deep storage" in
 * Druid's documentation). Only the user who submitted a statement sees it.
 */
export class DruidStatements {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Submits a statement. Safe to repeat with the same `sqlQueryId`, as {@link DruidMsq.submit} is; the answer then is
   * the status of the first one. Results of more than about 3,000 rows need `selectDestination: 'durableStorage'`.
   *
   * @example
   * const { queryId } = await druid.statements.submit('SELECT * FROM edits');
   * await druid.statements.waitFor(queryId);
   * for await (const rows of druid.statements.results(queryId)) console.log(rows.length);
   * @throws DruidRemoteError (400 for SQL that cannot be planned; 404 or 405 where Druid runs without the MSQ extension)
   */
  async submit(query: SqlQueryText, options: MsqSubmitOptions = {}): Promise<StatementStatus> {
    const { context, parameters, signal, timeoutMs } = options;
    const statement = statementOf(query, parameters);
    const sqlQueryId = options.sqlQueryId ?? this.transport.runtime.createId();
    const queryId = taskIdOf(sqlQueryId);
    const operation = 'statement submission';
    const outcome = await submitIdentified(
      this.transport,
      {
        operation,
        method: 'POST',
        path: '/druid/v2/sql/statements',
        signal,
        timeoutMs,
        body: {
          ...statementBody(statement),
          context: { executionMode: 'ASYNC', ...msqContext(context, sqlQueryId) },
        },
      },
      statement.text,
      ({ response, text }) =>
        parseWith(statementStatusSchema, parseJson(text, operation, response), operation),
      () => this.status(queryId, { ...(signal && { signal }) }),
    );
    return 'submitted' in outcome ? outcome.submitted : outcome.found;
  }

  /**
   * The statement's status, or undefined if there is none of this id (or it belongs to another user). With `detail`,
   * `payload` has stages, counters and warnings (since Druid 30).
   */
  status(
    queryId: string,
    options: CallOptions & { readonly detail?: boolean } = {},
  ): Promise<StatementStatus | undefined> {
    const { detail, ...call } = options;
    const query = { detail: detail === true ? 'true' : undefined };
    return readIfThere(
      this.transport,
      { operation: 'statement status', path: path`/druid/v2/sql/statements/${queryId}`, query },
      statementStatusSchema,
      call,
    );
  }

  /**
   * Waits until the statement is over and returns its last status, SUCCESS and FAILED alike. Aborting ends the wait,
   * not the statement.
   *
   * @throws DruidTimeoutError, DruidAbortedError, DruidRemoteError (404 for an unknown id)
   */
  waitFor(queryId: string, options: StatementWaitOptions = {}): Promise<StatementStatus> {
    const { pollIntervalMs = 500, timeoutMs = 3_600_000, signal, onStatus } = options;
    const withSignal = signal && { signal };
    const limits = { pollIntervalMs, timeoutMs, ...withSignal };
    return poll(this.transport, `statement '${queryId}'`, limits, async () => {
      const status = await this.requireStatus(queryId, withSignal);
      onStatus?.(status);
      const isOver = status.state === 'SUCCESS' || status.state === 'FAILED';
      return isOver ? { done: status } : { pending: { queryId, state: status.state } };
    });
  }

  /**
   * The rows of a successful SELECT, in batches as they arrive, page after page. Each page must have as many rows as
   * the status announces, and the pages together as many as the result. TIMESTAMP comes as epoch milliseconds, unlike
   * in `sql.query`. Leaving the loop keeps the results: read them again from `fromPage`.
   *
   * @throws DruidTruncatedError, DruidDecodeError, DruidRemoteError (404 for an unknown id; 400 unless it is a SUCCESS)
   */
  results<const C extends SqlColumnTypes, I extends Int64Mode = 'safe-number'>(
    queryId: string,
    options: StatementColumnsOptions<C, I>,
  ): AsyncIterable<SqlRowOf<C, I>[]>;
  results<T>(queryId: string, options: StatementSchemaOptions<T>): AsyncIterable<T[]>;
  results<T = Record<string, unknown>>(queryId: string, options?: StatementResultOptions): AsyncIterable<T[]>;
  results(queryId: string, options: AnyResultOptions = {}): AsyncIterable<unknown[]> {
    return { [Symbol.asyncIterator]: () => this.batches(queryId, options) };
  }

  /** Stops a statement; one that is over keeps its results. False if there is none of this id. Sent exactly once. */
  cancel(queryId: string, options: CallOptions = {}): Promise<boolean> {
    const call = { operation: 'statement cancellation', path: path`/druid/v2/sql/statements/${queryId}` };
    return changeIfThere(this.transport, { ...call, method: 'DELETE' }, options);
  }

  private async *batches(
    queryId: string,
    options: AnyResultOptions,
  ): AsyncGenerator<unknown[], void, undefined> {
    const { int64 = 'safe-number', fromPage = 0, toPage = Number.MAX_SAFE_INTEGER } = options;
    const { schema: rowSchema, columns, signal, timeoutMs, onPage, onTransfer } = options;
    requirePageId('fromPage', fromPage);
    requirePageId('toPage', toPage);
    const declared = columns && declaredColumns(columns);
    const { schema, pages } = await this.successful(queryId, options);
    let row = 0;
    for (const page of pages.filter(({ id }) => id >= fromPage && id <= toPage)) {
      const limits = { signal, timeoutMs, onTransfer };
      const read = { transport: this.transport, queryId, page, schema, int64, declared, ...limits };
      for await (const rows of pageRows(read)) {
        yield rowSchema === undefined
          ? rows
          : rows.map((value) => parseWith(rowSchema, value, 'statement results', row++));
      }
      onPage?.(page);
    }
  }

  private async successful(queryId: string, options: CallOptions) {
    const { signal, timeoutMs } = options;
    const status = await this.requireStatus(queryId, {
      ...(signal && { signal }),
      ...(timeoutMs && { timeoutMs }),
    });
    if (status.state !== 'SUCCESS') {
      const said = status.errorDetails?.['errorMessage'];
      throw this.refusal(
        queryId,
        400,
        `The statement '${queryId}' has no results: it is ${status.state}${typeof said === 'string' ? ` (${said})` : ''}.`,
      );
    }
    const { pages = [], numTotalRows } = status.result ?? {};
    requireSum(queryId, pages, numTotalRows);
    return { schema: status.schema, pages };
  }

  private async requireStatus(queryId: string, options: CallOptions = {}): Promise<StatementStatus> {
    const status = await this.status(queryId, options);
    if (status !== undefined) return status;
    throw this.refusal(
      queryId,
      404,
      `Druid knows no statement '${queryId}'. Was it submitted to this cluster, by this user?`,
    );
  }

  private refusal(queryId: string, status: number, message: string): DruidRemoteError {
    const url = `${this.transport.baseUrl}${path`/druid/v2/sql/statements/${queryId}`}`;
    return new DruidRemoteError({ message, details: { method: 'GET', url, status, druid: {} } });
  }
}

function requirePageId(option: string, id: number): void {
  if (Number.isSafeInteger(id) && id >= 0) return;
  throw new DruidConfigError({
    message: `Option '${option}' is ${id}; it must be the id of a page, as onPage tells them.`,
    details: { option },
  });
}

function requireSum(
  queryId: string,
  pages: readonly StatementPage[],
  numTotalRows: number | undefined,
): void {
  if (numTotalRows === undefined) {
    if (pages.length > 0) return;
    // Of an empty result Druid says that it has no rows; it says nothing where counters are missing in the task's report.
    throw new DruidDecodeError({
      message: `The statement '${queryId}' has a result, but Druid does not say which pages it has. Run it again.`,
      details: { operation: 'statement results', value: 'null' },
    });
  }
  const counts = pages.map(({ numRows }) => numRows);
  if (counts.includes(undefined)) return;
  const sum = counts.reduce((total: number, count) => total + (count ?? 0), 0);
  if (sum === numTotalRows) return;
  throw new DruidDecodeError({
    message: `The pages of '${queryId}' hold ${sum} rows together, but its result has ${numTotalRows}.`,
    details: { operation: 'statement results', value: String(sum) },
  });
}
