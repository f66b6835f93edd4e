import { link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from './checkpoint-storage.js';

/** A file that is being written. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written is durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Of a file. */
  readonly bytes: number;
}

/** The few calls that `FileBlobStore` makes; fails with the system's error codes. A test puts faults between. */
export interface FileSystem {
  /** Fails with `EEXIST` where it is there. */
  create(path: string): Promise<WritableFile>;
  /** Fewer bytes where the file ends earlier. */
  read(path: string, range?: ByteRange): Promise<Uint8Array>;
  list(path: string): Promise<readonly DirectoryEntry[]>;
  /** One level; fails with `EEXIST` or `ENOENT`. */
  makeDirectory(path: string): Promise<void>;
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A second name; fails with `EEXIST`. */
  link(existing: string, name: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Fails with `ENOTEMPTY` where something is in it. */
  removeDirectory(path: string): Promise<void>;
}

/** One call of the system reads at most this many bytes. */
const LARGEST_READ = 1 << 30;

/** The machine's files. */
export const nodeFileSystem: FileSystem = {
  async create(path) {
    const file = await open(path, 'wx');
    return {
      write: (bytes) => file.writeFile(bytes),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },

  async read(path, range) {
    const file = await open(path, 'r');
    try {
      const offset = range?.offset ?? 0;
      const length = range?.length ?? (await file.stat()).size;
      const bytes = Buffer.allocUnsafe(length);
      let read = 0;
      while (read < length) {
        const most = Math.min(length - read, LARGEST_READ);
        const { bytesRead } = await file.read(bytes, read, most, offset + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return bytes.subarray(0, read);
    } finally {
      await file.close();
    }
  },

  async list(path) {
    const entries = await readdir(path, { withFileTypes: true });
    const described: DirectoryEntry[] = [];
    for (const entry of entries) {
      const isDirectory = entry.isDirectory();
      const bytes = isDirectory ? 0 : await sizeOf(join(path, entry.name));
      if (bytes !== undefined) described.push({ name: entry.name, isDirectory, bytes });
    }
    return described;
  },

  makeDirectory: (path) => mkdir(path),

  async syncDirectory(path) {
    // Windows has no such call, and needs none.
    if (process.platform === 'win32') return;
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } catch (error) {
      // Some file systems cannot sync directories, and make names durable by themselves (as PostgreSQL's `fsync_fname` has it).
      if (!['EINVAL', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    } finally {
      await directory.close();
    }
  },

  rename,
  link,
  remove: unlink,
  removeDirectory: rmdir,
};

/** `undefined` where another process has removed it since it was listed. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
