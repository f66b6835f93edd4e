import type {
  OutputTag,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import {
  SqlFragment,
  type Int64Mode,
  type MsqContext,
  type SqlColumnTypes,
  type SqlParameter,
  type SqlQueryText,
} from '@millrace/druid-client';
import type { z } from 'zod';
import { clientOpener } from '../druid-source.js';
import { sideOutputsOf } from '../invalid-rows.js';
import { SplitReader, type OpenClient } from '../split-reader.js';
import { textOf } from './druid-sql-source.js';
import {
  invalid,
  rowSettingsOf,
  wholeNumber,
  type SqlSourceRow,
  type SqlSourceRows,
  type SqlSourceSettings,
} from './sql-options.js';
import type { OnInvalidSqlRow, SqlCall, SqlRowSettings } from './sql-rows.js';
import { rowText } from './row-text.js';
import { fingerprintOf } from './sql-split.js';
import { StatementEnumerator } from './statement-enumerator.js';
import { StatementReading } from './statement-reading.js';
import type { StatementEnumeratorState, StatementSplit } from './statement-split.js';

/** Options of {@link DruidStatementSource}. */
export type DruidStatementSourceOptions<
  C extends SqlColumnTypes,
  S extends z.ZodType,
  I extends Int64Mode,
> = Omit<SqlSourceSettings<I>, 'queryContext'> &
  SqlSourceRows<C, S> & {
    /** A SELECT. */
    readonly query: SqlQueryText;
    /** For the `?` of a text. */
    readonly parameters?: readonly SqlParameter[];
    /**
     * Druid's context of multi-stage queries, such as `{ maxNumTasks, rowsPerPage }`: a page is what one reader reads at a
     * time. Results always go to durable storage.
     */
    readonly queryContext?: MsqContext;
    /** The column that is the record's timestamp. Default `__time`, if there is such a column. */
    readonly timeColumn?: string;
    /** Rows that each reader holds at most, plus a batch. Default 16,384. */
    readonly maxBufferedRows?: number;
    /** The longest wait between two looks at the running statement, in milliseconds. Default 10,000. */
    readonly maxPollIntervalMs?: number;
    /** What to do with a row that the schema refuses. Default `fail`. */
    readonly onInvalidRow?: OnInvalidSqlRow;
  };

/**
 * Reads the result of a statement that Druid runs by itself (`/druid/v2/sql/statements`, multi-stage query): for exports
 * that are too large, or take too long, for one answer. It needs the MSQ extension and durable storage on the server.
 * The result's pages are read in parallel. Each row is emitted exactly once with respect to checkpoints.
 *
 * @example
 * const source = new DruidStatementSource({
 *   druid: { url: 'http://localhost:8888' },
 *   query: "SELECT __time, page, added FROM edits WHERE __time >= TIMESTAMP '2020-01-01'",
 *   queryContext: { maxNumTasks: 5 },
 *   columns: { __time: 'timestamp not null', page: 'string', added: 'long' },
 * }); // Source<{ __time: number; page: string | null; added: number | null }>
 * @throws DruidSourceConfigError
 */
export class DruidStatementSource<
  const C extends SqlColumnTypes = never,
  S extends z.ZodType = never,
  I extends Int64Mode = 'safe-number',
> implements Source<SqlSourceRow<C, S, I>, StatementSplit, StatementEnumeratorState> {
  readonly boundedness = 'bounded';
  readonly sideOutputs: readonly OutputTag<unknown>[];
  private readonly openClient: OpenClient;
  private readonly rows: SqlRowSettings;
  private readonly call: SqlCall;
  private readonly queryContext: MsqContext;
  private readonly maxBufferedRows: number;
  private readonly maxAttempts: number;
  private readonly maxPollIntervalMs: number;
  private readonly query: string;

  constructor(options: DruidStatementSourceOptions<C, S, I>) {
    const { query, parameters, queryContext = {}, ...rowOptions } = options;
    this.rows = rowSettingsOf(rowOptions);
    this.sideOutputs = sideOutputsOf(this.rows.onInvalidRow);
    this.openClient = clientOpener(options.druid);
    this.call = { query, parameters };
    if (queryContext['sqlQueryId'] !== undefined) {
      throw invalid('queryContext', 'has a sqlQueryId; each job needs one of its own, so leave it out');
    }
    const { selectDestination = 'durableStorage' } = queryContext;
    if (selectDestination !== 'durableStorage') {
      throw invalid(
        'queryContext.selectDestination',
        `is '${selectDestination}', where Druid keeps only the first rows of a result; leave it out`,
      );
    }
    this.queryContext = { ...queryContext, selectDestination };
    this.maxBufferedRows = wholeNumber('maxBufferedRows', options.maxBufferedRows ?? 16_384);
    this.maxAttempts = wholeNumber('maxAttempts', options.maxAttempts ?? 6);
    this.maxPollIntervalMs = wholeNumber('maxPollIntervalMs', options.maxPollIntervalMs ?? 10_000);
    const values = SqlFragment.is(query) ? query.toStatement().parameters : (parameters ?? []);
    // The result is that of the first run: with other parameters it would be another.
    this.query = fingerprintOf('statement', textOf(query), rowText(values));
  }

  createEnumerator(
    context: SplitEnumeratorContext<StatementSplit>,
    restored?: StatementEnumeratorState,
  ): SplitEnumerator<StatementSplit, StatementEnumeratorState> {
    const { openClient, call, queryContext, query, maxPollIntervalMs } = this;
    const options = { context, openClient, call, queryContext, query, maxPollIntervalMs };
    return new StatementEnumerator(options, restored);
  }

  createReader(context: SourceReaderContext): SourceReader<SqlSourceRow<C, S, I>, StatementSplit> {
    const { rows, query, maxAttempts, maxBufferedRows, openClient } = this;
    const reading = new StatementReading<SqlSourceRow<C, S, I>>({ context, rows, query, maxAttempts });
    return new SplitReader({ context, openClient, maxBufferedRows, reading });
  }
}
