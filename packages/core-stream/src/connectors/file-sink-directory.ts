/**
 * Where a file sink's files are: those in progress in a hidden directory of the job's own, finished ones in their buckets.
 *
 * Invariants
 * 1. A file's final name is made of job, operator, checkpoint, subtask and number: it is the same whenever the commit is
 *    repeated, and no other file of the job ever has it.
 * 2. In-progress files of other jobs, and of other sinks, are in other directories: they are never touched.
 */
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { CheckpointError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';
import type { SinkContext } from './sink.js';
import type { SinkFile, SinkFileSystem } from './sink-file-system.js';

/** Enough of a job's id to tell the jobs apart that write into one directory; a clash would be refused by the committer. */
const JOB_ID_CHARACTERS = 8;

export class FileSinkDirectory {
  readonly root: string;
  readonly #files: SinkFileSystem;
  /** Relative to the root, as all names of files in progress are: a job that begins with a savepoint gets those of another. */
  readonly #inProgress: string;
  readonly #prefix: string;

  constructor(
    directory: string,
    { jobId, operatorUid }: Pick<SinkContext, 'jobId' | 'operatorUid'>,
    files: SinkFileSystem,
  ) {
    const uid = encodeURIComponent(operatorUid);
    this.root = resolve(directory);
    this.#files = files;
    this.#inProgress = `.in-progress-${encodeURIComponent(jobId)}-${uid}`; // invariant 2
    this.#prefix = `part-${encodeURIComponent(jobId.slice(0, JOB_ID_CHARACTERS))}-${uid}`;
  }

  /** The final name of a checkpoint's `index`-th file of a subtask (invariant 1). */
  partName(subtaskIndex: number, checkpointId: number, index: number, extension: string): string {
    return `${this.#prefix}-${subtaskIndex}-${checkpointId}-${index}${extension}`;
  }

  /** For a file in progress. Of no meaning: the final name is given by the checkpoint. */
  newName(subtaskIndex: number): string {
    return `${this.#inProgress}/${subtaskIndex}-${randomUUID()}`;
  }

  async prepare(): Promise<void> {
    await this.#make(this.root);
    await this.#make(this.inProgressPath(this.#inProgress));
  }

  /** Each with those above it, up to the root: an earlier run may have ended before they were durable. */
  async makeBuckets(buckets: Iterable<string>): Promise<void> {
    const paths = new Set<string>();
    for (const bucket of buckets) {
      const names = bucket === '' ? [] : bucket.split('/');
      for (let depth = 0; depth <= names.length; depth++)
        paths.add(join(this.root, ...names.slice(0, depth)));
    }
    for (const path of paths) await this.#make(path);
  }

  #make(path: string): Promise<void> {
    return this.#do('made', path, () => this.#files.makeDirectory(path));
  }

  async listInProgress(): Promise<readonly string[]> {
    const names = await this.#do('listed', this.inProgressPath(this.#inProgress), (path) =>
      this.#files.list(path),
    );
    return names.map((name) => `${this.#inProgress}/${name}`);
  }

  create(name: string): Promise<SinkFile> {
    return this.#do('created', this.inProgressPath(name), (path) => this.#files.create(path));
  }

  write(file: SinkFile, name: string, bytes: Uint8Array, position: number): Promise<void> {
    return this.#do('written', this.inProgressPath(name), () => file.write(bytes, position));
  }

  /** Makes an in-progress file durable, and makes sure that it is still there and nobody else has written to it. */
  async sync(file: SinkFile, name: string, bytes: number): Promise<void> {
    await this.#do('synced', this.inProgressPath(name), () => file.sync());
    const size = await this.sizeInProgress(name);
    if (size === bytes) return;
    throw new Error(
      `${this.inProgressPath(name)} ${size === undefined ? 'is gone' : `has ${size} bytes`} where ${bytes} were written: ` +
        'something else changes the files of this job. Make sure that it runs only once and that nobody tidies up there.',
    );
  }

  syncInProgress(): Promise<void> {
    return this.#do('synced', this.inProgressPath(this.#inProgress), (path) =>
      this.#files.syncDirectory(path),
    );
  }

  removeInProgress(name: string): Promise<void> {
    return this.#do('removed', this.inProgressPath(name), (path) => this.#files.remove(path));
  }

  sizeInProgress(name: string): Promise<number | undefined> {
    return this.#do('looked at', this.inProgressPath(name), (path) => this.#files.size(path));
  }

  /** Takes a file back to what the restored checkpoint has of it. @throws CheckpointError where it has not got that much */
  async cutOff(name: string, bytes: number): Promise<void> {
    const path = this.inProgressPath(name);
    const size = await this.sizeInProgress(name);
    if (size === undefined || size < bytes) {
      throw new CheckpointError(
        `The checkpoint has ${bytes} bytes of ${path}, which ${size === undefined ? 'is not there' : `has ${size}`}. ` +
          'Either it was removed, or the checkpoint is older than what the job has committed since: then its records are in a finished file. ' +
          'Restore the newest checkpoint, or start without one, with a directory of its own.',
        { details: { path, bytes, size } },
      );
    }
    if (size > bytes) await this.#do('cut off', path, () => this.#files.truncate(path, bytes));
  }

  // Finished files, by their path relative to the root.

  sizeFinished(path: string): Promise<number | undefined> {
    return this.#do('looked at', join(this.root, path), (full) => this.#files.size(full));
  }

  show(name: string, path: string): Promise<void> {
    return this.#do('put in place', join(this.root, path), (full) =>
      this.#files.rename(this.inProgressPath(name), full),
    );
  }

  syncBucket(bucket: string): Promise<void> {
    return this.#do('synced', join(this.root, bucket), (path) => this.#files.syncDirectory(path));
  }

  inProgressPath(name: string): string {
    return join(this.root, name);
  }

  async #do<R>(what: string, path: string, work: (path: string) => Promise<R>): Promise<R> {
    try {
      return await work(path);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      const reason = REASONS[code] ?? messageOf(error);
      throw new Error(
        `${path} cannot be ${what}: ${reason}${code === '' ? '' : ` (${code})`}. Started again, the job goes on from its last checkpoint.`,
        { cause: error },
      );
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the disk quota is used up: make room',
  ENOENT: 'it, or its directory, is gone: do not remove directories that a job writes to',
  ENOTDIR: 'something on the way to it is no directory: move that away',
  EACCES: 'the process may not: give it write access',
  EPERM: 'the process may not: give it write access',
  EROFS: 'the file system is read-only: choose another directory',
  EMFILE: "too many files are open: lower 'maxOpenFiles' or raise the limit of the process",
  ENAMETOOLONG: 'the name is too long: give the sink a shorter uid, or directory',
  EXDEV: "a bucket is on another file system than the sink's directory: both must be on one",
};
