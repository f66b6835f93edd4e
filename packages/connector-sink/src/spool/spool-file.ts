/**
 * One spool file while it is written: appends in order, hashed and compressed on the way. Its methods are called one after
 * the other, never at the same time.
 *
 * Invariants:
 * 1. `sync` and `finish` resolve when the content is durable, and the file is still there with all of it and nothing else.
 * 2. No file is open between calls: their number bounds no number of datasources, and a file that was removed is noticed.
 * 3. A file that a checkpoint names is never changed: what is carried on is a copy. A process that is thought dead may still
 *    write to it, and the checkpoint may be restored once more.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { SpoolEncoding } from './spool-encoding.js';

/** A file's content at one moment. */
export interface SpoolContent {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** As the encoding has it. */
  readonly checksum: number;
  readonly textBytes: number;
}

export class SpoolFile {
  readonly path: string;
  readonly #encoding: SpoolEncoding;
  readonly #hash: Hash = createHash('sha256');
  #isMade = false;
  #bytes = 0;
  #syncedBytes = 0;
  #textBytes = 0;
  #checksum = 0;

  constructor(path: string, encoding: SpoolEncoding) {
    this.path = path;
    this.#encoding = encoding;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Begins with a copy of what a checkpoint says of `source`. `undefined` where `source` is not that: it is gone, shorter or
   * another content.
   */
  static async copyOf(
    source: string,
    content: SpoolContent,
    path: string,
    encoding: SpoolEncoding,
  ): Promise<SpoolFile | undefined> {
    const file = new SpoolFile(path, encoding);
    const found = await stat(source).catch(() => undefined);
    if (found === undefined || found.size < content.bytes) return undefined;
    await file.#withHandle(async (handle) => {
      for await (const chunk of createReadStream(source, { end: content.bytes - 1, highWaterMark: 1 << 18 }))
        await file.#write(handle, chunk as Buffer);
    });
    file.#textBytes = content.textBytes;
    file.#checksum = content.checksum;
    return file.#digest() === content.sha256 ? file : undefined;
  }

  /** Returns the bytes that it has added to the file. */
  async append(text: Buffer): Promise<number> {
    const before = this.#bytes;
    const encoded = await this.#encoding.encode(text);
    this.#textBytes += text.length;
    this.#checksum = this.#encoding.checksum(text, this.#checksum);
    await this.#withHandle(async (handle) => {
      if (before === 0) await this.#write(handle, this.#encoding.header);
      await this.#write(handle, encoded);
    });
    return this.#bytes - before;
  }

  /** The directory's entry is the caller's to make durable. */
  async sync(): Promise<SpoolContent> {
    if (this.#syncedBytes !== this.#bytes) await this.#withHandle((handle) => this.#sync(handle));
    return this.#content();
  }

  async finish(): Promise<SpoolContent> {
    await this.#withHandle(async (handle) => {
      await this.#write(handle, this.#encoding.trailer(this.#checksum, this.#textBytes));
      await this.#sync(handle);
    });
    return this.#content();
  }

  async #withHandle(work: (handle: FileHandle) => Promise<void>): Promise<void> {
    // `wx`: two writers that choose one name would otherwise mix their rows.
    const handle = await open(this.path, this.#isMade ? 'r+' : 'wx'); // invariant 2
    this.#isMade = true;
    try {
      await work(handle);
    } finally {
      await handle.close();
    }
  }

  async #write(handle: FileHandle, bytes: Buffer): Promise<void> {
    this.#hash.update(bytes);
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, this.#bytes);
      written += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  async #sync(handle: FileHandle): Promise<void> {
    await handle.sync();
    const { size } = await handle.stat();
    if (size !== this.#bytes) throw changed(this.path, size, this.#bytes); // invariant 1
    this.#syncedBytes = size;
  }

  #content(): SpoolContent {
    return {
      bytes: this.#bytes,
      sha256: this.#digest(),
      checksum: this.#checksum,
      textBytes: this.#textBytes,
    };
  }

  #digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

function changed(path: string, size: number, expected: number): Error {
  const error = new Error(
    `${path} has ${size} bytes where ${expected} were written: something else writes there`,
  );
  return Object.assign(error, { code: 'CHANGED' });
}
