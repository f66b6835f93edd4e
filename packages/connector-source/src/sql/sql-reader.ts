/**
 * Reads the splits of one subtask: a fetching loop runs statements and fills a bounded buffer, `pollNext` empties it.
 *
 * Invariant 1: a split's position counts exactly the rows that `pollNext` has taken.
 * Invariant 2 (`order: 'any'`): of a split that was begun, a checkpoint holds the rows still to come, so it is never asked
 *   for again; of a split that was not begun it holds nothing, and it is.
 * Invariant 3 (`order: 'total'`): a checkpoint holds the digest of the rows taken; see `sql-fetch.ts`.
 * Invariant 4: a split leaves the state only after its end marker; its output is released then, so that a finished split
 *   never holds event time back.
 * Invariant 5: rows read before a failure are emitted before the failure is raised.
 * Invariant 6: while `maxBufferedRows` are waiting no statement is run; `order: 'any'` holds two results of that size at most.
 */
import {
  sleep,
  type PollStatus,
  type ReaderOutput,
  type SourceReader,
  type SourceReaderContext,
} from '@millrace/core-stream';
import { RowBuffer } from '../row-buffer.js';
import type { OpenClient } from '../segment-reader.js';
import { addToDigest, digestSoFar } from './row-text.js';
import { fetchAll, fetchInOrder, type OrderedRows, type SqlTools } from './sql-fetch.js';
import { SqlRows, type SqlCall, type SqlRowSettings } from './sql-rows.js';
import { rangesByTime, requireSameStatement, type HeldRow, type SqlSplit } from './sql-split.js';

interface OpenSplit {
  readonly split: SqlSplit;
  position: number;
  /** `any`: all rows from the split's own position on, in order of emission. */
  held: readonly HeldRow[] | undefined;
  /** `total`: the batch that rows were last taken from, and how many. */
  last: { readonly batch: OrderedRows; readonly taken: number } | undefined;
}

interface Source {
  readonly open: OpenSplit;
  readonly batch: OrderedRows | undefined;
}

/** The pause after a range without rows: doubled with each, from the first to the last. */
export interface IdlePause {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SqlReaderOptions {
  readonly context: SourceReaderContext;
  readonly rows: SqlRowSettings;
  readonly callFor: (split: SqlSplit) => SqlCall;
  readonly query: string;
  readonly order: 'any' | 'total';
  readonly maxBufferedRows: number;
  readonly maxAttempts: number;
  readonly idlePause: IdlePause | undefined;
  readonly openClient: OpenClient;
}

const advice =
  "Make the ranges shorter ('splitMs', 'maxRangeMs'), raise 'maxBufferedRows', or give the statement an ORDER BY without " +
  "ties and set order: 'total', which reads it in pieces.";

export class SqlReader<Row> implements SourceReader<Row, SqlSplit> {
  private readonly options: SqlReaderOptions;
  private readonly rows: SqlRows;
  private readonly buffer: RowBuffer<Source, HeldRow>;
  private readonly open = new Map<string, OpenSplit>();
  private readonly queue: OpenSplit[] = [];
  private readonly stop = new AbortController();
  private output: { readonly owner: OpenSplit; readonly of: ReaderOutput<Row> } | undefined;
  private hasRequested = false;
  private noMoreSplits = false;
  private pauseMs = 0;
  private readUpToMs: number | undefined;
  private wakeFetcher: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;
  private fetching: Promise<void> | undefined;

  constructor(options: SqlReaderOptions) {
    this.options = options;
    const { context } = options;
    this.rows = new SqlRows(options.rows, context);
    this.buffer = new RowBuffer(options.maxBufferedRows);
    context.metrics.gauge(
      'readLagMs',
      () => this.readUpToMs && Math.max(0, context.clock.now() - this.readUpToMs),
      { description: 'Milliseconds since the end of the last range that was read.' },
    );
  }

  start(): void {
    this.fetching = this.fetchSplits();
  }

  addSplits(splits: readonly SqlSplit[]): void {
    for (const split of rangesByTime(splits)) {
      requireSameStatement(split.query, this.options.query);
      const open: OpenSplit = { split, position: split.position, held: undefined, last: undefined };
      this.open.set(split.splitId, open);
      this.queue.push(open);
    }
    this.hasRequested = false;
    this.wakeFetcher?.();
  }

  notifyNoMoreSplits(): void {
    this.noMoreSplits = true;
    this.wakeFetcher?.();
    this.buffer.notify();
  }

  pollNext(output: ReaderOutput<Row>, maxRecords: number): PollStatus {
    let room = maxRecords;
    while (room > 0) {
      const batch = this.buffer.front();
      if (batch === undefined) break;
      const { owner, rows, next } = batch;
      if (rows.length === 0) {
        this.finish(owner.open, output);
        this.buffer.took(0);
        continue;
      }
      const count = Math.min(room, rows.length - next);
      this.emit(owner.open, rows, next, count, this.outputOf(owner.open, output));
      if (owner.batch !== undefined) owner.open.last = { batch: owner.batch, taken: next + count };
      this.buffer.took(count);
      room -= count;
    }
    if (!this.buffer.isEmpty) return 'more';
    if (this.failure !== undefined) throw this.failure.error; // invariant 5
    return this.noMoreSplits && this.open.size === 0 ? 'end' : 'wait';
  }

  async isAvailable(): Promise<void> {
    for (;;) {
      if (!this.buffer.isEmpty) return;
      if (this.failure !== undefined) throw this.failure.error;
      if (this.noMoreSplits && this.open.size === 0) return;
      if (this.stop.signal.aborted) return;
      await this.buffer.changed();
    }
  }

  snapshotState(): SqlSplit[] {
    return [...this.open.values()].map(({ split, position, held, last }) => {
      if (position === split.position) return split; // nothing taken since
      if (held !== undefined) return { ...split, position, rows: held.slice(position - split.position) }; // invariant 2
      return { ...split, position, digest: digestOf(last) }; // invariant 3
    });
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.wakeFetcher?.();
    this.buffer.clear();
    await this.fetching;
  }

  private emit(
    open: OpenSplit,
    rows: readonly HeldRow[],
    from: number,
    count: number,
    output: ReaderOutput<Row>,
  ): void {
    const { splitId } = open.split;
    for (let i = from; i < from + count; i++) {
      const row = rows[i] as HeldRow;
      const record = this.rows.toRecord(row, splitId, open.position) as Row | undefined;
      open.position++; // invariant 1
      if (record !== undefined) output.collect(record, this.rows.timeOf(row));
    }
  }

  private outputOf(owner: OpenSplit, output: ReaderOutput<Row>): ReaderOutput<Row> {
    if (this.output?.owner !== owner) this.output = { owner, of: output.forSplit(owner.split.splitId) };
    return this.output.of;
  }

  private finish(open: OpenSplit, output: ReaderOutput<Row>): void {
    const { splitId, range } = open.split;
    if (this.output?.owner === open) output.releaseSplit(splitId);
    this.open.delete(splitId); // invariant 4
    if (range !== null) this.readUpToMs = range.endMs;
  }

  private async fetchSplits(): Promise<void> {
    const { context, openClient } = this.options;
    const signal = AbortSignal.any([this.stop.signal, context.signal]);
    const { clock, logger } = context;
    let release: (() => void) | undefined;
    try {
      const client = openClient();
      release = client.release;
      const tools: SqlTools = { druid: client.druid, rows: this.rows, clock, logger, signal };
      while (!signal.aborted) {
        const next = this.queue.shift();
        if (next === undefined) {
          if (this.noMoreSplits) return;
          if (this.pauseMs > 0) await sleep(clock, this.pauseMs, signal);
          if (this.queue.length === 0) await this.nextSplit();
          continue;
        }
        this.pauseBefore((await this.fetch(next, tools)) === 0);
      }
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.failure = { error };
    } finally {
      release?.();
      this.buffer.notify();
    }
  }

  /** Returns how many rows there were. */
  private async fetch(open: OpenSplit, tools: SqlTools): Promise<number> {
    const { order, callFor, maxBufferedRows: maxRows, maxAttempts } = this.options;
    const { split } = open;
    let count = 0;
    if (order === 'any') {
      const rows =
        split.rows ??
        this.inOrderOfTime(
          await fetchAll(split.splitId, callFor(split), { maxAttempts, maxRows, advice }, tools),
        ); // invariant 2
      open.held = rows;
      count = rows.length;
      if (count > 0) await this.put({ open, batch: undefined }, rows, tools); // invariant 6
    } else {
      for await (const batch of fetchInOrder(split, callFor(split), maxAttempts, tools)) {
        count += batch.rows.length;
        await this.put({ open, batch }, batch.rows, tools);
      }
    }
    await this.put({ open, batch: undefined }, [], tools); // invariant 4
    return count;
  }

  /** Nobody would make room again once the reader is closed. */
  private put(source: Source, rows: readonly HeldRow[], { signal }: SqlTools): Promise<void> {
    signal.throwIfAborted();
    return this.buffer.put(source, rows);
  }

  /** All rows are here, so order is free: then a watermark need not lag by the length of a range. */
  private inOrderOfTime(rows: HeldRow[]): HeldRow[] {
    const time = (row: HeldRow): number => this.rows.timeOf(row) ?? -Infinity;
    return rows.sort((a, b) => (time(a) === time(b) ? 0 : time(a) - time(b)));
  }

  private pauseBefore(wasEmpty: boolean): void {
    const { idlePause } = this.options;
    if (idlePause === undefined) return;
    this.pauseMs = wasEmpty ? Math.min(idlePause.maxMs, Math.max(idlePause.minMs, this.pauseMs * 2)) : 0;
  }

  /** Asks for a split once, then waits until one comes or none will. */
  private nextSplit(): Promise<void> {
    if (this.stop.signal.aborted) return Promise.resolve(); // nobody would answer
    return new Promise((resolve) => {
      this.wakeFetcher = () => {
        this.wakeFetcher = undefined;
        resolve();
      };
      if (this.hasRequested) return;
      this.hasRequested = true;
      this.options.context.requestSplit();
    });
  }
}

function digestOf(last: OpenSplit['last']): string | null {
  if (last === undefined) return null;
  const digest = last.batch.before.copy();
  addToDigest(digest, last.batch.rows.slice(0, last.taken));
  return digestSoFar(digest);
}
