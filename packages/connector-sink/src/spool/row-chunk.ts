/**
 * Characters that a chunk keeps as text. Longer texts outlive the garbage collector's nursery, which costs more than to encode
 * them.
 */
const BLOCK_SIZE = 16 * 1024;

/** Bytes that a character of a JavaScript string can take in UTF-8. */
const MAX_CHARACTER_BYTES = 3;

/** Chunks of one size, used again: pages that are new to the process cost more than copying into old ones. */
export class ChunkPool {
  readonly chunkSize: number;
  readonly blockSize: number;
  readonly #capacity: number;
  readonly #free: Buffer[] = [];
  #lent = 0;

  /** @param chunkSize bytes from which a chunk is full */
  constructor(chunkSize: number) {
    this.chunkSize = chunkSize;
    this.blockSize = Math.min(BLOCK_SIZE, chunkSize);
    this.#capacity = chunkSize + this.blockSize * MAX_CHARACTER_BYTES;
  }

  /** Of chunks that are being filled. */
  get lentBytes(): number {
    return this.#lent * this.#capacity;
  }

  lend(): Buffer {
    this.#lent += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#capacity);
  }

  /** A chunk is full, and not free yet. */
  sent(): void {
    this.#lent -= 1;
  }

  free(chunk: Buffer): void {
    if (chunk.length === this.#capacity && this.#free.length < 8) this.#free.push(chunk);
  }
}

/** Rows that are gathered for one write: bytes, and behind them a little text. */
export class RowChunk {
  text = '';
  readonly #pool: ChunkPool;
  #bytes: Buffer | undefined;
  #used = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get isEmpty(): boolean {
    return this.#used === 0 && this.text === '';
  }

  get isFull(): boolean {
    return this.#used >= this.#pool.chunkSize;
  }

  /** Makes the text bytes. */
  encode(): void {
    const needed = this.#used + this.text.length * MAX_CHARACTER_BYTES;
    let bytes = (this.#bytes ??= this.#pool.lend());
    if (needed > bytes.length) {
      bytes = Buffer.allocUnsafeSlow(needed); // a row that is larger than a chunk
      this.#bytes.copy(bytes, 0, 0, this.#used);
      this.#pool.free(this.#bytes);
      this.#bytes = bytes;
    }
    this.#used += bytes.write(this.text, this.#used, 'utf8');
    this.text = '';
  }

  /** Takes everything out. `chunk` is free again when `data` was used. */
  take(): { readonly data: Buffer; readonly chunk: Buffer } {
    this.encode();
    const chunk = this.#bytes!;
    const data = chunk.subarray(0, this.#used);
    this.#bytes = undefined;
    this.#used = 0;
    this.#pool.sent();
    return { data, chunk };
  }
}
