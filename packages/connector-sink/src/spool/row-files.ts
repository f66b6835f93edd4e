import { randomBytes } from 'node:crypto';
import type { SinkWriterContext } from '@millrace/core-stream';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { isOpenSpoolFile, notOurs, OpenRows, type OpenSpoolFile } from './open-rows.js';
import type { ChunkPool } from './row-chunk.js';
import type { SpoolDirectory } from './spool-directory.js';
import { encodingOfFile, type SpoolEncoding } from './spool-encoding.js';
import { SpoolFile } from './spool-file.js';

export interface RowFilesOptions {
  readonly directory: SpoolDirectory;
  readonly encoding: SpoolEncoding;
  readonly commitIdColumn: string | null;
  readonly context: Pick<SinkWriterContext, 'subtaskIndex' | 'clock'>;
  /** 16 characters that no other file has. */
  readonly createId?: () => string;
}

/** Begins the files that a writer's rows go into: empty ones, and copies of those that a checkpoint had open. */
export class RowFiles {
  readonly #options: RowFilesOptions;
  readonly #pool: ChunkPool;

  constructor(options: RowFilesOptions, pool: ChunkPool) {
    this.#options = options;
    this.#pool = pool;
  }

  begin(dataSchema: DataSchema): OpenRows {
    const { encoding, commitIdColumn, context } = this.#options;
    const { file, id, path } = this.#newName(encoding);
    const openedAtMs = context.clock.now();
    const commitId = commitIdColumn === null ? null : id;
    const identity = { file, openedAtMs, commitId, commitIdColumn, dataSchema };
    return new OpenRows(new SpoolFile(path, encoding), identity, this.#pool);
  }

  /** @throws DruidSinkCheckpointError where the file is not what the checkpoint names */
  async copyOf(state: OpenSpoolFile): Promise<OpenRows> {
    if (!isOpenSpoolFile(state)) throw notOurs();
    const { directory } = this.#options;
    const encoding = encodingOfFile(state.file, this.#options.encoding);
    const { file, path } = this.#newName(encoding);
    const source = directory.resolve(state.file);
    const copy = await SpoolFile.copyOf(source, state, path, encoding).catch(async (cause: unknown) => {
      throw await directory.error('cannot be written', cause);
    });
    if (copy === undefined) throw await directory.refusal(state);
    const { openedAtMs, commitId, commitIdColumn, dataSchema } = state;
    const identity = { file, openedAtMs, commitId, commitIdColumn, dataSchema };
    return new OpenRows(copy, identity, this.#pool, state);
  }

  /** Whether rows of this schema, written now, can follow those of the file. */
  canCarryOn({ file, commitIdColumn, dataSchema }: OpenSpoolFile, now: DataSchema): boolean {
    const { encoding } = this.#options;
    const isSame = JSON.stringify(dataSchema) === JSON.stringify(now);
    return (
      isSame && commitIdColumn === this.#options.commitIdColumn && encodingOfFile(file, encoding) === encoding
    );
  }

  #newName({ extension }: SpoolEncoding) {
    const { createId, directory, context } = this.#options;
    const id = createId?.() ?? randomBytes(12).toString('base64url');
    const file = directory.nameOf(`s${context.subtaskIndex}-${id}${extension}`);
    return { id, file, path: directory.resolve(file) };
  }
}
