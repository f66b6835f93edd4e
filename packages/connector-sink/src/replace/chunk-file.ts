import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * The file that a chunk's rows are appended to, over any number of barriers. Calls come one after the other. It can give its
 * handle back between two appends, because more chunks than files may be open.
 */
export class ChunkFile {
  /** The committable name. */
  readonly name: string;
  readonly #path: string;
  readonly #hash: Hash = createHash('sha256');
  #handle: FileHandle | undefined;
  #isMade = false;
  #isSynced = true;
  bytes = 0;

  constructor(name: string, path: string) {
    this.name = name;
    this.#path = path;
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  async append(data: Buffer): Promise<void> {
    // `x`: two writers that choose one name would otherwise mix their rows.
    this.#handle ??= await open(this.#path, this.#isMade ? 'a' : 'ax');
    this.#isMade = true;
    this.#isSynced = false;
    for (let written = 0; written < data.length;) {
      written += (await this.#handle.write(data, written)).bytesWritten;
    }
    this.#hash.update(data);
    this.bytes += data.length;
  }

  /** Makes what was appended durable; the directory's entry is the caller's to make durable. Returns its SHA-256. */
  async sync(): Promise<string> {
    if (!this.#isSynced) await this.#handle?.sync();
    this.#isSynced = true;
    return this.#hash.copy().digest('hex');
  }

  /** Gives the handle back; the next append opens the file again. */
  async release(): Promise<void> {
    await this.sync();
    await this.close();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}
