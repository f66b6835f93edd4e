import type { BlobInfo, BlobStore, PutOptions } from '../checkpoint/blob-store.js';
import type { ByteRange, Chunks } from '../checkpoint/checkpoint-storage.js';
import { turn } from './conditions.js';

/** Objects in memory. Each call takes a turn of the event loop, as I/O does, and works at one instant. */
export class MemoryBlobStore implements BlobStore {
  readonly location: string = 'memory';
  readonly objects = new Map<string, Uint8Array>();

  async put(name: string, chunks: Chunks, { ifAbsent = false }: PutOptions = {}): Promise<boolean> {
    const pieces: Uint8Array[] = [];
    for await (const chunk of chunks) pieces.push(chunk);
    const bytes = Buffer.concat(pieces);
    await turn();
    if (ifAbsent && this.objects.has(name)) return false;
    this.objects.set(name, bytes);
    return true;
  }

  async get(name: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    await turn();
    const bytes = this.objects.get(name);
    const { offset, length } = range ?? { offset: 0, length: bytes?.byteLength ?? 0 };
    return bytes?.slice(offset, offset + length);
  }

  async list(prefix: string): Promise<readonly BlobInfo[]> {
    await turn();
    return [...this.objects]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, bytes]) => ({ name, bytes: bytes.byteLength }));
  }

  async delete(names: readonly string[]): Promise<void> {
    await turn();
    for (const name of names) this.objects.delete(name);
  }
}
