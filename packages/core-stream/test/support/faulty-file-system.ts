import { basename, dirname } from 'node:path';
import type { ByteRange } from '../../src/checkpoint/checkpoint-storage.js';
import type { DirectoryEntry, FileSystem, WritableFile } from '../../src/checkpoint/file-system.js';
import type { Random } from './random.js';

class FileNode {
  bytes: Buffer = Buffer.alloc(0);
  /** How they were at the last sync. */
  durable: Buffer = Buffer.alloc(0);
}

class DirectoryNode {
  readonly entries = new Map<string, Node>();
  /** How they were at the last sync. */
  durable = new Map<string, Node>();
  /** What each name has stood for since the last sync, `undefined` for nothing. */
  readonly changes = new Map<string, (Node | undefined)[]>();

  set(name: string, node: Node | undefined): void {
    if (node === undefined) this.entries.delete(name);
    else this.entries.set(name, node);
    const changes = this.changes.get(name);
    if (changes === undefined) this.changes.set(name, [node]);
    else changes.push(node);
  }
}

type Node = FileNode | DirectoryNode;

/** The machine has lost its power, or the process was killed: nothing happens any more. */
export class PowerCut extends Error {}

/**
 * A file system in memory that forgets, at a power cut, what was not synced: bytes of a file are dropped or torn; each name in
 * a directory stands for what it stood for at the directory's last sync, or for anything since, whatever other names do.
 */
export class FaultyFileSystem implements FileSystem {
  /** Calls so far. */
  steps = 0;
  /** Called before each step, with its number: may throw an error of the system's, or `PowerCut`. */
  beforeStep: (step: number, call: string) => void = () => undefined;
  #root: DirectoryNode;
  #isDead = false;

  constructor(root = new DirectoryNode()) {
    this.#root = root;
  }

  /** What is found after a power cut. This one is of no use any more. */
  cut(random: Random): FaultyFileSystem {
    this.#isDead = true;
    return new FaultyFileSystem(survivorOf(this.#root, random));
  }

  /** What the next process finds where only this one was killed. */
  killed(): FaultyFileSystem {
    this.#isDead = true;
    return new FaultyFileSystem(this.#root);
  }

  /** As somebody with `rm -rf` does. */
  removeTree(path: string): void {
    this.#directory(dirname(path)).set(basename(path), undefined);
  }

  async create(path: string): Promise<WritableFile> {
    await this.#step(`create ${path}`);
    const directory = this.#directory(dirname(path));
    if (directory.entries.has(basename(path))) throw failure('EEXIST', path);
    const file = new FileNode();
    directory.set(basename(path), file);
    return {
      write: async (bytes) => {
        try {
          await this.#step(`write ${path}`);
        } catch (error) {
          // A full disk takes a part of it.
          if (!this.#isDead) file.bytes = Buffer.concat([file.bytes, bytes.subarray(0, bytes.length >> 1)]);
          throw error;
        }
        file.bytes = Buffer.concat([file.bytes, bytes]);
      },
      sync: async () => {
        await this.#step(`sync ${path}`);
        file.durable = file.bytes;
      },
      close: async () => {
        await this.#step(`close ${path}`);
      },
    };
  }

  async read(path: string, range?: ByteRange): Promise<Uint8Array> {
    await this.#step(`read ${path}`);
    const node = this.#node(path);
    if (!(node instanceof FileNode)) throw failure('EISDIR', path);
    const { offset, length } = range ?? { offset: 0, length: node.bytes.length };
    return Buffer.from(node.bytes.subarray(offset, offset + length));
  }

  async list(path: string): Promise<readonly DirectoryEntry[]> {
    await this.#step(`list ${path}`);
    return [...this.#directory(path).entries].map(([name, node]) => ({
      name,
      isDirectory: node instanceof DirectoryNode,
      bytes: node instanceof FileNode ? node.bytes.length : 0,
    }));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#step(`make ${path}`);
    const parent = this.#directory(dirname(path));
    if (parent.entries.has(basename(path))) throw failure('EEXIST', path);
    parent.set(basename(path), new DirectoryNode());
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#step(`sync directory ${path}`);
    const directory = this.#directory(path);
    directory.durable = new Map(directory.entries);
    directory.changes.clear();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(`rename ${from} ${to}`);
    const node = this.#node(from);
    this.#directory(dirname(from)).set(basename(from), undefined);
    this.#directory(dirname(to)).set(basename(to), node);
  }

  async link(existing: string, name: string): Promise<void> {
    await this.#step(`link ${existing} ${name}`);
    const node = this.#node(existing);
    const directory = this.#directory(dirname(name));
    if (directory.entries.has(basename(name))) throw failure('EEXIST', name);
    directory.set(basename(name), node);
  }

  async remove(path: string): Promise<void> {
    await this.#step(`remove ${path}`);
    if (this.#node(path) instanceof DirectoryNode) throw failure('EISDIR', path);
    this.#directory(dirname(path)).set(basename(path), undefined);
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#step(`remove directory ${path}`);
    if (this.#directory(path).entries.size > 0) throw failure('ENOTEMPTY', path);
    this.#directory(dirname(path)).set(basename(path), undefined);
  }

  async #step(call: string): Promise<void> {
    await Promise.resolve();
    if (this.#isDead) throw new PowerCut();
    try {
      this.beforeStep(++this.steps, call);
    } catch (error) {
      if (error instanceof PowerCut) this.#isDead = true;
      throw error;
    }
  }

  #node(path: string): Node {
    if (path === '/') return this.#root;
    const node = this.#directory(dirname(path)).entries.get(basename(path));
    if (node === undefined) throw failure('ENOENT', path);
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#node(path);
    if (!(node instanceof DirectoryNode)) throw failure('ENOTDIR', path);
    return node;
  }
}

/** An error as the system reports it. */
export function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: '${path}'`), { code });
}

function survivorOf(directory: DirectoryNode, random: Random, known = new Map<Node, Node>()): DirectoryNode {
  const survivor = new DirectoryNode();
  known.set(directory, survivor);
  for (const name of new Set([...directory.durable.keys(), ...directory.changes.keys()])) {
    const candidates = [directory.durable.get(name), ...(directory.changes.get(name) ?? [])];
    const node = candidates[random.below(candidates.length)];
    if (node === undefined) continue;
    let left = known.get(node); // a file may have two names
    if (left === undefined) {
      left = node instanceof FileNode ? tornFile(node, random) : survivorOf(node, random, known);
      known.set(node, left);
    }
    survivor.entries.set(name, left);
    survivor.durable.set(name, left);
  }
  return survivor;
}

/** Nothing, all, or a part of what was not synced, with zeros where blocks did not get to the disk. */
function tornFile({ bytes, durable }: FileNode, random: Random): FileNode {
  const file = new FileNode();
  const kept = durable.length + random.below(bytes.length - durable.length + 1);
  file.bytes = Buffer.from(bytes.subarray(0, kept));
  if (random.below(2) === 0) file.bytes.fill(0, durable.length + random.below(kept - durable.length + 1));
  file.durable = file.bytes;
  return file;
}
