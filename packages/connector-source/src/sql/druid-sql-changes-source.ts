import type {
  OutputTag,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import type { Int64Mode, SqlColumnTypes, SqlParameter, SqlQueryText } from '@millrace/druid-client';
import type { z } from 'zod';
import { clientOpener } from '../druid-source.js';
import { sideOutputsOf } from '../invalid-rows.js';
import type { OpenClient } from '../split-reader.js';
import { ChangesReader, type SqlChange } from './changes-reader.js';
import { textOf } from './druid-sql-source.js';
import { SqlEnumerator } from './sql-enumerator.js';
import {
  invalid,
  rowSettingsOf,
  wholeNumber,
  type SqlSourceRow,
  type SqlSourceRows,
  type SqlSourceSettings,
} from './sql-options.js';
import type { OnInvalidSqlRow, SqlCall, SqlRowSettings } from './sql-rows.js';
import { fingerprintOf, type SqlEnumeratorState, type SqlSplit } from './sql-split.js';

/** Options of {@link DruidSqlChangesSource}. */
export type DruidSqlChangesSourceOptions<
  C extends SqlColumnTypes,
  S extends z.ZodType,
  I extends Int64Mode,
> = SqlSourceSettings<I> &
  SqlSourceRows<C, S> & {
    /** Usually an aggregate: GROUP BY the columns of `key`. */
    readonly query: SqlQueryText;
    /** For the `?` of a text. */
    readonly parameters?: readonly SqlParameter[];
    /** The columns that tell rows apart; a result with two rows of one key is an error. */
    readonly key: readonly [string, ...string[]];
    /** The wait between two polls, in milliseconds, as long as they find changes. */
    readonly pollIntervalMs: number;
    /** The longest wait; it doubles with each poll that finds none. Default ten times `pollIntervalMs`. */
    readonly maxPollIntervalMs?: number;
    /** What to do with a row that the schema refuses. Default `fail`. One that is set aside counts as none: a row that it replaces is deleted. */
    readonly onInvalidRow?: OnInvalidSqlRow;
    /** Rows of a result at most; all of them are in memory and in each checkpoint. Default 50,000. */
    readonly maxKeys?: number;
  };

/**
 * Polls an SQL statement and emits what has changed: first all of its rows, then those that are new, have other values or
 * are gone. One reader polls, at any parallelism; the timestamp of a change is the time at which its result was asked for.
 *
 * @example
 * const source = new DruidSqlChangesSource({
 *   druid: { url: 'http://localhost:8888' },
 *   query: 'SELECT page, SUM(added) AS added FROM edits GROUP BY 1',
 *   columns: { page: 'string', added: 'long' },
 *   key: ['page'],
 *   pollIntervalMs: 5000,
 * }); // Source<SqlChange<{ page: string | null; added: number | null }>>
 * @throws DruidSourceConfigError
 */
export class DruidSqlChangesSource<
  const C extends SqlColumnTypes = never,
  S extends z.ZodType = never,
  I extends Int64Mode = 'safe-number',
> implements Source<SqlChange<SqlSourceRow<C, S, I>>, SqlSplit, SqlEnumeratorState> {
  readonly boundedness = 'unbounded';
  readonly sideOutputs: readonly OutputTag<unknown>[];
  private readonly openClient: OpenClient;
  private readonly rows: SqlRowSettings;
  private readonly call: SqlCall;
  private readonly key: readonly string[];
  private readonly maxKeys: number;
  private readonly maxAttempts: number;
  private readonly pollIntervalMs: number;
  private readonly maxPollIntervalMs: number;
  private readonly query: string;

  constructor(options: DruidSqlChangesSourceOptions<C, S, I>) {
    const { query, parameters, key, pollIntervalMs, columns } = options;
    this.rows = rowSettingsOf(options);
    this.sideOutputs = sideOutputsOf(this.rows.onInvalidRow);
    this.openClient = clientOpener(options.druid);
    this.call = { query, parameters };
    if (key.length === 0) throw invalid('key', 'is empty; name the columns that tell rows apart');
    const undeclared = columns === undefined ? undefined : key.find((column) => !(column in columns));
    if (undeclared !== undefined)
      throw invalid('key', `names '${undeclared}', which 'columns' does not declare`);
    this.key = [...key];
    this.maxKeys = wholeNumber('maxKeys', options.maxKeys ?? 50_000);
    this.maxAttempts = wholeNumber('maxAttempts', options.maxAttempts ?? 6);
    this.pollIntervalMs = wholeNumber('pollIntervalMs', pollIntervalMs);
    const longest = options.maxPollIntervalMs ?? pollIntervalMs * 10;
    this.maxPollIntervalMs = wholeNumber('maxPollIntervalMs', longest, pollIntervalMs);
    this.query = fingerprintOf('changes', this.key, textOf(query));
  }

  createEnumerator(
    context: SplitEnumeratorContext<SqlSplit>,
    restored?: SqlEnumeratorState,
  ): SplitEnumerator<SqlSplit, SqlEnumeratorState> {
    return new SqlEnumerator({ context, plan: { kind: 'once' }, query: this.query }, restored);
  }

  createReader(context: SourceReaderContext): SourceReader<SqlChange<SqlSourceRow<C, S, I>>, SqlSplit> {
    const { rows, call, query, key, maxKeys, maxAttempts, pollIntervalMs, maxPollIntervalMs, openClient } =
      this;
    return new ChangesReader<SqlSourceRow<C, S, I>>({
      context,
      rows,
      call,
      query,
      key,
      maxKeys,
      maxAttempts,
      pollIntervalMs,
      maxPollIntervalMs,
      openClient,
    });
  }
}
