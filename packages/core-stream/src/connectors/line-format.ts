import type { RecordDecoder, RecordFormat } from './record-format.js';

const LF = 10;

/** One record per line. */
export class LineFormat<T> implements RecordFormat<T> {
  readonly hasHeader = false;
  readonly #decode: (line: string) => T;

  constructor(decode: (line: string) => T) {
    this.#decode = decode;
  }

  createDecoder(): RecordDecoder<T> {
    return new LineDecoder(this.#decode);
  }
}

class LineDecoder<T> implements RecordDecoder<T> {
  readonly lines = 1;
  readonly decode: (line: string) => T;
  #scanned = 0;

  constructor(decode: (line: string) => T) {
    this.decode = decode;
  }

  findEnd(bytes: Uint8Array, from: number, to: number): number {
    const at = bytes.indexOf(LF, from + this.#scanned);
    const isFound = at !== -1 && at < to;
    this.#scanned = isFound ? 0 : to - from;
    return isFound ? at + 1 : -1;
  }

  readHeader(): void {}
}
