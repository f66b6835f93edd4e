/**
 * Puts finished files in place, by renaming them, once their checkpoint is durable.
 *
 * Invariants
 * 1. A file is in progress or in place, never both: a repeated commit finds it in place, and changes nothing.
 * 2. What is neither, or has another size than was prepared, or would overwrite something, is an error.
 * 3. A commit is confirmed when the names are durable.
 * 4. In-progress files that the restored checkpoint does not name are removed before anything is written.
 */
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import type { FileSinkDirectory } from './file-sink-directory.js';
import type { FileCommittable, OpenFileState } from './file-sink-writer.js';
import type { CommitRequest, Committer } from './sink.js';

export class FileSinkCommitter implements Committer<FileCommittable, OpenFileState> {
  readonly #directory: FileSinkDirectory;

  constructor(directory: FileSinkDirectory) {
    this.#directory = directory;
  }

  async recover(
    pending: readonly CommitRequest<FileCommittable>[],
    openFiles: readonly OpenFileState[],
  ): Promise<void> {
    await this.#directory.prepare();
    const named = new Set(
      [...pending.map(({ committable }) => committable), ...openFiles].map(({ inProgress }) => inProgress),
    );
    for (const name of await this.#directory.listInProgress()) {
      if (!named.has(name)) await this.#directory.removeInProgress(name); // invariant 4
    }
  }

  async commit(requests: readonly CommitRequest<FileCommittable>[]): Promise<void> {
    const files = requests.map(({ committable }) => committable);
    const buckets = new Set(files.map(({ bucket }) => bucket));
    await this.#directory.makeBuckets(buckets);
    for (const file of files) await this.#show(file);
    for (const bucket of buckets) await this.#directory.syncBucket(bucket); // invariant 3
  }

  async #show(file: FileCommittable): Promise<void> {
    const path = join(file.bucket, file.name);
    const prepared = await this.#directory.sizeInProgress(file.inProgress);
    const shown = await this.#directory.sizeFinished(path);
    if (prepared === file.bytes && shown === undefined) await this.#directory.show(file.inProgress, path);
    else if (prepared !== undefined || shown !== file.bytes) throw this.#refusal(file, prepared, shown); // invariant 2
  }

  #refusal(file: FileCommittable, prepared: number | undefined, shown: number | undefined): CheckpointError {
    const { root } = this.#directory;
    const from = this.#directory.inProgressPath(file.inProgress);
    const to = join(root, file.bucket, file.name);
    const seen = (size: number | undefined) => (size === undefined ? 'is not there' : `has ${size} bytes`);
    return new CheckpointError(
      `${to} cannot be committed with its ${file.bytes} bytes: ${from} ${seen(prepared)}, and ${to} itself ${seen(shown)}. ` +
        'Somebody has changed, moved or removed one of them, or an older checkpoint was restored than the newest. Put the file back; ' +
        'let readers take files away only when a later checkpoint is complete.',
      { details: { path: to, bytes: file.bytes } },
    );
  }
}
