import { StreamRecordError } from '../errors.js';
import type { Counter } from '../metrics/counter.js';
import { FileCursor, place, type FileCursorOptions } from './file-cursor.js';
import type { FileSplit } from './file-split.js';
import type { RecordDecoder, RecordFormat } from './record-format.js';
import type { PollStatus, ReaderOutput, SourceReader, SourceReaderContext } from './source.js';

/** Something in a file that is no record, and where it is. */
export interface InvalidRecord {
  readonly path: string;
  /** The number of the line in which it begins, from 1; `undefined` where the file is read from the middle on. */
  readonly line: number | undefined;
  /** Where it begins. */
  readonly byteOffset: number;
  readonly text: string;
  /** What is wrong with it. */
  readonly reason: string;
  /** What the parser threw. */
  readonly error: unknown;
}

/** `fail`, or what becomes of an invalid record: it goes on in the stream. */
export type OnInvalid<R> = 'fail' | ((invalid: InvalidRecord) => R);

export interface FileReaderOptions<T> extends Omit<FileCursorOptions, 'hasHeader' | 'bytesIn'> {
  readonly format: RecordFormat<T>;
  readonly onInvalid: OnInvalid<T>;
}

/** Reads the splits of one subtask, one after the other. The position of a split is that of its cursor. */
export class FileReader<T> implements SourceReader<T, FileSplit> {
  readonly #options: FileReaderOptions<T>;
  readonly #context: SourceReaderContext;
  readonly #bytesIn: Counter;
  /** The first is being read. */
  readonly #splits: FileSplit[] = [];
  #cursor: FileCursor | undefined;
  #decoder: RecordDecoder<T>;
  #output: ReaderOutput<T> | undefined;
  /** The file operation under way. Nothing is polled meanwhile. */
  #pending: Promise<void> | undefined;
  #noMoreSplits = false;
  #wake: (() => void) | undefined;

  constructor(options: FileReaderOptions<T>, context: SourceReaderContext) {
    this.#options = options;
    this.#context = context;
    this.#bytesIn = context.metrics.counter('numBytesIn', { description: 'Bytes read from files.' });
    this.#decoder = options.format.createDecoder();
  }

  start(): void {
    if (this.#splits.length === 0) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    if (this.#pending !== undefined) return 'wait';
    const split = this.#splits[0];
    if (split === undefined) return this.#noMoreSplits ? 'end' : 'wait';
    if (split.offset >= split.end) {
      this.#release(split, output);
      return 'more';
    }
    const splitOutput = (this.#output ??= output.forSplit(split.splitId));
    const cursor = this.#cursor;
    if (cursor === undefined) return this.#waitFor(this.#open(split));
    for (let emitted = 0; emitted < maxRecords;) {
      const text = cursor.next();
      if (text === undefined)
        return this.#waitFor(cursor.hasEnded ? this.#finish(split, cursor) : cursor.fill());
      if (text === '') continue; // a blank line is no record
      splitOutput.collect(this.#decode(text, cursor));
      emitted++;
    }
    return 'more';
  }

  #waitFor(work: Promise<void>): PollStatus {
    this.#pending = work.then(() => void (this.#pending = undefined));
    this.#pending.catch(() => undefined); // reported by `isAvailable`, unless the job has ended
    return 'wait';
  }

  async #open(split: FileSplit): Promise<void> {
    const { format, chunkBytes, maxRecordBytes } = this.#options;
    this.#decoder = format.createDecoder();
    this.#cursor = await FileCursor.open(split, this.#decoder, {
      hasHeader: format.hasHeader,
      chunkBytes,
      maxRecordBytes,
      bytesIn: this.#bytesIn,
    });
  }

  async #finish(split: FileSplit, cursor: FileCursor): Promise<void> {
    await cursor.finish();
    this.#cursor = undefined;
    this.#splits[0] = { ...split, offset: split.end };
  }

  #release(split: FileSplit, output: ReaderOutput<T>): void {
    this.#splits.shift();
    this.#output = undefined;
    output.releaseSplit(split.splitId);
    if (this.#splits.length === 0 && !this.#noMoreSplits) this.#context.requestSplit();
  }

  #decode(text: string, cursor: FileCursor): T {
    try {
      if (!cursor.isRecordUtf8) throw new Error('it is not valid UTF-8');
      return this.#decoder.decode(text);
    } catch (error) {
      return this.#invalid(text, cursor, error);
    }
  }

  #invalid(text: string, cursor: FileCursor, error: unknown): T {
    const { path } = this.#splits[0]!;
    const { recordLine: line, recordOffset: byteOffset } = cursor;
    const reason = error instanceof Error ? error.message : String(error);
    const { onInvalid } = this.#options;
    if (onInvalid !== 'fail') return onInvalid({ path, line, byteOffset, text, reason, error });
    const seen = text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
    throw new StreamRecordError(
      `${place(path, line, byteOffset)}: '${seen}' is no record: ${reason}. ` +
        "Correct the file, or let such records go on as data with 'onInvalid'.",
      { cause: error, details: { path, line, offset: byteOffset } },
    );
  }

  isAvailable(): Promise<void> {
    return this.#pending ?? new Promise((resolve) => (this.#wake = resolve));
  }

  addSplits(splits: readonly FileSplit[]): void {
    this.#splits.push(...splits);
    this.#wake?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#wake?.();
  }

  snapshotState(): readonly FileSplit[] {
    const [current, ...others] = this.#splits;
    if (current === undefined || this.#cursor === undefined) return [...this.#splits];
    return [{ ...current, offset: this.#cursor.offset, line: this.#cursor.line }, ...others];
  }

  async close(): Promise<void> {
    await this.#pending?.catch(() => undefined);
    await this.#cursor?.close();
  }
}
