/**
 * Runs the statement of a split: how the splits of `DruidSqlSource` are fetched and become records. The loop around it is
 * `split-reader.ts`.
 *
 * Invariant 1 (`order: 'any'`): of a split that was begun, a checkpoint holds the rows still to come, so it is never asked
 *   for again; of a split that was not begun it holds nothing, and it is. Two results are held at most.
 * Invariant 2 (`order: 'total'`): a checkpoint holds the digest of the rows taken; see `sql-fetch.ts`.
 */
import type { ReaderOutput, SourceReaderContext } from '@millrace/core-stream';
import type { QuestionTools } from '../scan-tools.js';
import type { OpenSplit, SplitReading } from '../split-reader.js';
import { addToDigest, digestSoFar } from './row-text.js';
import { fetchAll, fetchInOrder, type OrderedRows, type SqlTools } from './sql-fetch.js';
import { SqlRows, type SqlCall, type SqlRowSettings } from './sql-rows.js';
import { rangesByTime, requireSameStatement, type HeldRow, type SqlSplit } from './sql-split.js';

/** Rows that follow each other, and with `order: 'total'` the digest of all rows before them. */
export interface SqlBatch {
  readonly length: number;
  readonly rows: readonly HeldRow[];
  readonly before: OrderedRows['before'] | undefined;
}

interface OpenRange extends OpenSplit<SqlSplit> {
  /** `any`: all rows from the split's own position on, in order of emission. */
  held: readonly HeldRow[] | undefined;
  /** `total`: the batch that rows were last taken from, and how many. */
  last: { readonly batch: SqlBatch; readonly taken: number } | undefined;
}

/** The pause after a range without rows: doubled with each, from the first to the last. */
export interface IdlePause {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SqlReadingOptions {
  readonly context: SourceReaderContext;
  readonly rows: SqlRowSettings;
  readonly callFor: (split: SqlSplit) => SqlCall;
  readonly query: string;
  readonly order: 'any' | 'total';
  readonly maxBufferedRows: number;
  readonly maxAttempts: number;
  readonly idlePause: IdlePause | undefined;
}

const advice =
  "Make the ranges shorter ('splitMs', 'maxRangeMs'), raise 'maxBufferedRows', or give the statement an ORDER BY without " +
  "ties and set order: 'total', which reads it in pieces.";

export class SqlReading<Row> implements SplitReading<Row, SqlSplit, OpenRange, SqlBatch> {
  private readonly options: SqlReadingOptions;
  private readonly rows: SqlRows;
  private hasWarned = false;
  private lastPauseMs = 0;
  private readUpToMs: number | undefined;

  constructor(options: SqlReadingOptions) {
    this.options = options;
    const { context } = options;
    this.rows = new SqlRows(options.rows, context);
    context.metrics.gauge(
      'readLagMs',
      () => this.readUpToMs && Math.max(0, context.clock.now() - this.readUpToMs),
      { description: 'Milliseconds since the end of the last range that was read.' },
    );
  }

  open(splits: readonly SqlSplit[]): OpenRange[] {
    for (const split of splits) requireSameStatement(split.query, this.options.query);
    return rangesByTime(splits).map((split) => ({
      split,
      position: split.position,
      held: undefined,
      last: undefined,
    }));
  }

  async *fetch(open: OpenRange, questionTools: QuestionTools): AsyncGenerator<SqlBatch, void, undefined> {
    const { order, callFor, maxBufferedRows: maxRows, maxAttempts } = this.options;
    const { split } = open;
    const tools: SqlTools = { ...questionTools, rows: this.rows };
    if (order === 'any') {
      const limits = { maxAttempts, maxRows, advice };
      const rows =
        split.rows ?? this.inOrderOfTime(await fetchAll(split.splitId, callFor(split), limits, tools));
      open.held = rows; // invariant 1
      yield { length: rows.length, rows, before: undefined };
      return;
    }
    for await (const { rows, before } of fetchInOrder(split, callFor(split), maxAttempts, tools)) {
      yield { length: rows.length, rows, before };
    }
  }

  emit(open: OpenRange, batch: SqlBatch, from: number, count: number, output: ReaderOutput<Row>): void {
    const { splitId, range } = open.split;
    for (let i = 0; i < count; i++) {
      const held = batch.rows[from + i] as HeldRow;
      const row = batch.before === undefined ? held : { ...held }; // whoever gets it may change it before it is in a digest
      const record = this.rows.toRecord(row, splitId, open.position + i, output) as Row | undefined;
      const time = this.rows.timeOf(held);
      if (range !== null && time !== undefined && time < range.startMs && !this.hasWarned)
        this.warnOf(range.startMs - time, splitId);
      if (record !== undefined) output.collect(record, time);
    }
    open.last = { batch, taken: from + count };
  }

  snapshot({ split, position, held, last }: OpenRange): SqlSplit {
    if (position === split.position) return split; // nothing taken since
    if (held !== undefined) return { ...split, position, rows: held.slice(position - split.position) }; // invariant 1
    return { ...split, position, digest: digestOf(last) }; // invariant 2
  }

  /** Rows that follow are of later ranges: event time has come to the range's end, with or without rows. */
  finish({ split: { range } }: OpenRange): number | undefined {
    if (range === null) return undefined;
    this.readUpToMs = range.endMs;
    return this.rows.hasTime ? range.endMs - 1 : undefined;
  }

  pauseMs(rows: number): number {
    const { idlePause } = this.options;
    if (idlePause === undefined) return 0;
    const { minMs, maxMs } = idlePause;
    this.lastPauseMs = rows > 0 ? 0 : Math.min(maxMs, Math.max(minMs, this.lastPauseMs * 2));
    return this.lastPauseMs;
  }

  /** Event time may have come to the range's start before: such a row is late then. */
  private warnOf(beforeRangeMs: number, split: string): void {
    this.hasWarned = true;
    const { column } = this.options.rows.time;
    this.options.context.logger.warn(
      'Druid SQL rows lie before the range that they were read for; let the watermark lag by at least as much',
      { column, split, beforeRangeMs },
    );
  }

  /** All rows are here, so order is free: then a watermark need not lag by the length of a range. */
  private inOrderOfTime(rows: HeldRow[]): HeldRow[] {
    const time = (row: HeldRow): number => this.rows.timeOf(row) ?? -Infinity;
    return rows.sort((a, b) => (time(a) === time(b) ? 0 : time(a) - time(b)));
  }
}

function digestOf(last: OpenRange['last']): string | null {
  if (last?.batch.before === undefined) return null;
  const digest = last.batch.before.copy();
  addToDigest(digest, last.batch.rows.slice(0, last.taken));
  return digestSoFar(digest);
}
