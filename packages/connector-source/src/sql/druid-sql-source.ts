import type {
  Boundedness,
  OutputTag,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import {
  sql,
  SqlFragment,
  type Int64Mode,
  type SqlColumnTypes,
  type SqlParameter,
  type SqlQueryText,
} from '@millrace/druid-client';
import type { z } from 'zod';
import { epochMs, type Moment } from '../druid-source-options.js';
import { clientOpener } from '../druid-source.js';
import type { TimeRange } from '../druid-split.js';
import { sideOutputsOf } from '../invalid-rows.js';
import { SplitReader, type OpenClient } from '../split-reader.js';
import { startedPlan, type RangePlan } from './range-plan.js';
import { SqlEnumerator } from './sql-enumerator.js';
import {
  invalid,
  rowSettingsOf,
  wholeNumber,
  type SqlSourceRow,
  type SqlSourceRows,
  type SqlSourceSettings,
} from './sql-options.js';
import { SqlReading, type IdlePause } from './sql-reading.js';
import type { OnInvalidSqlRow, SqlCall, SqlRowSettings } from './sql-rows.js';
import { fingerprintOf, type SqlEnumeratorState, type SqlSplit } from './sql-split.js';

/** The stretch of time that one run of a statement is to cover: `start <= __time < end`. */
export interface SqlTimeRange {
  readonly start: Date;
  readonly end: Date;
  /** `"__time" >= start AND "__time" < end`, for the WHERE of a template. */
  readonly condition: SqlFragment;
}

/** Makes the statement for a range. The text must be the same for all ranges; only values may differ. */
export type SqlOfRange = (range: SqlTimeRange) => SqlFragment;

/** Follows the time: ranges are queried once they are old enough. All in milliseconds. */
export interface SqlIncremental {
  /** Where to begin. Default: at the time of the source's first start in this process, less the lateness. */
  readonly start?: Moment;
  /** How long after its `__time` a row may become queryable. Rows that take longer are missed. */
  readonly latenessMs: number;
  /** The shortest range; also the shortest wait between two queries of a reader that has caught up. */
  readonly pollIntervalMs: number;
  /** The longest wait of a reader whose ranges are empty. Default ten times `pollIntervalMs`. */
  readonly maxPollIntervalMs?: number;
  /** The longest range of one query, while catching up. Default one hour. */
  readonly maxRangeMs?: number;
  /** Ranges begin and end at multiples of this (UTC), so that groups by time are whole. Default 1. */
  readonly alignMs?: number;
}

/** The statement, and how it is run. */
export type SqlStatementOptions =
  | {
      /** Run once. */
      readonly query: SqlQueryText;
      /** For the `?` of a text. */
      readonly parameters?: readonly SqlParameter[];
      readonly interval?: never;
      readonly splitMs?: never;
      readonly incremental?: never;
    }
  | {
      /** Run once for each part of the interval. */
      readonly query: SqlOfRange;
      readonly interval: { readonly start: Moment; readonly end: Moment };
      /** Length of a part, in milliseconds; parts begin at the interval's start. */
      readonly splitMs: number;
      readonly parameters?: never;
      readonly incremental?: never;
    }
  | {
      /** Run again and again as time goes on. */
      readonly query: SqlOfRange;
      readonly incremental: SqlIncremental;
      readonly parameters?: never;
      readonly interval?: never;
      readonly splitMs?: never;
    };

/** Options of {@link DruidSqlSource}. */
export type DruidSqlSourceOptions<
  C extends SqlColumnTypes,
  S extends z.ZodType,
  I extends Int64Mode,
> = SqlSourceSettings<I> &
  SqlSourceRows<C, S> &
  SqlStatementOptions & {
    /**
     * Whether the statement's ORDER BY leaves no ties. `any`, the default: each result is held in memory. `total`: results
     * are read in pieces, and a restored job runs the statement again and goes on after the rows it has had.
     */
    readonly order?: 'any' | 'total';
    /** The column that is the record's timestamp. Default `__time`, if there is such a column. */
    readonly timeColumn?: string;
    /** Rows that each reader holds at most; `order: 'any'`: rows of one result at most, of which two may be held. Default 50,000. */
    readonly maxBufferedRows?: number;
    /** What to do with a row that the schema refuses. Default `fail`. */
    readonly onInvalidRow?: OnInvalidSqlRow;
  };

/**
 * Reads the result of any SQL statement as a stream: once, in parts of an interval that are read in parallel, or without an
 * end as time goes on. Each result is emitted exactly once with respect to checkpoints.
 *
 * @example
 * const source = new DruidSqlSource({
 *   druid: { url: 'http://localhost:8888' },
 *   query: ({ condition }) => sql`SELECT FLOOR(__time TO HOUR) AS "hour", page, SUM(added) AS added FROM edits
 *     WHERE ${condition} GROUP BY 1, 2`,
 *   interval: { start: '2026-01-01', end: '2026-02-01' },
 *   splitMs: 86_400_000,
 *   columns: { hour: 'timestamp not null', page: 'string', added: 'long' },
 *   timeColumn: 'hour',
 * }); // Source<{ hour: number; page: string | null; added: number | null }>
 * @throws DruidSourceConfigError
 */
export class DruidSqlSource<
  const C extends SqlColumnTypes = never,
  S extends z.ZodType = never,
  I extends Int64Mode = 'safe-number',
> implements Source<SqlSourceRow<C, S, I>, SqlSplit, SqlEnumeratorState> {
  readonly boundedness: Boundedness;
  readonly sideOutputs: readonly OutputTag<unknown>[];
  private readonly openClient: OpenClient;
  private plan: RangePlan;
  private readonly idlePause: IdlePause | undefined;
  private readonly callFor: (split: SqlSplit) => SqlCall;
  private readonly rows: SqlRowSettings;
  private readonly order: 'any' | 'total';
  private readonly maxBufferedRows: number;
  private readonly maxAttempts: number;
  private readonly query: string;

  constructor(options: DruidSqlSourceOptions<C, S, I>) {
    this.rows = rowSettingsOf(options);
    this.sideOutputs = sideOutputsOf(this.rows.onInvalidRow);
    this.openClient = clientOpener(options.druid);
    this.plan = planOf(options);
    this.boundedness = this.plan.kind === 'incremental' ? 'unbounded' : 'bounded';
    this.idlePause = idlePauseOf(options.incremental);
    this.order = options.order ?? 'any';
    this.maxBufferedRows = wholeNumber('maxBufferedRows', options.maxBufferedRows ?? 50_000);
    this.maxAttempts = wholeNumber('maxAttempts', options.maxAttempts ?? 6);
    const { query, parameters } = options;
    this.callFor = ({ range }) =>
      typeof query === 'function' ? { query: query(sqlRangeOf(range)) } : { query, parameters };
    this.query = fingerprintOf(meaningOf(this.plan), this.order, this.sampleText());
  }

  createEnumerator(
    context: SplitEnumeratorContext<SqlSplit>,
    restored?: SqlEnumeratorState,
  ): SplitEnumerator<SqlSplit, SqlEnumeratorState> {
    // A job that fails before its first checkpoint reads again what it read, and skips nothing.
    this.plan = startedPlan(this.plan, context.clock.now());
    const { plan, query } = this;
    return new SqlEnumerator({ context, plan, query }, restored);
  }

  createReader(context: SourceReaderContext): SourceReader<SqlSourceRow<C, S, I>, SqlSplit> {
    const { rows, callFor, query, order, maxBufferedRows, maxAttempts, idlePause, openClient } = this;
    const reading = new SqlReading<SqlSourceRow<C, S, I>>({
      context,
      rows,
      callFor,
      query,
      order,
      maxBufferedRows,
      maxAttempts,
      idlePause,
    });
    return new SplitReader({ context, openClient, maxBufferedRows, reading });
  }

  /** The statement's text, which is the same for all ranges. */
  private sampleText(): string {
    const range = { startMs: 0, endMs: 1 };
    const { query } = this.callFor({ splitId: '', range, query: '', position: 0, digest: null, rows: null });
    return textOf(query);
  }
}

/** @throws DruidSourceConfigError for anything but text and templates */
export function textOf(query: SqlQueryText): string {
  if (SqlFragment.is(query)) return query.toStatement().text;
  if (typeof query === 'string' && query.trim() !== '') return query;
  throw invalid('query', 'is no statement; write a text, a template sql`…`, or (range) => sql`…`');
}

function sqlRangeOf(range: TimeRange | null): SqlTimeRange {
  const { startMs, endMs } = range as TimeRange; // a function of ranges always comes with a plan of ranges
  const [start, end] = [new Date(startMs), new Date(endMs)];
  return { start, end, condition: sql`"__time" >= ${start} AND "__time" < ${end}` };
}

interface PlanOptions {
  readonly query: SqlQueryText | SqlOfRange;
  readonly interval?: { readonly start: Moment; readonly end: Moment } | undefined;
  readonly splitMs?: number | undefined;
  readonly incremental?: SqlIncremental | undefined;
}

function planOf({ query, interval, splitMs, incremental }: PlanOptions): RangePlan {
  const isOfRange = typeof query === 'function';
  if (interval !== undefined && incremental !== undefined) {
    throw invalid(
      'incremental',
      "and 'interval' exclude each other: one goes on without an end, the other ends",
    );
  }
  if (isOfRange !== (interval !== undefined || incremental !== undefined)) {
    throw invalid(
      'query',
      "must be (range) => sql`…` with 'interval' or 'incremental', and a statement without them",
    );
  }
  if (incremental !== undefined) return incrementalPlan(incremental);
  if (interval === undefined) return { kind: 'once' };
  const startMs = moment('interval.start', interval.start);
  const endMs = moment('interval.end', interval.end);
  if (startMs >= endMs) throw invalid('interval', 'must start before it ends');
  return { kind: 'interval', startMs, endMs, splitMs: wholeNumber('splitMs', splitMs ?? Number.NaN) };
}

function incrementalPlan(incremental: SqlIncremental): RangePlan {
  const { start, latenessMs, pollIntervalMs, maxRangeMs = 3_600_000, alignMs = 1 } = incremental;
  wholeNumber('incremental.alignMs', alignMs);
  if (wholeNumber('incremental.maxRangeMs', maxRangeMs) % alignMs !== 0) {
    throw invalid(
      'incremental.maxRangeMs',
      `is ${maxRangeMs}; it must be a multiple of alignMs (${alignMs})`,
    );
  }
  return {
    kind: 'incremental',
    startMs: start === undefined ? null : moment('incremental.start', start),
    latenessMs: wholeNumber('incremental.latenessMs', latenessMs, 0),
    pollIntervalMs: wholeNumber('incremental.pollIntervalMs', pollIntervalMs),
    maxRangeMs,
    alignMs,
  };
}

/** What a position depends on; the other numbers may change under a checkpoint. */
function meaningOf(plan: RangePlan): readonly unknown[] {
  if (plan.kind === 'interval') return [plan.kind, plan.startMs, plan.endMs];
  return plan.kind === 'incremental' ? [plan.kind, plan.alignMs] : [plan.kind];
}

function idlePauseOf(incremental: SqlIncremental | undefined): IdlePause | undefined {
  if (incremental === undefined) return undefined;
  const { pollIntervalMs: minMs, maxPollIntervalMs = minMs * 10 } = incremental;
  return { minMs, maxMs: wholeNumber('incremental.maxPollIntervalMs', maxPollIntervalMs, minMs) };
}

function moment(option: string, value: Moment): number {
  const ms = epochMs(value);
  if (!Number.isNaN(ms)) return ms;
  throw invalid(option, `is ${JSON.stringify(value)}; give a Date, epoch milliseconds or ISO 8601 text`);
}
