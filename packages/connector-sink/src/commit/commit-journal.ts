/**
 * Remembers, beside the spool files, which commits are confirmed and not at their end: with `waitUntil: 'submitted'` no later
 * checkpoint names them, and a process that begins again has to see them through.
 *
 * Invariants:
 * 1. An entry is durable before its commit is confirmed, and goes after its file.
 * 2. A spool file that an entry names is not an orphan.
 */
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitRequest } from '@millrace/core-stream';
import { DruidSinkCheckpointError } from '../errors.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolCommittable } from './committable.js';

const ENTRY = '.submitted.json';
const UNFINISHED = `${ENTRY}.new`;

export class CommitJournal {
  readonly #directory: SpoolDirectory;

  constructor(directory: SpoolDirectory) {
    this.#directory = directory;
  }

  /** @throws DruidSinkSpoolError */
  async add(baseId: string, request: CommitRequest<SpoolCommittable>): Promise<void> {
    const path = join(this.#directory.path, `${baseId}${ENTRY}`);
    const unfinished = join(this.#directory.path, `${baseId}${UNFINISHED}`);
    try {
      const handle = await open(unfinished, 'w');
      try {
        await handle.writeFile(JSON.stringify(request));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, path);
      await this.#directory.sync(); // invariant 1
    } catch (cause) {
      throw await this.#directory.error('cannot be written', cause);
    }
  }

  async remove(baseId: string): Promise<void> {
    await this.#directory.remove(this.#directory.nameOf(`${baseId}${ENTRY}`));
  }

  /** What earlier processes have left. @throws DruidSinkCheckpointError for an entry that cannot be read */
  async list(): Promise<CommitRequest<SpoolCommittable>[]> {
    const { path } = this.#directory;
    const names = await readdir(path).catch(async (cause: unknown) => {
      throw await this.#directory.error('cannot be read', cause);
    });
    for (const name of names) if (name.endsWith(UNFINISHED)) await rm(join(path, name), { force: true });
    const entries = names.filter((name) => name.endsWith(ENTRY)).sort();
    return Promise.all(entries.map((name) => this.#read(join(path, name))));
  }

  async #read(path: string): Promise<CommitRequest<SpoolCommittable>> {
    try {
      const request = JSON.parse(await readFile(path, 'utf8')) as CommitRequest<SpoolCommittable>;
      if (request.committable.version === 1) return request;
      throw new Error(`version ${String(request.committable.version)}`);
    } catch (cause) {
      throw new DruidSinkCheckpointError(
        `'${path}' tells which rows Druid was given and has not confirmed, and cannot be read. Restore it, or run the ` +
          `version of this package that wrote it.`,
        { details: { file: path }, cause },
      );
    }
  }
}
