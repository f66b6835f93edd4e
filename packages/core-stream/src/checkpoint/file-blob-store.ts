/**
 * Objects as files of one directory.
 *
 * Invariants
 * 1. A file that has an object's name is complete and durable: it was written under a name that begins with a dot, fsynced,
 *    and renamed; then its directory was fsynced.
 * 2. `put` resolves after all that is durable, the directories on the way to the file included. A directory that is there may
 *    be one whose maker crashed before its fsync, so each process syncs it once itself.
 * 3. With `ifAbsent` a link instead of a rename gives the name: it fails where the name is taken.
 */
import { dirname, join, resolve } from 'node:path';
import type { BlobInfo, BlobStore, DeleteOptions, PutOptions } from './blob-store.js';
import type { ByteRange, Chunks } from './checkpoint-storage.js';
import { nodeFileSystem, type DirectoryEntry, type FileSystem, type WritableFile } from './file-system.js';

/** What is written and has no name yet. */
const UNFINISHED = '.unfinished-';
/** Bytes of a write, where there are that many. */
const LEAST_WRITE = 1 << 20;

let counter = 0;

export class FileBlobStore implements BlobStore {
  readonly location: string;
  readonly #root: string;
  readonly #files: FileSystem;
  /** Names of this store's unfinished files begin with it; no other process, and no other store, uses it. */
  readonly #ownPrefix: string;
  /** Directories that this process has made durable. */
  #durable = new Set<string>();

  /** `directory` is made when something is put into it. */
  constructor(directory: string, files: FileSystem = nodeFileSystem) {
    this.location = directory;
    this.#root = resolve(directory);
    this.#files = files;
    this.#ownPrefix = `${UNFINISHED}${process.pid}-${Date.now().toString(36)}-${counter++}-`;
  }

  async put(name: string, chunks: Chunks, { ifAbsent = false }: PutOptions = {}): Promise<boolean> {
    const path = join(this.#root, name);
    const directory = dirname(path);
    const unfinished = join(directory, `${this.#ownPrefix}${counter++}`);
    const file = await this.#create(unfinished);
    try {
      await fill(file, chunks);
      const isNamed = await this.#giveName(unfinished, path, ifAbsent);
      await this.#files.syncDirectory(directory); // invariant 2; where it was there it may not be durable yet either
      return isNamed;
    } catch (error) {
      // The first error is what counts; what is left is removed by the next owner.
      await this.#files.remove(unfinished).catch(() => undefined);
      throw error;
    }
  }

  async #create(path: string): Promise<WritableFile> {
    try {
      await this.#makeDurable(dirname(path));
      return await this.#files.create(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    // A directory is removed when it is empty. The store's own is not: where that is gone it is not begun anew.
    this.#durable = new Set([...this.#durable].filter((directory) => directory === this.#root));
    await this.#makeDurable(dirname(path));
    return this.#files.create(path);
  }

  async #giveName(unfinished: string, path: string, ifAbsent: boolean): Promise<boolean> {
    if (!ifAbsent) {
      await this.#files.rename(unfinished, path);
      return true;
    }
    let isNamed = true;
    try {
      await this.#files.link(unfinished, path); // invariant 3
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      isNamed = false;
    }
    await this.#files.remove(unfinished);
    return isNamed;
  }

  /** With those above it: their makers may have crashed, too. */
  async #makeDurable(directory: string): Promise<void> {
    const parent = dirname(directory);
    if (this.#durable.has(directory) || parent === directory) return;
    await this.#makeDurable(parent);
    const isMade = await this.#make(directory);
    try {
      await this.#files.syncDirectory(parent);
    } catch (error) {
      // A directory above the store's that may not be read: then it was not this user who has made what is in it.
      if (isMade || !isForbidden(error)) throw error;
    }
    this.#durable.add(directory);
  }

  /** Resolves with whether it was made. */
  async #make(directory: string): Promise<boolean> {
    try {
      await this.#files.makeDirectory(directory);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  async get(name: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    try {
      return await this.#files.read(join(this.#root, name), range);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async list(prefix: string): Promise<readonly BlobInfo[]> {
    const slash = prefix.indexOf('/');
    if (slash >= 0) return this.#listDirectory(prefix.slice(0, slash), prefix);
    const found: BlobInfo[] = [];
    for (const { name, isDirectory, bytes } of await this.#entries(this.#root)) {
      if (name.startsWith('.') || !name.startsWith(prefix)) continue;
      if (isDirectory) found.push(...(await this.#listDirectory(name, `${name}/`)));
      else found.push({ name, bytes });
    }
    return found;
  }

  async #listDirectory(directory: string, prefix: string): Promise<BlobInfo[]> {
    return (await this.#entries(join(this.#root, directory)))
      .filter(({ name, isDirectory }) => !isDirectory && !name.startsWith('.'))
      .map(({ name, bytes }) => ({ name: `${directory}/${name}`, bytes }))
      .filter(({ name }) => name.startsWith(prefix));
  }

  async #entries(path: string): Promise<readonly DirectoryEntry[]> {
    try {
      return await this.#files.list(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** `undefined` where they may not be read: then they are another user's, as those of `lost+found`. */
  async #entriesIfAllowed(path: string): Promise<readonly DirectoryEntry[] | undefined> {
    try {
      return await this.#entries(path);
    } catch (error) {
      if (isForbidden(error)) return undefined;
      throw error;
    }
  }

  async delete(names: readonly string[], { mayComeBack = false }: DeleteOptions = {}): Promise<void> {
    const directories = new Set<string>();
    for (const name of names) {
      const path = join(this.#root, name);
      if (await this.#remove(path)) directories.add(dirname(path));
    }
    for (const directory of directories) {
      const isGone = await this.#removeIfEmpty(directory);
      if (!mayComeBack) await this.#files.syncDirectory(isGone ? this.#root : directory);
    }
  }

  /** Resolves with whether it was there. */
  async #remove(path: string): Promise<boolean> {
    try {
      await this.#files.remove(path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** So that a checkpoint's directory goes with its files. Resolves with whether it has gone. */
  async #removeIfEmpty(directory: string): Promise<boolean> {
    if (directory === this.#root) return false;
    try {
      await this.#files.removeDirectory(directory);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      if (code !== 'ENOENT') throw error;
    }
    this.#durable.delete(directory);
    return true;
  }

  /** What is removed may be of a process that lives and has lost the store: its `put` fails. */
  async settle(): Promise<void> {
    const root = await this.#entries(this.#root);
    const directories = root
      .filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => join(this.#root, name));
    for (const directory of [...directories, this.#root]) {
      const entries = directory === this.#root ? root : await this.#entriesIfAllowed(directory);
      if (entries === undefined) continue;
      for (const { name } of entries) {
        if (name.startsWith(UNFINISHED) && !name.startsWith(this.#ownPrefix))
          await this.#remove(join(directory, name));
      }
      // What has a name is complete; a crash may have come before the name was durable (invariant 1).
      if (!(await this.#removeIfEmpty(directory))) await this.#files.syncDirectory(directory);
    }
  }
}

async function fill(file: WritableFile, chunks: Chunks): Promise<void> {
  try {
    for await (const bytes of together(chunks)) await file.write(bytes);
    await file.sync(); // invariant 1
  } finally {
    await file.close();
  }
}

/** Small chunks joined, so that there are few calls of the system. */
async function* together(chunks: Chunks): AsyncIterable<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    length += chunk.byteLength;
    if (length < LEAST_WRITE) continue;
    yield waiting.length === 1 ? chunk : Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(codeOf(error) ?? '');
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}
