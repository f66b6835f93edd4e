import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * One spool file while it is written: appends in order, hashed on the way. `append` and `finish` are called one after the
 * other, never at the same time.
 */
export class SpoolFile {
  readonly path: string;
  readonly #hash: Hash = createHash('sha256');
  #handle: FileHandle | undefined;

  constructor(path: string) {
    this.path = path;
  }

  async append(chunk: Buffer): Promise<void> {
    // `wx`: two writers that choose one name would otherwise mix their rows.
    this.#handle ??= await open(this.path, 'wx');
    this.#hash.update(chunk);
    let written = 0;
    while (written < chunk.length) {
      written += (await this.#handle.write(chunk, written)).bytesWritten;
    }
  }

  /** Makes the content durable and returns its SHA-256. The directory's entry is the caller's to make durable. */
  async finish(): Promise<string> {
    await this.#handle?.sync();
    await this.close();
    return this.#hash.digest('hex');
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}
