import { readFile } from 'node:fs/promises';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolServer } from '../spool/spool-server.js';
import type { ChunkRevision } from './chunk-committable.js';
import type { ChunkInput } from './replace-task.js';

export interface RevisionInputOptions {
  readonly revision: ChunkRevision;
  readonly directory: SpoolDirectory;
  readonly server: SpoolServer;
  /** Files that this process has written: they need not be read again to be trusted. */
  readonly written: ReadonlySet<string>;
  /** Chunks up to this size travel inside the task. */
  readonly inlineMaxBytes: number;
}

/** How the tasks of one revision get its rows: served for as long as a task may read them, or inside the task. */
export class RevisionInput {
  readonly #options: RevisionInputOptions;
  #opened: ChunkInput | undefined;

  constructor(options: RevisionInputOptions) {
    this.#options = options;
  }

  get isInline(): boolean {
    return this.#options.revision.bytes <= this.#options.inlineMaxBytes;
  }

  /** What to submit a task with. @throws DruidSinkCheckpointError unless the files are as the checkpoint names them */
  async open(): Promise<ChunkInput> {
    return (this.#opened ??= await this.#open());
  }

  /** Serves the files, if they are intact, to a task that an earlier process has submitted. */
  async serveInherited(): Promise<void> {
    await this.#verify().then(
      () => this.#publish(),
      () => undefined,
    );
  }

  close(): void {
    for (const { file } of this.#options.revision.parts) this.#options.server.withdraw(file);
  }

  async #open(): Promise<ChunkInput> {
    const { revision, directory } = this.#options;
    await this.#verify();
    if (!this.isInline) return { type: 'http', uris: this.#publish() };
    const texts = revision.parts.map(({ file }) => readFile(directory.resolve(file), 'utf8'));
    return { type: 'inline', data: (await Promise.all(texts)).join('') };
  }

  async #verify(): Promise<void> {
    const { revision, directory, written } = this.#options;
    for (const part of revision.parts) {
      const isTrusted = written.has(part.file) && (await directory.has(part.file));
      if (!isTrusted) await directory.verify(part);
    }
  }

  #publish(): string[] {
    const { revision, directory, server } = this.#options;
    return revision.parts.map(({ file }) => server.publish(file, directory.resolve(file)));
  }
}
