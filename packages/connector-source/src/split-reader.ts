/**
 * Reads the splits of one subtask: a fetching loop fills a bounded buffer from the network, `pollNext` empties it. What a
 * split is, how it is fetched and how its rows become records is for its `SplitReading` to know.
 *
 * Invariant 1: a split's position counts exactly the rows that `pollNext` has taken, whatever is buffered beyond.
 * Invariant 2: a split leaves the state only after its end marker, which the loop writes once `fetch` has ended; its
 *   output is released then, so that a finished split never holds event time back.
 * Invariant 3: rows read before a failure are emitted before the failure is raised.
 * Invariant 4: a split is asked for when none is left to fetch, or when what is left of the last one fits the buffer; its
 *   first rows are on their way then, and no more than those. A reader is at most one ahead of what it fetches. While the
 *   buffer is full nothing is fetched.
 * Invariant 5: once closed nothing waits: fetching ends, and `close` with it.
 */
import {
  sleep,
  type PollStatus,
  type ReaderOutput,
  type SourceReader,
  type SourceReaderContext,
  type SourceSplit,
} from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { RowBuffer } from './row-buffer.js';
import type { QuestionTools } from './scan-tools.js';

/** Lends a client; `release` gives it back. */
export type OpenClient = () => { readonly druid: DruidClient; readonly release: () => void };

/** A split that a reader has. */
export interface OpenSplit<SplitT> {
  /** As it came, with what was found out about it since. */
  split: SplitT;
  /** Rows taken so far, those before a restore included. */
  position: number;
}

/** How one kind of split is read. `Batch` is any form of several rows; what it holds is between `fetch` and `emit`. */
export interface SplitReading<
  Row,
  SplitT extends SourceSplit,
  Open extends OpenSplit<SplitT>,
  Batch extends { readonly length: number },
> {
  /** Makes them ready, in the order in which they are to be read. @throws DruidSourceConfigError for those of another read */
  open(splits: readonly SplitT[]): readonly Open[];
  /** The rows from the split's position on. Ends only when they are complete; an empty batch is passed over. */
  fetch(open: Open, tools: QuestionTools): AsyncIterable<Batch>;
  /** Emits `count` rows of the batch; `open.position` is the number of the first, and is moved on afterwards. */
  emit(open: Open, batch: Batch, from: number, count: number, output: ReaderOutput<Row>): void;
  /** Rows of it that are still to be taken, if that is known. */
  rowsLeft?(open: Open): number | undefined;
  /** What a checkpoint holds of it. */
  snapshot(open: Open): SplitT;
  /** All of its rows were taken. Returns how far event time has come with it, if that is known. */
  finish?(open: Open): number | undefined;
  /** How long to wait before another split is asked for, after one with `rows` rows. */
  pauseMs?(rows: number): number;
  /** Fetching is over for good. */
  close?(): void;
}

/** A fetch whose first batch is on its way. */
interface Fetch<Open, Batch> {
  readonly open: Open;
  readonly batches: AsyncIterator<Batch>;
  readonly first: Promise<IteratorResult<Batch>>;
  /** The split's position up to which rows were fetched. */
  position: number;
}

export interface SplitReaderOptions<
  Row,
  SplitT extends SourceSplit,
  Open extends OpenSplit<SplitT>,
  Batch extends { readonly length: number },
> {
  readonly context: SourceReaderContext;
  readonly openClient: OpenClient;
  readonly maxBufferedRows: number;
  readonly reading: SplitReading<Row, SplitT, Open, Batch>;
}

export class SplitReader<
  Row,
  SplitT extends SourceSplit,
  Open extends OpenSplit<SplitT>,
  Batch extends { readonly length: number },
> implements SourceReader<Row, SplitT> {
  private readonly options: SplitReaderOptions<Row, SplitT, Open, Batch>;
  private readonly reading: SplitReading<Row, SplitT, Open, Batch>;
  private readonly buffer: RowBuffer<Open, Batch>;
  private readonly open = new Map<string, Open>();
  private readonly queue: Open[] = [];
  private readonly stop = new AbortController();
  private current: { readonly owner: Open; readonly output: ReaderOutput<Row> } | undefined;
  private hasRequested = false;
  private noMoreSplits = false;
  private wakeFetcher: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;
  private fetching: Promise<void> | undefined;
  private ahead: Fetch<Open, Batch> | undefined;

  constructor(options: SplitReaderOptions<Row, SplitT, Open, Batch>) {
    this.options = options;
    this.reading = options.reading;
    this.buffer = new RowBuffer(options.maxBufferedRows);
    const { metrics } = options.context;
    metrics.gauge('splitsOpen', () => this.open.size, {
      description: 'Splits that the reader has not finished.',
    });
    metrics.gauge('rowsOpen', () => this.rowsOpen, { description: 'Rows of them that it has not emitted.' });
  }

  start(): void {
    this.fetching = this.fetchSplits();
  }

  addSplits(splits: readonly SplitT[]): void {
    for (const open of this.reading.open(splits)) {
      this.open.set(open.split.splitId, open);
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
      const front = this.buffer.front();
      if (front === undefined) break;
      const { owner, batch, next } = front;
      if (batch === undefined) {
        this.finish(owner, output);
        this.buffer.took(0);
        continue;
      }
      const count = Math.min(room, batch.length - next);
      this.reading.emit(owner, batch, next, count, this.outputOf(owner, output));
      owner.position += count; // invariant 1
      this.buffer.took(count);
      room -= count;
    }
    if (!this.buffer.isEmpty) return 'more';
    if (this.failure !== undefined) throw this.failure.error; // invariant 3
    return this.hasEnded ? 'end' : 'wait';
  }

  async isAvailable(): Promise<void> {
    for (;;) {
      if (!this.buffer.isEmpty || this.hasEnded || this.stop.signal.aborted) return;
      if (this.failure !== undefined) throw this.failure.error;
      await this.buffer.changed();
    }
  }

  snapshotState(): SplitT[] {
    return Array.from(this.open.values(), (open) => this.reading.snapshot(open));
  }

  async close(): Promise<void> {
    this.stop.abort(); // invariant 5
    this.wakeFetcher?.();
    this.buffer.close();
    await this.fetching;
  }

  /** Undefined if it is unknown of any. */
  private get rowsOpen(): number | undefined {
    let rows = 0;
    for (const open of this.open.values()) {
      const left = this.reading.rowsLeft?.(open);
      if (left === undefined) return undefined;
      rows += left;
    }
    return rows;
  }

  private get hasEnded(): boolean {
    return this.noMoreSplits && this.open.size === 0;
  }

  private outputOf(owner: Open, output: ReaderOutput<Row>): ReaderOutput<Row> {
    if (this.current?.owner !== owner) this.current = { owner, output: output.forSplit(owner.split.splitId) };
    return this.current.output;
  }

  private finish(owner: Open, output: ReaderOutput<Row>): void {
    const reachedMs = this.reading.finish?.(owner);
    if (reachedMs !== undefined) this.outputOf(owner, output).advanceTo(reachedMs);
    output.releaseSplit(owner.split.splitId); // invariant 2
    this.open.delete(owner.split.splitId);
    this.current = undefined;
  }

  private async fetchSplits(): Promise<void> {
    const { context, openClient } = this.options;
    const { clock, logger } = context;
    const end = new AbortController();
    const signal = AbortSignal.any([this.stop.signal, context.signal, end.signal]);
    let client: ReturnType<OpenClient> | undefined;
    let pauseMs = 0;
    try {
      client = openClient();
      const tools = { druid: client.druid, clock, logger, signal };
      while (!signal.aborted) {
        const next = this.ahead ?? this.begin(tools);
        this.ahead = undefined;
        if (next !== undefined) {
          const rows = await this.fetch(next, tools);
          pauseMs = this.reading.pauseMs?.(rows) ?? 0;
        } else if (this.noMoreSplits) {
          return;
        } else if (pauseMs > 0) {
          await sleep(clock, pauseMs, signal);
          pauseMs = 0;
        } else {
          await this.nextSplit(); // invariant 4
        }
      }
    } catch (error) {
      if (!signal.aborted) this.failure = { error };
    } finally {
      end.abort();
      await this.ahead?.batches.return?.();
      this.reading.close?.();
      client?.release();
      this.buffer.notify();
    }
  }

  /** Begins to fetch the first split in the queue, if there is one. */
  private begin(tools: QuestionTools): Fetch<Open, Batch> | undefined {
    const open = this.queue.shift();
    if (open === undefined) return undefined;
    const batches = this.reading.fetch(open, tools)[Symbol.asyncIterator]();
    const first = batches.next();
    first.catch(() => undefined); // raised where it is waited for, after the split before
    return { open, batches, first, position: open.position };
  }

  /** Returns how many rows there were. */
  private async fetch(fetch: Fetch<Open, Batch>, tools: QuestionTools): Promise<number> {
    const { open, batches, first, position: start } = fetch;
    try {
      for (let next = await first; next.done !== true; next = await batches.next()) {
        const batch = next.value;
        if (batch.length === 0) continue;
        fetch.position += batch.length;
        await this.buffer.put(open, batch);
        tools.signal.throwIfAborted();
        if (this.isNearEnd(fetch)) this.lookAhead(tools);
      }
    } finally {
      await batches.return?.();
    }
    await this.buffer.put(open, undefined); // invariant 2
    return fetch.position - start;
  }

  private isNearEnd({ open, position }: Fetch<Open, Batch>): boolean {
    const left = this.reading.rowsLeft?.(open);
    return left !== undefined && left - (position - open.position) <= this.options.maxBufferedRows;
  }

  private lookAhead(tools: QuestionTools): void {
    this.ahead ??= this.begin(tools);
    if (this.ahead === undefined && !this.noMoreSplits) this.request(); // invariant 4
  }

  /** Asks for a split once, then waits until one comes or none will. */
  private nextSplit(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeFetcher = () => {
        this.wakeFetcher = undefined;
        resolve();
      };
      this.request();
    });
  }

  private request(): void {
    if (this.hasRequested) return;
    this.hasRequested = true;
    this.options.context.requestSplit();
  }
}
