/**
 * Checkpoints as directories: `chk-<id>/MANIFEST.json`, which a person can read, and `chk-<id>/state.bin`.
 *
 * Invariants
 * 1. A directory named `chk-<id>` is complete: it was written under another name, fsynced, and renamed.
 * 2. Every part has a SHA-256 in the manifest, and is checked when it is read.
 * 3. The newest `retained` checkpoints are kept, older ones are removed after a newer one is durable.
 * 4. Ids ascend: a checkpoint that is not newer than all others is refused. It comes from a second process.
 * 5. `job.json` names the lineage; it is written once.
 */
import { createHash } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CheckpointError } from '../errors.js';
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { CommitRequest } from '../connectors/sink.js';
import type { CheckpointData, CheckpointStorage, JobLineage } from './checkpoint-storage.js';

const FORMAT_VERSION = 1;
const MANIFEST = 'MANIFEST.json';
const STATE = 'state.bin';
const LINEAGE = 'job.json';

interface Part {
  readonly uid: string;
  readonly subtaskIndex?: number;
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

interface Manifest {
  readonly formatVersion: number;
  readonly checkpointId: number;
  readonly jobName: string;
  readonly jobId: string;
  readonly maxParallelism: number;
  readonly createdAt: string;
  readonly operators: readonly Part[];
  readonly enumerators: readonly Part[];
  readonly pendingCommits: readonly (Part & { readonly requests: number })[];
}

/** What a checkpoint directory keeps. */
export interface FileCheckpointStorageOptions {
  /** How many checkpoints are kept; 2 unless told. */
  readonly retained?: number;
}

/** Keeps checkpoints in a directory that belongs to one job. */
export class FileCheckpointStorage implements CheckpointStorage {
  readonly location: string;
  readonly #retained: number;

  /** `directory` is made when the first checkpoint is written. It belongs to one job. */
  constructor(directory: string, options: FileCheckpointStorageOptions = {}) {
    this.location = directory;
    this.#retained = Math.max(1, options.retained ?? 2);
  }

  async latest(): Promise<CheckpointData | undefined> {
    const newest = (await this.#ids()).at(-1);
    return newest === undefined ? undefined : this.#read(newest);
  }

  async write(checkpoint: CheckpointData): Promise<number> {
    const name = `chk-${checkpoint.checkpointId}`;
    const unfinished = join(this.location, `.${name}.unfinished`);
    try {
      await this.#makeDirectory();
      const newest = (await this.#ids()).at(-1) ?? 0;
      if (newest >= checkpoint.checkpointId) {
        throw new Error(`checkpoint ${newest} is there already, so another process runs this job`); // invariant 4
      }
      await rm(unfinished, { recursive: true, force: true });
      await mkdir(unfinished);
      const { manifest, chunks } = toParts(checkpoint);
      const text = `${JSON.stringify(manifest, null, 2)}\n`;
      await writeDurably(join(unfinished, STATE), chunks);
      await writeDurably(join(unfinished, MANIFEST), [Buffer.from(text)]);
      await syncDirectory(unfinished);
      await rename(unfinished, join(this.location, name)); // invariant 1
      await syncDirectory(this.location);
      await this.#removeOld();
      return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) + Buffer.byteLength(text);
    } catch (error) {
      throw new CheckpointError(
        `Checkpoint ${checkpoint.checkpointId} could not be written to ${this.location}: ${messageOf(error)}. ` +
          'Check that the directory is writable and the disk has space; the job can be started again from the previous checkpoint.',
        { cause: error, details: { checkpointId: checkpoint.checkpointId, directory: this.location } },
      );
    }
  }

  async claim(candidate: JobLineage): Promise<JobLineage> {
    const path = join(this.location, LINEAGE);
    try {
      await this.#makeDirectory();
      const unfinished = join(this.location, `.${LINEAGE}.${candidate.jobId}`);
      await writeDurably(unfinished, [Buffer.from(`${JSON.stringify(candidate, null, 2)}\n`)]);
      // A link, unlike a rename, does not replace what another process has claimed in the meantime.
      await link(unfinished, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      await rm(unfinished);
      await syncDirectory(this.location);
      const { jobName, jobId } = JSON.parse(await readFile(path, 'utf8')) as JobLineage;
      return { jobName, jobId };
    } catch (error) {
      throw new CheckpointError(
        `The checkpoint directory ${this.location} cannot be used: ${messageOf(error)}. Check that it is a writable ` +
          'directory and the disk has space.',
        { cause: error, details: { directory: this.location } },
      );
    }
  }

  async #makeDirectory(): Promise<void> {
    const firstMade = await mkdir(this.location, { recursive: true });
    if (firstMade === undefined) return;
    // Each new directory is an entry of the one above.
    const top = dirname(resolve(firstMade));
    for (let path = resolve(this.location); path !== top; path = dirname(path))
      await syncDirectory(dirname(path));
  }

  async #ids(): Promise<number[]> {
    let names: string[];
    try {
      names = await readdir(this.location);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new CheckpointError(
        `The checkpoint directory ${this.location} cannot be read: ${messageOf(error)}`,
        { cause: error },
      );
    }
    return names
      .map((name) => /^chk-(\d+)$/.exec(name)?.[1])
      .filter((id) => id !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  async #read(checkpointId: number): Promise<CheckpointData> {
    const directory = join(this.location, `chk-${checkpointId}`);
    try {
      const manifest = JSON.parse(await readFile(join(directory, MANIFEST), 'utf8')) as Manifest;
      if (manifest.formatVersion !== FORMAT_VERSION) {
        throw new Error(
          `its format is version ${manifest.formatVersion}, this program reads version ${FORMAT_VERSION}`,
        );
      }
      if (manifest.checkpointId !== checkpointId) {
        throw new Error(`its manifest is that of checkpoint ${manifest.checkpointId}`);
      }
      const state = await readFile(join(directory, STATE));
      return {
        checkpointId: manifest.checkpointId,
        jobName: manifest.jobName,
        jobId: manifest.jobId,
        maxParallelism: manifest.maxParallelism,
        createdAt: Date.parse(manifest.createdAt),
        operators: manifest.operators.map((part) => ({
          uid: part.uid,
          subtaskIndex: part.subtaskIndex ?? 0,
          bytes: cut(state, part),
        })),
        enumerators: manifest.enumerators.map((part) => ({ uid: part.uid, bytes: cut(state, part) })),
        pendingCommits: manifest.pendingCommits.map((part) => ({
          uid: part.uid,
          requests: decodeState(cut(state, part)) as CommitRequest<unknown>[],
        })),
      };
    } catch (error) {
      throw new CheckpointError(
        `The newest checkpoint, ${directory}, cannot be trusted: ${messageOf(error)}. ` +
          'Starting from an older one could write data twice that was committed since. To do so knowingly, move this directory away.',
        { cause: error, details: { checkpointId, directory } },
      );
    }
  }

  async #removeOld(): Promise<void> {
    const ids = await this.#ids();
    for (const id of ids.slice(0, -this.#retained)) {
      const removed = join(this.location, `.chk-${id}.removed`);
      await rename(join(this.location, `chk-${id}`), removed); // invariant 1, also while it is being removed
      await rm(removed, { recursive: true, force: true });
    }
  }
}

function toParts(checkpoint: CheckpointData): { manifest: Manifest; chunks: Uint8Array[] } {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  const part = (uid: string, bytes: Uint8Array): Part => {
    const described = { uid, offset, length: bytes.byteLength, sha256: sha256(bytes) };
    chunks.push(bytes);
    offset += bytes.byteLength;
    return described;
  };
  const manifest: Manifest = {
    formatVersion: FORMAT_VERSION,
    checkpointId: checkpoint.checkpointId,
    jobName: checkpoint.jobName,
    jobId: checkpoint.jobId,
    maxParallelism: checkpoint.maxParallelism,
    createdAt: new Date(checkpoint.createdAt).toISOString(),
    operators: checkpoint.operators.map((blob) => ({
      ...part(blob.uid, blob.bytes),
      subtaskIndex: blob.subtaskIndex,
    })),
    enumerators: checkpoint.enumerators.map((blob) => part(blob.uid, blob.bytes)),
    pendingCommits: checkpoint.pendingCommits.map(({ uid, requests }) => ({
      ...part(uid, encodeState(requests)),
      requests: requests.length,
    })),
  };
  return { manifest, chunks };
}

function cut(state: Buffer, part: Part): Uint8Array {
  const bytes = state.subarray(part.offset, part.offset + part.length);
  if (bytes.byteLength !== part.length || sha256(bytes) !== part.sha256) {
    throw new Error(`the state of '${part.uid}' does not match its checksum`); // invariant 2
  }
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function writeDurably(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes new names in a directory durable. Windows has no such call, and needs none. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
