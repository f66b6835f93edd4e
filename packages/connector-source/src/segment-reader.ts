/**
 * Reads the splits of one subtask: a fetching loop fills a bounded buffer from the network, `pollNext` empties it.
 *
 * Invariant 1: a split's position counts exactly the rows that `pollNext` has taken, whatever is buffered beyond.
 * Invariant 2: a split leaves the state only after its end marker, which the fetching loop writes once the split is
 *   proven complete; its output is released then, so that a finished split never holds event time back.
 * Invariant 3: rows read before a failure are emitted before the failure is raised.
 */
import type { PollStatus, ReaderOutput, SourceReader, SourceReaderContext } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { DataServers, type OpenDataServer } from './data-servers.js';
import { requireSameQuery, splitsByTime, type DruidSplit } from './druid-split.js';
import { RowBuffer } from './row-buffer.js';
import type { RowDecoder } from './row-decoder.js';
import { proveExpectedRows } from './expected-rows.js';
import { createScanMetrics, type ScanMetrics, type ScanSettings, type ScanTools } from './scan-tools.js';
import { scanSplit } from './segment-scan.js';

interface OpenSplit {
  split: DruidSplit;
  position: number;
}

/** Lends a client; `release` gives it back. */
export type OpenClient = () => { readonly druid: DruidClient; readonly release: () => void };

export interface SegmentReaderOptions<Row> {
  readonly context: SourceReaderContext;
  readonly settings: ScanSettings;
  readonly query: string;
  readonly maxBufferedRows: number;
  readonly openClient: OpenClient;
  /** Undefined if only the Broker is read. */
  readonly openDataServer: OpenDataServer | undefined;
  /** Called once, before the first row is decoded. */
  readonly prepareDecoder: (tools: ScanTools) => Promise<RowDecoder<Row>>;
}

export class SegmentReader<Row> implements SourceReader<Row, DruidSplit> {
  private readonly options: SegmentReaderOptions<Row>;
  private readonly buffer: RowBuffer<OpenSplit>;
  private readonly open = new Map<string, OpenSplit>();
  private readonly queue: OpenSplit[] = [];
  private readonly stop = new AbortController();
  private readonly timeIndex: number;
  private readonly metrics: ScanMetrics;
  private decoder: RowDecoder<Row> | undefined;
  private current: { readonly owner: OpenSplit; readonly output: ReaderOutput<Row> } | undefined;
  private hasRequested = false;
  private noMoreSplits = false;
  private wakeFetcher: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;
  private fetching: Promise<void> | undefined;

  constructor(options: SegmentReaderOptions<Row>) {
    this.options = options;
    this.buffer = new RowBuffer(options.maxBufferedRows);
    this.metrics = createScanMetrics(options.context.metrics);
    this.timeIndex = options.settings.columns.indexOf('__time');
  }

  start(): void {
    this.fetching = this.fetchSplits();
  }

  addSplits(splits: readonly DruidSplit[]): void {
    for (const split of splitsByTime(splits)) {
      requireSameQuery(split.query, this.options.query);
      const open: OpenSplit = { split, position: split.position };
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
        this.finish(owner, output);
        this.buffer.took(0);
        continue;
      }
      const count = Math.min(room, rows.length - next);
      this.emit(owner, rows, next, count, this.outputOf(owner, output));
      this.buffer.took(count);
      room -= count;
    }
    if (!this.buffer.isEmpty) return 'more';
    if (this.failure !== undefined) throw this.failure.error; // invariant 3
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

  snapshotState(): DruidSplit[] {
    return [...this.open.values()].map(({ split, position }) => ({ ...split, position })); // invariant 1
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.wakeFetcher?.();
    this.buffer.clear();
    await this.fetching;
  }

  private emit(
    owner: OpenSplit,
    rows: readonly (readonly unknown[])[],
    from: number,
    count: number,
    output: ReaderOutput<Row>,
  ): void {
    const decoder = this.decoder as RowDecoder<Row>; // set before the first row is buffered
    const { splitId } = owner.split;
    for (let i = from; i < from + count; i++) {
      const values = rows[i] as readonly unknown[];
      const row = decoder.decode(values, splitId, owner.position);
      owner.position++;
      if (row !== undefined) output.collect(row, values[this.timeIndex] as number);
    }
  }

  private outputOf(owner: OpenSplit, output: ReaderOutput<Row>): ReaderOutput<Row> {
    if (this.current?.owner !== owner) this.current = { owner, output: output.forSplit(owner.split.splitId) };
    return this.current.output;
  }

  private finish(owner: OpenSplit, output: ReaderOutput<Row>): void {
    this.outputOf(owner, output); // a split without rows has never had one
    output.releaseSplit(owner.split.splitId); // invariant 2
    this.open.delete(owner.split.splitId);
    this.current = undefined;
  }

  private async fetchSplits(): Promise<void> {
    const { context, openClient, prepareDecoder } = this.options;
    const { clock, logger } = context;
    const signal = AbortSignal.any([this.stop.signal, context.signal]);
    let client: ReturnType<OpenClient> | undefined;
    let dataServers: DataServers | undefined;
    try {
      client = openClient();
      dataServers = this.openDataServers(client.druid);
      const tools = { druid: client.druid, dataServers, metrics: this.metrics, clock, logger, signal };
      while (!signal.aborted) {
        const next = this.queue.shift();
        if (next === undefined) {
          if (this.noMoreSplits) return;
          await this.nextSplit();
          continue;
        }
        this.decoder ??= await prepareDecoder(tools);
        await this.fetch(next, tools);
      }
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.failure = { error };
    } finally {
      dataServers?.close();
      client?.release();
      this.buffer.notify();
    }
  }

  private openDataServers(broker: DruidClient): DataServers | undefined {
    const { context, openDataServer, settings } = this.options;
    const { dataSource, path } = settings;
    if (openDataServer !== undefined) {
      const { clock, logger, subtaskIndex } = context;
      const isRequired = path === 'direct';
      const open = openDataServer;
      return new DataServers({ broker, open, dataSource, isRequired, subtaskIndex, clock, logger });
    }
    context.logger.info('Druid segments are read through the Broker', { dataSource, path });
    return undefined;
  }

  private async fetch(open: OpenSplit, tools: ScanTools): Promise<void> {
    const { settings } = this.options;
    const expectedRows = open.split.expectedRows ?? (await proveExpectedRows(open.split, settings, tools));
    open.split = { ...open.split, expectedRows };
    for await (const rows of scanSplit(open.split, expectedRows, settings, tools)) {
      await this.buffer.put(open, rows);
      tools.signal.throwIfAborted();
    }
    tools.metrics.segmentsRead.inc();
    await this.buffer.put(open, []); // invariant 2
  }

  /** Asks for a split once, then waits until one comes or none will. Fetching runs ahead of emitting by one split. */
  private nextSplit(): Promise<void> {
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
