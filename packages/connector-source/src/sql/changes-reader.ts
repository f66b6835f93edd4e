/**
 * Polls a statement and emits what has changed since the last result.
 *
 * Invariant 1: `known` is exactly what the stream was told: it changes with each emitted change, and a checkpoint holds it.
 *   What was found but not emitted is not in a checkpoint: the next result shows it again, or something newer.
 * Invariant 2: changes are made from complete results only; a result that breaks off is asked for again.
 * Invariant 3: no poll while changes wait to be emitted, so the consumer's pace is the most that is asked for.
 */
import {
  sleep,
  type Counter,
  type PollStatus,
  type ReaderOutput,
  type SourceReader,
  type SourceReaderContext,
} from '@millrace/core-stream';
import type { OpenClient } from '../split-reader.js';
import { applyChange, changesTo, knownRows, type KnownRows, type RowChange } from './row-changes.js';
import { fetchAll, type SqlTools } from './sql-fetch.js';
import { SqlRows, type SqlCall, type SqlRowSettings } from './sql-rows.js';
import { requireSameStatement, type HeldRow, type SqlSplit } from './sql-split.js';

export interface ChangesReaderOptions {
  readonly context: SourceReaderContext;
  readonly rows: SqlRowSettings;
  readonly call: SqlCall;
  readonly query: string;
  readonly key: readonly string[];
  readonly maxKeys: number;
  readonly maxAttempts: number;
  readonly pollIntervalMs: number;
  readonly maxPollIntervalMs: number;
  readonly openClient: OpenClient;
}

/** A row that is new or has other values (`upsert`), or that is gone, as it was last (`delete`). */
export interface SqlChange<Row> {
  readonly kind: 'upsert' | 'delete';
  readonly row: Row;
}

const advice = "Group by less, limit the statement, or raise 'maxKeys'.";

export class ChangesReader<Row> implements SourceReader<SqlChange<Row>, SqlSplit> {
  private readonly options: ChangesReaderOptions;
  private readonly rows: SqlRows;
  private readonly upserts: Counter;
  private readonly deletes: Counter;
  private readonly stop = new AbortController();
  private split: SqlSplit | undefined;
  private known: KnownRows = new Map();
  private changes: readonly RowChange[] = [];
  private next = 0;
  /** When the result that `changes` come from was asked for. */
  private askedMs = 0;
  /** When the last result without changes was asked for, until the stream was told. */
  private unchangedMs: number | undefined;
  private emittedMs: number | undefined;
  private isStarted = false;
  private noMoreSplits = false;
  private failure: { readonly error: unknown } | undefined;
  private polling: Promise<void> | undefined;
  private wakeReader: (() => void) | undefined;
  private wakePolling: (() => void) | undefined;

  constructor(options: ChangesReaderOptions) {
    this.options = options;
    const { metrics } = options.context;
    this.rows = new SqlRows(options.rows, options.context);
    this.upserts = metrics.counter('numUpserts', { description: 'Rows that were new or had changed.' });
    this.deletes = metrics.counter('numDeletes', { description: 'Rows that were gone.' });
    metrics.gauge('knownRows', () => this.known.size, {
      description: 'Rows of the last result that were emitted.',
    });
    metrics.gauge('readLagMs', () => this.emittedMs && options.context.clock.now() - this.emittedMs, {
      description: 'Milliseconds since the last result that was emitted in full was asked for.',
    });
  }

  start(): void {
    this.isStarted = true;
    if (this.split === undefined) this.options.context.requestSplit();
    else this.polling = this.poll();
  }

  addSplits(splits: readonly SqlSplit[]): void {
    const [split] = splits;
    if (split === undefined) return;
    requireSameStatement(split.query, this.options.query);
    this.split = split;
    this.known = knownRows(split.rows ?? [], this.options.key);
    if (this.isStarted) this.polling = this.poll();
  }

  notifyNoMoreSplits(): void {
    this.noMoreSplits = true;
    this.wakeReader?.();
  }

  pollNext(output: ReaderOutput<SqlChange<Row>>, maxRecords: number): PollStatus {
    const end = Math.min(this.changes.length, this.next + maxRecords);
    while (this.next < end) {
      const change = this.changes[this.next] as RowChange;
      const emitted = this.emittedFor(change, output);
      applyChange(this.known, change); // invariant 1
      this.next++;
      if (emitted === undefined) continue;
      (emitted.kind === 'upsert' ? this.upserts : this.deletes).inc();
      output.collect(emitted, this.askedMs);
    }
    if (this.next < this.changes.length) return 'more';
    if (this.unchangedMs !== undefined) output.advanceTo(this.unchangedMs);
    const emittedMs = this.unchangedMs ?? (this.changes.length > 0 ? this.askedMs : 0);
    if (emittedMs > (this.emittedMs ?? 0)) this.emittedMs = emittedMs;
    this.unchangedMs = undefined;
    this.wakePolling?.();
    if (this.failure !== undefined) throw this.failure.error;
    return this.split === undefined && this.noMoreSplits ? 'end' : 'wait';
  }

  async isAvailable(): Promise<void> {
    if (this.next < this.changes.length || this.unchangedMs !== undefined) return;
    if (this.failure !== undefined || this.noMoreSplits) return;
    await new Promise<void>((resolve) => (this.wakeReader = resolve));
  }

  snapshotState(): SqlSplit[] {
    if (this.split === undefined) return [];
    return [{ ...this.split, rows: Array.from(this.known.values(), ({ row }) => row) }]; // invariant 1
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.wakePolling?.();
    this.wakeReader?.();
    await this.polling;
  }

  /** A row that is set aside counts as none: what the stream was told of its key is deleted, and nothing when it goes. */
  private emittedFor(
    { kind, key, row }: RowChange,
    output: ReaderOutput<SqlChange<Row>>,
  ): SqlChange<Row> | undefined {
    if (kind === 'upsert') {
      const record = this.recordOf(row, output);
      if (record !== undefined) return { kind, row: record };
    }
    const before = this.known.get(key)?.row;
    if (before === undefined || !this.rows.fits(before)) return undefined;
    const record = this.recordOf(before, output);
    return record === undefined ? undefined : { kind: 'delete', row: record };
  }

  private recordOf(row: HeldRow, output: ReaderOutput<SqlChange<Row>>): Row | undefined {
    const copy = { ...row }; // whoever gets it may change it
    return this.rows.toRecord(copy, 'statement', this.next, output) as Row | undefined;
  }

  private async poll(): Promise<void> {
    const { context, openClient, call, key, maxKeys, maxAttempts } = this.options;
    const { pollIntervalMs, maxPollIntervalMs } = this.options;
    const { clock, logger } = context;
    const signal = AbortSignal.any([this.stop.signal, context.signal]);
    let release: (() => void) | undefined;
    try {
      const client = openClient();
      release = client.release;
      const tools: SqlTools = { druid: client.druid, rows: this.rows, clock, logger, signal };
      const limits = { maxAttempts, maxRows: maxKeys, advice };
      let delayMs = pollIntervalMs;
      while (!signal.aborted) {
        const askedMs = clock.now();
        const result = await fetchAll('statement', call, limits, tools); // invariant 2
        signal.throwIfAborted(); // nobody would take the changes
        const changes = changesTo(knownRows(result, key), this.known);
        if (changes.length > 0)
          await this.emitted(changes, askedMs); // invariant 3
        else this.noteUnchanged(askedMs);
        delayMs = changes.length > 0 ? pollIntervalMs : Math.min(maxPollIntervalMs, delayMs * 2);
        await sleep(clock, delayMs, signal);
      }
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.failure = { error };
    } finally {
      release?.();
      this.wakeReader?.();
    }
  }

  /** Event time goes on although nothing has changed. */
  private noteUnchanged(askedMs: number): void {
    this.unchangedMs = askedMs;
    this.wakeReader?.();
  }

  /** Resolves when all of them were emitted, or the reader was closed. */
  private emitted(changes: readonly RowChange[], askedMs: number): Promise<void> {
    this.changes = changes;
    this.next = 0;
    this.askedMs = askedMs;
    return new Promise((resolve) => {
      this.wakePolling = () => {
        this.wakePolling = undefined;
        resolve();
      };
      this.wakeReader?.();
    });
  }
}
