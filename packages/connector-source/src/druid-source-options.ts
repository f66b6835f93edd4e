import { createHash } from 'node:crypto';
import type { DruidClient, DruidClientOptions, Int64Mode, VirtualColumn } from '@millrace/druid-client';
import type { z } from 'zod';
import type { OpenDataServer } from './data-servers.js';
import type { DruidColumns, RowOf } from './druid-columns.js';
import type { TimeRange } from './druid-split.js';
import { DruidSourceConfigError } from './errors.js';
import type { DruidFilter } from './filters.js';
import type { OnReplaced } from './poll-segments.js';
import { readingsOf, requestedColumns, type OnInvalidRow, type RowShape } from './row-decoder.js';
import type { ScanSettings } from './scan-tools.js';
import type { UnboundedSettings } from './segment-enumerator.js';
import type { ReadPath } from './segment-route.js';
import { checkVirtualColumns } from './virtual-columns.js';

/** A moment: a Date, epoch milliseconds, or ISO 8601 text (UTC unless it says otherwise). */
export type Moment = Date | number | string;

/** `bounded` reads what is published when the job starts, then ends; `unbounded` goes on with what is published later. */
export type DruidSourceMode =
  | 'bounded'
  | {
      readonly unbounded: {
        /** The longest wait between two looks at the segments. */
        readonly pollIntervalMs: number;
        /** When data that was read is replaced by something else than a compaction. Default `fail`. */
        readonly onReplaced?: OnReplaced;
        /** How long to remember a segment that is no longer published. Default one day. */
        readonly forgetAfterMs?: number;
      };
    };

/** What a row is: declared columns, or a zod schema of an object whose keys are the columns. */
export type DruidSourceRows<C extends DruidColumns, S extends z.ZodObject> =
  { readonly columns: C; readonly schema?: never } | { readonly schema: S; readonly columns?: never };

/** Options of {@link DruidSource}, apart from the columns. */
export interface DruidSourceSettings<I extends Int64Mode> {
  /** A client, which stays the caller's to close, or the options of one, which the source then opens and closes. */
  readonly druid: DruidClient | DruidClientOptions;
  readonly dataSource: string;
  /** Where segments are read; see {@link ReadPath}. Default `auto`. */
  readonly path?: ReadPath;
  /**
   * Makes a client of a data server at the address that Druid has for it, which the source closes: for addresses that are
   * others from here. Default: `druid` at that address, so data servers get the same credentials.
   */
  readonly openDataServer?: OpenDataServer;
  /** How rows travel. Default `smile`, which is faster; FLOAT columns then have the exact value of their 32 bits. */
  readonly format?: 'json' | 'smile';
  /** Rows with `start <= __time < end`. Default: all. */
  readonly interval?: { readonly start: Moment; readonly end: Moment };
  /** Columns that Druid computes from others; name those to be read among the columns, with the type that they yield. */
  readonly virtualColumns?: readonly VirtualColumn[];
  /** Evaluated by Druid; may name virtual columns. */
  readonly filter?: DruidFilter;
  /**
   * Only the first rows, in the order of segments (interval, version, partition) and of the rows inside them: the same
   * rows whenever the segments are the same. For bounded reads. Default: all.
   */
  readonly limit?: number;
  /** What LONG columns become; see {@link Int64Mode}. Default `safe-number`. */
  readonly int64?: I;
  /** Rows per batch of a scan. Default 4,096. */
  readonly batchSize?: number;
  /** Rows that each reader holds at most, plus one batch. Default 16,384. */
  readonly maxBufferedRows?: number;
  /** Default `bounded`. */
  readonly mode?: DruidSourceMode;
  /** Default `fail`. */
  readonly onInvalidRow?: OnInvalidRow;
  /** Attempts in a row that bring no new row before a split fails. Default 6, about 8 s. */
  readonly maxAttempts?: number;
  /** How long to wait for a segment that is published but not loaded, or whose server is away. Default 5 minutes. */
  readonly availabilityTimeoutMs?: number;
  /** Druid's query context, such as `{ timeout, priority, lane }`. */
  readonly queryContext?: Readonly<Record<string, unknown>>;
}

export type DruidSourceOptions<
  C extends DruidColumns,
  S extends z.ZodObject,
  I extends Int64Mode,
> = DruidSourceSettings<I> & DruidSourceRows<C, S>;

/** The record type: of the schema if there is one, else of the columns. */
export type DruidRow<C extends DruidColumns, S extends z.ZodObject, I extends Int64Mode> = [S] extends [never]
  ? RowOf<C, I>
  : z.output<S>;

/** Options of {@link DruidSource}, checked and complete. */
export interface CheckedOptions {
  readonly shape: RowShape;
  readonly settings: ScanSettings;
  readonly unbounded: UnboundedSettings | undefined;
  readonly limit: number | undefined;
  readonly maxBufferedRows: number;
  readonly onInvalidRow: OnInvalidRow;
  readonly openDataServer: OpenDataServer | undefined;
  /** Fingerprint of everything that gives a position its meaning. */
  readonly query: string;
}

/** @throws DruidSourceConfigError for options that cannot work */
export function checkedOptions(
  options: DruidSourceOptions<DruidColumns, z.ZodObject, Int64Mode>,
): CheckedOptions {
  const { dataSource, filter, virtualColumns = [], int64 = 'safe-number', queryContext = {} } = options;
  const shape = shapeOf(options);
  const unbounded = unboundedOf(options.mode);
  if (dataSource === '') throw invalid('dataSource', 'is empty');
  checkVirtualColumns(virtualColumns, readingsOf(shape));
  const range = rangeOf(options.interval);
  const limit = options.limit === undefined ? undefined : positiveInteger('limit', options.limit);
  if (limit !== undefined && unbounded !== undefined) {
    throw invalid('limit', 'is for bounded reads; an unbounded one has no last row');
  }
  const settings: ScanSettings = {
    dataSource,
    columns: requestedColumns(shape),
    virtualColumns,
    filter,
    range,
    int64,
    path: oneOf('path', options.path ?? 'auto', ['auto', 'direct', 'broker']),
    format: oneOf('format', options.format ?? 'smile', ['json', 'smile']),
    batchSize: positiveInteger('batchSize', options.batchSize ?? 4096),
    queryContext,
    policy: {
      maxAttempts: positiveInteger('maxAttempts', options.maxAttempts ?? 6),
      availabilityTimeoutMs: positiveInteger(
        'availabilityTimeoutMs',
        options.availabilityTimeoutMs ?? 300_000,
      ),
    },
  };
  return {
    shape,
    settings,
    unbounded,
    limit,
    maxBufferedRows: positiveInteger('maxBufferedRows', options.maxBufferedRows ?? 16_384),
    onInvalidRow: options.onInvalidRow ?? 'fail',
    openDataServer: options.openDataServer,
    query: fingerprintOf([dataSource, filter ?? null, range ?? null, virtualColumns, limit ?? null]),
  };
}

/** Of everything that gives a position its meaning. */
function fingerprintOf(read: readonly unknown[]): string {
  const text = JSON.stringify(read, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function shapeOf(options: { readonly columns?: DruidColumns; readonly schema?: z.ZodObject }): RowShape {
  const { columns, schema } = options;
  if ((columns === undefined) === (schema === undefined)) {
    throw invalid('columns', "and 'schema' exclude each other; give exactly one of them");
  }
  const shape: RowShape =
    schema === undefined ? { kind: 'columns', columns: columns as DruidColumns } : { kind: 'schema', schema };
  const names = Object.keys(schema === undefined ? (columns as DruidColumns) : schema.shape);
  if (names.length === 0) throw invalid('columns', 'is empty; name at least one column');
  for (const [name, type] of Object.entries(columns ?? {})) {
    if ((type === 'timestamp') !== (name === '__time')) {
      throw invalid(
        `columns.${name}`,
        `is '${type}'; 'timestamp' belongs to __time and to nothing else (use 'long')`,
      );
    }
  }
  return shape;
}

function unboundedOf(mode: DruidSourceMode | undefined): UnboundedSettings | undefined {
  if (mode === undefined || mode === 'bounded') return undefined;
  const { pollIntervalMs, onReplaced = 'fail', forgetAfterMs = 86_400_000 } = mode.unbounded;
  return {
    pollIntervalMs: positiveInteger('pollIntervalMs', pollIntervalMs),
    onReplaced,
    forgetAfterMs: positiveInteger('forgetAfterMs', forgetAfterMs),
  };
}

function rangeOf(
  interval: { readonly start: Moment; readonly end: Moment } | undefined,
): TimeRange | undefined {
  if (interval === undefined) return undefined;
  const range = { startMs: epochMs(interval.start), endMs: epochMs(interval.end) };
  if (range.startMs < range.endMs) return range;
  throw invalid(
    'interval',
    `runs from ${String(interval.start)} to ${String(interval.end)}; it must start before it ends`,
  );
}

/** Epoch milliseconds; NaN for text that is no time. */
export function epochMs(moment: Moment): number {
  // ISO text without a zone would be local time to JavaScript; Druid means UTC.
  const hasTimeButNoZone = typeof moment === 'string' && /[T ][\d:.]+$/.test(moment);
  return new Date(hasTimeButNoZone ? `${moment}Z` : moment).getTime();
}

function oneOf<T extends string>(option: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw invalid(option, `is '${value}'; it must be one of ${known.join(', ')}`);
}

function positiveInteger(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(option, `is ${value}; it must be a positive whole number`);
}

function invalid(option: string, problem: string): DruidSourceConfigError {
  return new DruidSourceConfigError(`DruidSource option '${option}' ${problem}.`, { details: { option } });
}
