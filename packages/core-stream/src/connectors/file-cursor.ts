/**
 * Reads the records of one file split, in chunks.
 *
 * Invariants
 * 1. `offset` is where the next record begins: reading on from there gives exactly the rest.
 * 2. A record belongs to the split in which its first byte is, also where it ends behind it.
 * 3. The buffer holds one record and one chunk at most; a record longer than `maxRecordBytes` is an error.
 * 4. The file is the one that was listed, when reading begins and when it has ended.
 */
import { isUtf8 } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { CheckpointError, StreamRecordError } from '../errors.js';
import type { Counter } from '../metrics/counter.js';
import type { FileSplit } from './file-split.js';
import type { RecordDecoder } from './record-format.js';

export interface FileCursorOptions {
  readonly hasHeader: boolean;
  readonly chunkBytes: number;
  readonly maxRecordBytes: number;
  readonly bytesIn: Counter;
}

const CR = 13;

export class FileCursor {
  readonly #handle: FileHandle;
  readonly #split: FileSplit;
  readonly #decoder: RecordDecoder<unknown>;
  readonly #options: FileCursorOptions;
  #buffer: Buffer;
  /** The buffered bytes that are not yet part of a record. */
  #from = 0;
  #to = 0;
  /** Where in the file the buffered bytes end. */
  #readTo = 0;
  #line: number | undefined = 1;
  /** Of the record that `next` returned last. */
  recordOffset = 0;
  recordLine: number | undefined;
  isRecordUtf8 = true;

  private constructor(
    handle: FileHandle,
    split: FileSplit,
    decoder: RecordDecoder<unknown>,
    options: FileCursorOptions,
  ) {
    this.#handle = handle;
    this.#split = split;
    this.#decoder = decoder;
    this.#options = options;
    this.#buffer = Buffer.allocUnsafe(options.chunkBytes);
  }

  static async open(
    split: FileSplit,
    decoder: RecordDecoder<unknown>,
    options: FileCursorOptions,
  ): Promise<FileCursor> {
    const handle = await open(split.path, 'r').catch((error: unknown) => {
      throw new Error(
        `The file ${split.path} cannot be opened. It was there when it was listed: put it back, or start without the checkpoint.`,
        { cause: error },
      );
    });
    const cursor = new FileCursor(handle, split, decoder, options);
    try {
      await cursor.#begin();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return cursor;
  }

  async #begin(): Promise<void> {
    await this.#checkUnchanged();
    const { start, offset, line } = this.#split;
    const isFresh = offset === start;
    if (isFresh && start > 0) {
      this.#seek(start - 1, undefined);
      await this.#skipRecord(); // the end of the one that the split before this one has
      return;
    }
    if (offset === 0 || this.#options.hasHeader) {
      do await this.fill();
      while (this.#to < Math.min(3, this.#split.size));
      if (this.#to >= 3 && this.#buffer.readUIntBE(0, 3) === 0xefbbbf) this.#from = 3;
      if (this.#options.hasHeader) await this.#readHeader();
    }
    if (offset > 0) this.#seek(offset, line);
  }

  async #readHeader(): Promise<void> {
    const text = await this.#nextRecord();
    if (text === undefined) return; // an empty file has no records either
    try {
      if (!this.isRecordUtf8) throw new Error('it is not valid UTF-8');
      this.#decoder.readHeader(text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StreamRecordError(
        `The first line of ${this.#split.path} names no columns: ${reason}. Correct it, or name them in 'columns'.`,
        { cause: error, details: { path: this.#split.path, line: 1 } },
      );
    }
  }

  async #skipRecord(): Promise<void> {
    await this.#nextRecord();
    this.#line = undefined;
  }

  async #nextRecord(): Promise<string | undefined> {
    for (;;) {
      const text = this.#take(this.#split.size);
      if (text !== undefined || this.hasEnded) return text;
      await this.fill();
    }
  }

  #seek(offset: number, line: number | undefined): void {
    this.#from = 0;
    this.#to = 0;
    this.#readTo = offset;
    this.#line = line;
  }

  get offset(): number {
    return this.#readTo - (this.#to - this.#from);
  }

  get line(): number | undefined {
    return this.#line;
  }

  get hasEnded(): boolean {
    return this.offset >= this.#split.end;
  }

  /** The text of the next record, without its line break; `undefined` where the split has ended, or `fill` is needed. */
  next(): string | undefined {
    return this.#take(this.#split.end); // invariant 2
  }

  #take(endOffset: number): string | undefined {
    if (this.offset >= endOffset) return undefined;
    const { size } = this.#split;
    let end = this.#decoder.findEnd(this.#buffer, this.#from, this.#to);
    let textEnd = end - 1;
    if (end === -1) {
      if (this.#readTo < size) {
        if (this.#to - this.#from > this.#options.maxRecordBytes) throw this.#tooLong();
        return undefined;
      }
      end = textEnd = this.#to; // the last record needs no line break
    }
    if (textEnd - this.#from > this.#options.maxRecordBytes) throw this.#tooLong();
    this.recordOffset = this.offset;
    this.recordLine = this.#line;
    if (this.#buffer[textEnd - 1] === CR && textEnd > this.#from) textEnd--;
    const text = this.#buffer.toString('utf8', this.#from, textEnd);
    // The replacement character stands for bytes that are no UTF-8, unless it is in the file.
    this.isRecordUtf8 = !text.includes('\uFFFD') || isUtf8(this.#buffer.subarray(this.#from, textEnd));
    this.#from = end;
    if (this.#line !== undefined) this.#line += this.#decoder.lines;
    return text;
  }

  #tooLong(): StreamRecordError {
    const { path } = this.#split;
    const { maxRecordBytes } = this.#options;
    const start = this.#buffer.toString('utf8', this.#from, Math.min(this.#to, this.#from + 100));
    return new StreamRecordError(
      `${place(path, this.#line, this.offset)}: the record is longer than ${maxRecordBytes} bytes and begins with ` +
        `'${start}'. Look for a missing line break or quote, or raise 'maxRecordBytes'.`,
      { details: { path, line: this.#line, offset: this.offset } },
    );
  }

  /** Reads the next chunk. */
  async fill(): Promise<void> {
    const rest = this.#to - this.#from;
    const wanted = rest + this.#options.chunkBytes;
    // Invariant 3: `next` has refused a longer rest than `maxRecordBytes`.
    const target = wanted <= this.#buffer.length ? this.#buffer : Buffer.allocUnsafe(2 * wanted);
    this.#buffer.copy(target, 0, this.#from, this.#to);
    this.#buffer = target;
    this.#from = 0;
    this.#to = rest;
    const length = Math.min(this.#options.chunkBytes, this.#split.size - this.#readTo);
    if (length === 0) return;
    const { bytesRead } = await this.#handle.read(target, rest, length, this.#readTo);
    if (bytesRead === 0) {
      await this.#checkUnchanged();
      throw new Error(`${this.#split.path} has ${this.#split.size} bytes and gives none at ${this.#readTo}`);
    }
    this.#options.bytesIn.inc(bytesRead);
    this.#to += bytesRead;
    this.#readTo += bytesRead;
  }

  async #checkUnchanged(): Promise<void> {
    const { path, size, mtimeMs, offset, start } = this.#split;
    const now = await this.#handle.stat();
    if (now.size === size && now.mtimeMs === mtimeMs) return; // invariant 4
    const message =
      `${path} has changed: ${size} bytes of ${new Date(mtimeMs).toISOString()} were listed, now there are ${now.size} bytes ` +
      `of ${now.mtime.toISOString()}. A file must be complete before it is put into place, and stay as it is.`;
    const details = { path, size: now.size, listedSize: size };
    if (offset === start)
      throw new StreamRecordError(`${message} List it again by a new start.`, { details });
    throw new CheckpointError(
      `${message} The checkpoint's position ${offset} means nothing in it: put the old file back, or start without the checkpoint.`,
      { details },
    );
  }

  /** Makes sure that what was read is what was listed, and closes the file. */
  async finish(): Promise<void> {
    await this.#checkUnchanged();
    await this.close();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Where in which file, as a person can look it up. */
export function place(path: string, line: number | undefined, offset: number): string {
  return line === undefined ? `${path} at byte ${offset}` : `${path}:${line}`;
}
