/**
 * A file of sorted records: written once from front to back, then read once.
 *
 * Synchronous, as the operators that fill it are. Record layout: flags, the key's bytes where the key is another than the
 * record's before it, the timestamp, the value in the canonical encoding.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { InvariantError } from '../errors.js';
import { decodeState } from '../state/canonical-decoding.js';
import type { SortedCursor } from './sorted-cursor.js';

/** Of one open file; a larger record has a larger buffer. */
const BUFFER_BYTES = 64 * 1024;
const SECOND_INPUT = 1;
const NEW_KEY = 2;
/** The flags, and a timestamp with the size of the value. */
const FLAGS_BYTES = 1;
const HEADER_BYTES = 12;

/** Writes all records of `cursor` to a new file. */
export function writeRun(path: string, cursor: SortedCursor): void {
  const file = openSync(path, 'wx');
  try {
    const writer = new RunWriter(file);
    while (cursor.advance()) writer.write(cursor);
    writer.flush();
  } finally {
    closeSync(file);
  }
}

class RunWriter {
  readonly #file: number;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #length = 0;
  #sortKey: string | undefined;

  constructor(file: number) {
    this.#file = file;
  }

  write(record: SortedCursor): void {
    const { sortKey, timestamp, input } = record;
    const value = record.encodedValue();
    const isNewKey = sortKey !== this.#sortKey;
    const keyBytes = isNewKey ? 4 + sortKey.length : 0;
    this.#reserve(FLAGS_BYTES + keyBytes + HEADER_BYTES + value.length);
    const buffer = this.#buffer;
    let at = buffer.writeUInt8((input === 1 ? SECOND_INPUT : 0) | (isNewKey ? NEW_KEY : 0), this.#length);
    if (isNewKey) {
      at = buffer.writeUInt32LE(sortKey.length, at);
      at += buffer.write(sortKey, at, 'latin1');
      this.#sortKey = sortKey;
    }
    at = buffer.writeDoubleLE(timestamp, at);
    at = buffer.writeUInt32LE(value.length, at);
    buffer.set(value, at);
    this.#length = at + value.length;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    this.flush();
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(bytes);
  }

  flush(): void {
    let written = 0;
    while (written < this.#length) {
      written += writeSync(this.#file, this.#buffer, written, this.#length - written);
    }
    this.#length = 0;
  }
}

/** Reads a run with a buffer of bounded size. Holds a file open until `close`. */
export class RunCursor implements SortedCursor {
  readonly #path: string;
  readonly #file: number;
  #isOpen = true;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  /** What is in the buffer and not read yet. */
  #start = 0;
  #end = 0;
  #value: Uint8Array = this.#buffer;
  sortKey = '';
  timestamp = 0;
  input: 0 | 1 = 0;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
  }

  get value(): unknown {
    return decodeState(this.#value);
  }

  encodedValue(): Uint8Array {
    return this.#value;
  }

  advance(): boolean {
    if (!this.#isOpen || !this.#fill(FLAGS_BYTES)) {
      this.close();
      return false;
    }
    const flags = this.#buffer.readUInt8(this.#take(FLAGS_BYTES));
    this.input = (flags & SECOND_INPUT) === 0 ? 0 : 1;
    if ((flags & NEW_KEY) !== 0) {
      const size = this.#buffer.readUInt32LE(this.#take(4));
      const at = this.#take(size);
      this.sortKey = this.#buffer.toString('latin1', at, at + size);
    }
    const header = this.#take(HEADER_BYTES);
    this.timestamp = this.#buffer.readDoubleLE(header);
    const size = this.#buffer.readUInt32LE(header + 8);
    const at = this.#take(size);
    this.#value = this.#buffer.subarray(at, at + size);
    return true;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#file);
  }

  /** Where the next `bytes` lie in the buffer. */
  #take(bytes: number): number {
    if (!this.#fill(bytes)) {
      throw new InvariantError(
        `The file ${this.#path} of sorted records is cut off. Was it changed by somebody else?`,
      );
    }
    const at = this.#start;
    this.#start += bytes;
    return at;
  }

  /** Makes sure that the buffer has the next `bytes`; false at the end of the file. */
  #fill(bytes: number): boolean {
    const left = this.#end - this.#start;
    if (left >= bytes) return true;
    const target = bytes > this.#buffer.length ? Buffer.allocUnsafe(bytes) : this.#buffer;
    this.#buffer.copy(target, 0, this.#start, this.#end);
    this.#buffer = target;
    this.#start = 0;
    this.#end = left;
    while (this.#end < bytes) {
      const read = readSync(this.#file, target, this.#end, target.length - this.#end, null);
      if (read === 0) return false;
      this.#end += read;
    }
    return true;
  }
}
