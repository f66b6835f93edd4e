import type { FileSinkDirectory } from './file-sink-directory.js';
import type { SinkFile } from './sink-file-system.js';

/** A file that a writer is writing. Appending only buffers; the rest waits for the disk. */
export class PartFile {
  readonly bucket: string;
  readonly name: string;
  readonly beganAt: number;
  /** When bytes went to the disk last, in epoch milliseconds. */
  writtenAt: number;
  /** Buffered ones included. */
  bytes = 0;
  records = 0;
  /** Which of the writer's records came here last. */
  lastUse = 0;
  readonly #directory: FileSinkDirectory;
  #file: SinkFile | undefined;
  readonly #arrays: Uint8Array[] = [];
  /** Comes behind `#arrays`. */
  #text = '';
  #written = 0;
  #synced = 0;

  constructor(directory: FileSinkDirectory, bucket: string, subtaskIndex: number, now: number) {
    this.#directory = directory;
    this.bucket = bucket;
    this.name = directory.newName(subtaskIndex);
    this.beganAt = now;
    this.writtenAt = now;
  }

  append(data: string | Uint8Array): number {
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (typeof data === 'string') this.#text += data;
    else {
      this.#endText();
      this.#arrays.push(data);
    }
    this.bytes += bytes;
    return bytes;
  }

  #endText(): void {
    if (this.#text !== '') this.#arrays.push(Buffer.from(this.#text));
    this.#text = '';
  }

  async write(now: number): Promise<void> {
    this.#endText();
    const bytes = this.#arrays.length === 1 ? this.#arrays[0]! : Buffer.concat(this.#arrays);
    this.#arrays.length = 0;
    if (bytes.length === 0) return;
    this.#file ??= await this.#directory.create(this.name);
    await this.#directory.write(this.#file, this.name, bytes, this.#written);
    this.#written += bytes.length;
    this.writtenAt = now;
  }

  /** Makes what was written durable. */
  async sync(): Promise<void> {
    if (this.#file === undefined || this.#synced === this.#written) return;
    await this.#directory.sync(this.#file, this.name, this.#written);
    this.#synced = this.#written;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
