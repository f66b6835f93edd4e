import { readFile } from 'node:fs/promises';
import type { SpoolCommittable } from '../commit/committable.js';
import type { SpoolInput } from '../commit/ingestion-spec.js';
import type { SpoolDirectory } from './spool-directory.js';
import { decodeSpoolFile } from './spool-encoding.js';
import type { SpoolServer } from './spool-server.js';

export interface TaskInputOptions {
  readonly committable: SpoolCommittable;
  readonly directory: SpoolDirectory;
  readonly server: SpoolServer;
  /** Files up to this size travel inside the task. */
  readonly inlineMaxBytes: number;
}

/** How the tasks of one file get its rows: served for as long as a task may read them, or inside the task. */
export class TaskInput {
  readonly #options: TaskInputOptions;
  #opened: SpoolInput | undefined;

  constructor(options: TaskInputOptions) {
    this.#options = options;
  }

  /** Whether tasks get the rows with their specification, and need nobody to serve them. */
  get isInline(): boolean {
    const { committable, inlineMaxBytes } = this.#options;
    return (committable.textBytes ?? committable.bytes) <= inlineMaxBytes;
  }

  /** What to submit a task with. @throws DruidSinkSpoolError */
  async open(): Promise<SpoolInput> {
    this.#opened ??= await this.#open();
    return this.#opened;
  }

  /** Serves the file, if it is intact, to a task that an earlier process has submitted. */
  async serveInherited(): Promise<void> {
    const { committable, directory, server } = this.#options;
    const isIntact = await directory.verify(committable).then(
      () => true,
      () => false,
    );
    if (isIntact) server.publish(committable.file, directory.resolve(committable.file));
  }

  /** @throws DruidSinkCheckpointError unless the file is as the checkpoint names it */
  verify(): Promise<void> {
    return this.#options.directory.verify(this.#options.committable);
  }

  close(): void {
    this.#options.server.withdraw(this.#options.committable.file);
  }

  async #open(): Promise<SpoolInput> {
    const { committable, directory, server } = this.#options;
    const path = directory.resolve(committable.file);
    if (!this.isInline) return { type: 'http', url: server.publish(committable.file, path) };
    try {
      return { type: 'inline', data: await decodeSpoolFile(path, await readFile(path)) };
    } catch (cause) {
      throw await directory.error(`cannot be read (file '${committable.file}')`, cause);
    }
  }
}
