import { createHash } from 'node:crypto';
import type {
  Boundedness,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import { DruidClient, type DruidClientOptions, type Int64Mode } from '@millrace/druid-client';
import type { z } from 'zod';
import { dataServerOpener, type OpenDataServer } from './data-servers.js';
import type { DruidColumns, RowOf } from './druid-columns.js';
import type { DruidSplit, TimeRange } from './druid-split.js';
import { DruidSourceConfigError } from './errors.js';
import type { DruidFilter } from './filters.js';
import type { OnReplaced } from './poll-segments.js';
import {
  createRowDecoder,
  readingsOf,
  requestedColumns,
  type OnInvalidRow,
  type RowShape,
} from './row-decoder.js';
import { listColumns } from './segment-catalog.js';
import {
  SegmentEnumerator,
  type DruidEnumeratorState,
  type UnboundedSettings,
} from './segment-enumerator.js';
import { SegmentReader, type OpenClient } from './segment-reader.js';
import type { ReadPath } from './segment-route.js';
import type { ScanSettings } from './scan-tools.js';

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
   * others from here, or where `druid` is a client. Default: the options `druid` with that address, so data servers get
   * the same credentials; none (`auto` then reads through the Broker) if `druid` is a client.
   */
  readonly openDataServer?: OpenDataServer;
  /** How rows travel. Default `smile`, which is faster; FLOAT columns then have the exact value of their 32 bits. */
  readonly format?: 'json' | 'smile';
  /** Rows with `start <= __time < end`. Default: all. */
  readonly interval?: { readonly start: Moment; readonly end: Moment };
  /** Evaluated by Druid. */
  readonly filter?: DruidFilter;
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
  /** How long to wait for a segment that is published but not loaded. Default 5 minutes. */
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

/**
 * Reads a Druid datasource as a stream: one split per published segment, each proven complete, resumable in the middle.
 * `__time` is the record's timestamp whether or not it is among the columns.
 *
 * @example
 * const source = new DruidSource({
 *   druid: { url: 'http://localhost:8888' },
 *   dataSource: 'airport_delays',
 *   columns: { __time: 'timestamp', origin: 'string', flights: 'long' },
 * }); // Source<{ __time: number; origin: string | null; flights: number | null }>
 * @throws DruidSourceConfigError
 */
export class DruidSource<
  C extends DruidColumns = never,
  S extends z.ZodObject = never,
  I extends Int64Mode = 'safe-number',
> implements Source<DruidRow<C, S, I>, DruidSplit, DruidEnumeratorState> {
  readonly boundedness: Boundedness;
  private readonly openClient: OpenClient;
  private readonly openDataServer: OpenDataServer | undefined;
  private readonly shape: RowShape;
  private readonly settings: ScanSettings;
  private readonly unbounded: UnboundedSettings | undefined;
  private readonly maxBufferedRows: number;
  private readonly onInvalidRow: OnInvalidRow;
  /** Fingerprint of everything that gives a position its meaning. */
  private readonly query: string;

  constructor(options: DruidSourceOptions<C, S, I>) {
    this.shape = shapeOf(options);
    this.openClient = clientOpener(options.druid);
    const path = oneOf('path', options.path ?? 'auto', ['auto', 'direct', 'broker']);
    this.openDataServer = path === 'broker' ? undefined : openerOf(options);
    if (path === 'direct' && this.openDataServer === undefined) {
      throw invalid(
        'path',
        "is 'direct', but 'druid' is a client; give 'openDataServer' too, or a client's options",
      );
    }
    this.unbounded = unboundedOf(options.mode);
    this.boundedness = this.unbounded === undefined ? 'bounded' : 'unbounded';
    this.maxBufferedRows = positiveInteger('maxBufferedRows', options.maxBufferedRows ?? 16_384);
    this.onInvalidRow = options.onInvalidRow ?? 'fail';
    const { dataSource, filter, int64 = 'safe-number', queryContext = {} } = options;
    if (dataSource === '') throw invalid('dataSource', 'is empty');
    const range = rangeOf(options.interval);
    this.settings = {
      dataSource,
      columns: requestedColumns(this.shape),
      filter,
      range,
      int64,
      path,
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
    const read = JSON.stringify([dataSource, filter ?? null, range ?? null]);
    this.query = createHash('sha256').update(read).digest('hex').slice(0, 16);
  }

  createEnumerator(
    context: SplitEnumeratorContext<DruidSplit>,
    restored?: DruidEnumeratorState,
  ): SplitEnumerator<DruidSplit, DruidEnumeratorState> {
    const { openClient, unbounded, query } = this;
    const { dataSource, range } = this.settings;
    const readings = { ...readingsOf(this.shape), __time: 'timestamp' as const };
    return new SegmentEnumerator(
      { context, openClient, dataSource, readings, range, query, unbounded },
      restored,
    );
  }

  createReader(context: SourceReaderContext): SourceReader<DruidRow<C, S, I>, DruidSplit> {
    const { shape, settings, onInvalidRow } = this;
    return new SegmentReader<DruidRow<C, S, I>>({
      context,
      settings,
      query: this.query,
      maxBufferedRows: this.maxBufferedRows,
      openClient: this.openClient,
      openDataServer: this.openDataServer,
      prepareDecoder: async ({ druid, signal }) => {
        const { int64, dataSource } = settings;
        if (shape.kind === 'columns') return createRowDecoder({ shape, int64, onInvalidRow });
        const sqlTypes = await listColumns(druid, dataSource, signal);
        return createRowDecoder({ shape, sqlTypes, int64, onInvalidRow });
      },
    });
  }
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

/** Lends the caller's client, or one of its own that `release` closes. */
export function clientOpener(druid: DruidClient | DruidClientOptions): OpenClient {
  if ('native' in druid) return () => ({ druid, release: () => undefined });
  return () => {
    const own = new DruidClient(druid);
    return { druid: own, release: () => own.close() };
  };
}

function openerOf(options: Pick<DruidSourceSettings<Int64Mode>, 'druid' | 'openDataServer'>) {
  const { druid, openDataServer } = options;
  return openDataServer ?? ('native' in druid ? undefined : dataServerOpener(druid));
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
  const hasTimeButNoZone = typeof moment === 'string' && /T[\d:.]+$/.test(moment);
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
