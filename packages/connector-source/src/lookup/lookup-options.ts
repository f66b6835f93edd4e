import {
  DruidClient,
  type DruidClientOptions,
  type Int64Mode,
  type SqlColumnTypes,
  type SqlFragment,
  type SqlRowOf,
} from '@millrace/druid-client';
import type { z } from 'zod';
import { DruidSourceConfigError } from '../errors.js';
import { LookupKeys, type LookupKeyColumns } from './lookup-key.js';

/**
 * Which rows of a key a record gets: `one`, its only row (several are an error); `all` of them; `version`, the row that was
 * valid at the record's event time: the latest whose version column is not later.
 */
export type LookupMatch = 'one' | 'all' | 'version';

/** How much is remembered, and for how long. */
export interface LookupCacheOptions {
  /** Rows at most in each subtask; a key without rows counts as one. 0: nothing is remembered. Default 100,000. */
  readonly maxRows?: number;
  /** Milliseconds, from the moment in which the query began. Default 10 minutes. */
  readonly ttlMs?: number;
  /** The same for keys that Druid has no row of. Default 1 minute; 0: they are asked for again each time. */
  readonly negativeTtlMs?: number;
}

/** How keys are put together into queries, in each subtask. */
export interface LookupBatchOptions {
  /** Keys per query at most. Default 500. */
  readonly maxKeys?: number;
  /** Milliseconds by the job's clock that a key waits for others. Default 5. */
  readonly maxDelayMs?: number;
  /** Queries at the same time. Default 4. */
  readonly maxConcurrentQueries?: number;
}

/** What a row is: declared columns, or a zod schema of an object whose keys are the columns. */
export type LookupRows<C extends SqlColumnTypes, S extends z.ZodObject> =
  { readonly columns: C; readonly schema?: never } | { readonly schema: S; readonly columns?: never };

/** Options of {@link DruidLookup}, apart from the columns. */
export interface DruidLookupSettings<K extends LookupKeyColumns, I extends Int64Mode, M extends LookupMatch> {
  /** A client, which stays the caller's to close, or the options of one, which each subtask then opens and closes. */
  readonly druid: DruidClient | DruidClientOptions;
  /** A datasource, or a query in its place: sql`SELECT … FROM … GROUP BY …`. */
  readonly from: string | SqlFragment;
  /** The columns to look up by, such as `{ iata: 'string' }`. */
  readonly key: K;
  /** Default `one`. */
  readonly match?: M;
  /** With match `version`: the column (TIMESTAMP, or LONG of epoch milliseconds) from which on a row is valid. Default `__time`. */
  readonly versionColumn?: string;
  /**
   * With match `version`: the column (of the same types) that says until when a row is valid, that moment excluded; null: as
   * long as there is no later one. Default: none.
   */
  readonly validToColumn?: string;
  /** With match `all` and `version`: more rows of one key fail the job. Default 1,000. */
  readonly maxRowsPerKey?: number;
  /** What LONG columns become; see {@link Int64Mode}. Default `safe-number`. */
  readonly int64?: I;
  readonly cache?: LookupCacheOptions;
  readonly batch?: LookupBatchOptions;
  /** Druid's query context, such as `{ timeout, priority, lane }`. */
  readonly queryContext?: Readonly<Record<string, unknown>>;
}

export type DruidLookupOptions<
  K extends LookupKeyColumns,
  C extends SqlColumnTypes,
  S extends z.ZodObject,
  I extends Int64Mode,
  M extends LookupMatch,
> = DruidLookupSettings<K, I, M> & LookupRows<C, S>;

/** A row of a lookup: of the schema if there is one, else of the columns. It is shared between records: never change it. */
export type LookupRow<C extends SqlColumnTypes, S extends z.ZodObject, I extends Int64Mode> = Readonly<
  [S] extends [never] ? SqlRowOf<C, I> : z.output<S>
>;

/** What a row is: declared columns, or a schema whose keys are the columns. */
export type LookupShape =
  | { readonly kind: 'columns'; readonly columns: SqlColumnTypes }
  | { readonly kind: 'schema'; readonly schema: z.ZodObject };

/** What to read, settled when the lookup is made. */
export interface LookupReading {
  readonly from: string | SqlFragment;
  readonly keys: LookupKeys;
  readonly shape: LookupShape;
  readonly int64: Int64Mode;
  readonly match: LookupMatch;
  /** With match `version`. */
  readonly version:
    { readonly versionColumn: string; readonly validToColumn: string | undefined } | undefined;
  readonly maxRowsPerKey: number;
  readonly queryContext: Readonly<Record<string, unknown>>;
}

/** Options, checked and complete. */
export interface LookupSettings {
  readonly reading: LookupReading;
  readonly cache: Required<LookupCacheOptions>;
  readonly batch: Required<LookupBatchOptions>;
}

/** @throws DruidSourceConfigError for options that cannot work */
export function lookupSettings(
  options: DruidLookupOptions<LookupKeyColumns, SqlColumnTypes, z.ZodObject, Int64Mode, LookupMatch>,
): LookupSettings {
  const { from, match = 'one', cache = {}, batch = {}, columns, schema } = options;
  if (from === '') throw invalid('from', 'is empty; name a datasource');
  if (match !== 'one' && match !== 'all' && match !== 'version') {
    throw invalid('match', `is ${JSON.stringify(match)}; it is 'one', 'all' or 'version'`);
  }
  for (const option of ['versionColumn', 'validToColumn'] as const) {
    if (options[option] === undefined || match === 'version') continue;
    throw invalid(option, "is given, but match is not 'version'");
  }
  if ((columns === undefined) === (schema === undefined)) {
    throw invalid('columns', "and 'schema' exclude each other; give exactly one of them");
  }
  const shape =
    schema === undefined
      ? ({ kind: 'columns', columns: columns as SqlColumnTypes } as const)
      : ({ kind: 'schema', schema } as const);
  if (Object.keys(shape.kind === 'columns' ? shape.columns : shape.schema.shape).length === 0) {
    throw invalid('columns', 'is empty; name at least one column');
  }
  return {
    reading: {
      from,
      keys: new LookupKeys(options.key),
      shape,
      int64: options.int64 ?? 'safe-number',
      match,
      version:
        match === 'version'
          ? { versionColumn: options.versionColumn ?? '__time', validToColumn: options.validToColumn }
          : undefined,
      maxRowsPerKey: match === 'one' ? 1 : wholeNumber('maxRowsPerKey', options.maxRowsPerKey ?? 1000, 1),
      queryContext: options.queryContext ?? {},
    },
    cache: {
      maxRows: wholeNumber('cache.maxRows', cache.maxRows ?? 100_000, 0),
      ttlMs: wholeNumber('cache.ttlMs', cache.ttlMs ?? 600_000, 0),
      negativeTtlMs: wholeNumber('cache.negativeTtlMs', cache.negativeTtlMs ?? 60_000, 0),
    },
    batch: {
      maxKeys: wholeNumber('batch.maxKeys', batch.maxKeys ?? 500, 1),
      maxDelayMs: wholeNumber('batch.maxDelayMs', batch.maxDelayMs ?? 5, 0),
      maxConcurrentQueries: wholeNumber('batch.maxConcurrentQueries', batch.maxConcurrentQueries ?? 4, 1),
    },
  };
}

/** The client that a subtask uses, and what to do with it in the end. */
export interface LookupClient {
  readonly druid: DruidClient;
  release(): void;
}

export function openLookupClient(druid: DruidClient | DruidClientOptions): LookupClient {
  if ('sql' in druid) return { druid, release: () => undefined };
  const own = new DruidClient(druid);
  return { druid: own, release: () => own.close() };
}

/** @throws DruidSourceConfigError unless `value` is a whole number of at least `minimum` */
export function wholeNumber(option: string, value: number, minimum: number, owner = 'DruidLookup'): number {
  if (Number.isSafeInteger(value) && value >= minimum) return value;
  throw invalid(option, `is ${value}; it must be a whole number of at least ${minimum}`, owner);
}

export function invalid(option: string, problem: string, owner = 'DruidLookup'): DruidSourceConfigError {
  return new DruidSourceConfigError(`${owner} option '${option}' ${problem}.`, { details: { option } });
}
