import { dirname, resolve } from 'node:path';
import type { SinkFile, SinkFileSystem } from '../../src/connectors/sink-file-system.js';
import { Random } from './random.js';

/** The process is gone: nothing that it calls does anything any more. */
export class Crash extends Error {}

class Inode {
  bytes = Buffer.alloc(0);
  durable = Buffer.alloc(0);
}

type Entry = Inode | 'directory';

/** A change of names, which becomes durable when its directory is synced. */
interface Change {
  readonly directory: string;
  apply(entries: Map<string, Entry>): void;
}

/**
 * A file system that can lose what was not made durable. `crashAfter` steps everything fails, as it does for a process
 * that was killed; `restart` is the next process, after a power cut if told.
 */
export class MemoryFileSystem implements SinkFileSystem {
  readonly #random: Random;
  /** `/data` is there. */
  #entries = new Map<string, Entry>([
    [resolve('/'), 'directory'],
    [resolve('/data'), 'directory'],
  ]);
  #durable = new Map(this.#entries);
  #changes: Change[] = [];
  #life = 0;
  #stepsLeft = Infinity;
  steps = 0;
  /** Files that are open, and the most that ever were. */
  open = 0;
  maxOpen = 0;
  /** What a step fails with, instead of being done. */
  fault: (step: string, path: string) => Error | undefined = () => undefined;

  constructor(seed = 1) {
    this.#random = new Random(seed);
  }

  crashAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  restart(isPowerCut: boolean): void {
    this.#life++;
    this.#stepsLeft = Infinity;
    if (!isPowerCut) return;
    for (const change of this.#changes) if (this.#random.below(2) === 0) change.apply(this.#durable);
    this.#changes = [];
    this.#entries = new Map();
    for (const [path, entry] of this.#durable) {
      if (isReachable(this.#durable, path)) this.#entries.set(path, entry);
      if (entry === 'directory') continue;
      // Of what was not synced, some is there, some is not, and some is zeros.
      const kept = entry.durable.length + this.#random.below(entry.bytes.length - entry.durable.length + 1);
      const torn = Buffer.from(entry.bytes.subarray(0, kept));
      if (this.#random.below(2) === 0) torn.fill(0, entry.durable.length);
      entry.bytes = torn;
      entry.durable = torn;
    }
    this.#durable = new Map(this.#entries);
  }

  /** Puts a file there, or takes it away, as others do. */
  put(path: string, text: string | undefined): void {
    if (text === undefined) {
      this.#entries.delete(path);
      return;
    }
    const inode = new Inode();
    inode.bytes = Buffer.from(text);
    this.#entries.set(path, inode);
  }

  /** Visible files by path; `isHidden` those under a name that begins with a dot. */
  files(isHidden = false): Map<string, string> {
    const found = new Map<string, string>();
    for (const [path, entry] of this.#entries) {
      if (entry !== 'directory' && path.includes('/.') === isHidden) found.set(path, entry.bytes.toString());
    }
    return found;
  }

  async makeDirectory(path: string): Promise<void> {
    for (const made of [...ancestors(path).reverse(), path]) {
      if (this.#entries.has(made)) continue;
      await this.#step('makeDirectory', made);
      this.#change({
        directory: dirname(made),
        apply: (entries) => void entries.set(made, 'directory'),
      });
      await this.syncDirectory(dirname(made));
    }
    await this.syncDirectory(dirname(path));
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#step('list', path);
    this.#require(path);
    return [...this.#entries.keys()]
      .filter((other) => dirname(other) === path)
      .map((other) => other.slice(path.length + 1));
  }

  async size(path: string): Promise<number | undefined> {
    await this.#step('size', path);
    const entry = this.#entries.get(path);
    return entry === undefined || entry === 'directory' ? undefined : entry.bytes.length;
  }

  async create(path: string): Promise<SinkFile> {
    await this.#step('create', path);
    this.#require(dirname(path));
    if (this.#entries.has(path)) throw new Error(`${path} is there`);
    const inode = new Inode();
    this.maxOpen = Math.max(this.maxOpen, ++this.open);
    this.#change({ directory: dirname(path), apply: (entries) => void entries.set(path, inode) });
    const life = this.#life;
    return {
      write: async (bytes, position) => {
        const put = (length: number) => {
          inode.bytes = Buffer.concat([inode.bytes.subarray(0, position), bytes.subarray(0, length)]);
        };
        try {
          await this.#step('write', path, life);
        } catch (error) {
          if (life === this.#life) put(this.#random.below(bytes.length)); // some of it may be there
          throw error;
        }
        put(bytes.length);
      },
      sync: async () => {
        await this.#step('sync', path, life);
        inode.durable = inode.bytes;
      },
      close: () => Promise.resolve(void this.open--),
    };
  }

  async truncate(path: string, bytes: number): Promise<void> {
    await this.#step('truncate', path);
    const inode = this.#require(path) as Inode;
    inode.bytes = Buffer.from(inode.bytes.subarray(0, bytes));
    inode.durable = inode.bytes;
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step('rename', to);
    const entry = this.#require(from);
    this.#require(dirname(to));
    this.#change({
      directory: dirname(to), // a rename is done or not: journals see to it
      apply(entries) {
        entries.delete(from);
        entries.set(to, entry);
      },
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step('remove', path);
    this.#require(path);
    this.#change({ directory: dirname(path), apply: (entries) => void entries.delete(path) });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#step('syncDirectory', path);
    this.#require(path);
    this.#changes = this.#changes.filter((change) => {
      if (change.directory !== path) return true;
      change.apply(this.#durable);
      return false;
    });
  }

  /** Everything that can be done, under way: so that work of several promises interleaves. */
  async #step(step: string, path: string, life = this.#life): Promise<void> {
    await Promise.resolve();
    if (life !== this.#life || this.#stepsLeft-- <= 0) throw new Crash(`${step} ${path}`);
    this.steps++;
    const error = this.fault(step, path);
    if (error !== undefined) throw error;
  }

  #change(change: Change): void {
    change.apply(this.#entries);
    this.#changes.push(change);
  }

  #require(path: string): Entry {
    const entry = this.#entries.get(path);
    if (entry !== undefined) return entry;
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  }
}

function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let above = dirname(path); ; above = dirname(above)) {
    found.push(above);
    if (above === dirname(above)) return found;
  }
}

function isReachable(entries: ReadonlyMap<string, Entry>, path: string): boolean {
  return ancestors(path).every((above) => entries.get(above) === 'directory');
}
