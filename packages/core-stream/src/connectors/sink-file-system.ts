import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a file sink does with a file system, step by step: whatever a crash can come between. */
export interface SinkFileSystem {
  /**
   * Makes a directory, and those above it that are not there. Durable, also where an earlier call, which a crash ended, has
   * made it.
   */
  makeDirectory(path: string): Promise<void>;
  /** The names in a directory. */
  list(path: string): Promise<readonly string[]>;
  /** Of a file, in bytes; `undefined` where there is none. */
  size(path: string): Promise<number | undefined>;
  /** Makes a file; one of that name is an error. */
  create(path: string): Promise<SinkFile>;
  /** Cuts a file off, durably. */
  truncate(path: string, bytes: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes durable which names are in a directory. */
  syncDirectory(path: string): Promise<void>;
}

/** A file that is being written. */
export interface SinkFile {
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes durable what was written. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The machine's file system. */
export const nodeFileSystem: SinkFileSystem = {
  async makeDirectory(path) {
    const top = (await mkdir(path, { recursive: true })) ?? path;
    for (let made = path; made.length >= top.length; made = dirname(made)) {
      await this.syncDirectory(dirname(made));
    }
  },
  list: (path) => readdir(path),
  async size(path) {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  async create(path) {
    return new NodeFile(await open(path, 'wx'));
  },
  async truncate(path, bytes) {
    await withHandle(path, 'r+', async (handle) => {
      await handle.truncate(bytes);
      await handle.sync();
    });
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path),
  async syncDirectory(path) {
    if (process.platform === 'win32') return; // directories cannot be opened there
    await withHandle(path, 'r', (handle) => handle.sync());
  },
};

class NodeFile implements SinkFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function withHandle(
  path: string,
  flags: string,
  work: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(path, flags);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}
