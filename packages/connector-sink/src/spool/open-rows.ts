import type { SpoolCommittable } from '../commit/committable.js';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { DruidSinkCheckpointError } from '../errors.js';
import { TimeChunks, type Granularity, type TimeRange } from '../schema/time-chunks.js';
import { RowChunk, type ChunkPool } from './row-chunk.js';
import type { SpoolContent, SpoolFile } from './spool-file.js';

/** What a checkpoint holds of a file that is open over it. Plain data. */
export interface OpenSpoolFile extends SpoolContent {
  readonly version: 1;
  /** Path below the spool directory, with `/`. Its first `bytes` bytes are meant. */
  readonly file: string;
  /** Epoch milliseconds. */
  readonly openedAtMs: number;
  readonly rows: number;
  readonly commitId: string | null;
  readonly commitIdColumn: string | null;
  readonly minTime: number;
  readonly maxTime: number;
  readonly chunks: readonly TimeRange[] | null;
  readonly dataSchema: DataSchema;
}

/** What does not change while rows are added to a file. */
export type OpenRowsIdentity = Pick<
  OpenSpoolFile,
  'file' | 'openedAtMs' | 'commitId' | 'commitIdColumn' | 'dataSchema'
>;

/** The rows of one spool file while it is open. */
export class OpenRows {
  readonly identity: OpenRowsIdentity;
  readonly file: SpoolFile;
  readonly chunks: TimeChunks;
  /** The file that this one is a copy of. */
  readonly copyOf: string | undefined;
  /** Those that are not on their way to the file yet. */
  readonly chunk: RowChunk;
  rows = 0;
  /** Bytes before compression, without those in `chunk`. */
  textBytes = 0;
  /** Whether a checkpoint may name it. */
  isNamed = false;
  #content: SpoolContent | undefined;

  constructor(file: SpoolFile, identity: OpenRowsIdentity, pool: ChunkPool, restored?: OpenSpoolFile) {
    this.file = file;
    this.chunk = new RowChunk(pool);
    this.identity = identity;
    this.chunks = new TimeChunks(
      identity.dataSchema.granularitySpec.segmentGranularity.toLowerCase() as Granularity,
      restored,
    );
    this.copyOf = restored?.file;
    this.rows = restored?.rows ?? 0;
    this.textBytes = restored?.textBytes ?? 0;
  }

  /** Makes durable what is in the file. */
  async sync(): Promise<void> {
    this.#content = await this.file.sync();
  }

  /** What {@link sync} has found. */
  state(): OpenSpoolFile {
    return { version: 1, ...this.#content!, ...this.#meaning() };
  }

  async finish(fileNumber: number): Promise<SpoolCommittable> {
    const { bytes, sha256, textBytes } = await this.file.finish();
    const { openedAtMs: _, ...meaning } = this.#meaning();
    return {
      version: 1,
      fileNumber,
      bytes,
      sha256,
      ...meaning,
      ...(textBytes === bytes ? {} : { textBytes }),
      ...(this.copyOf === undefined ? {} : { copyOf: this.copyOf }),
    };
  }

  #meaning() {
    const { minTime, maxTime } = this.chunks;
    return { ...this.identity, rows: this.rows, minTime, maxTime, chunks: this.chunks.ranges() };
  }
}

/** The error about a checkpoint of another mode, or of a later version. */
export function notOurs(): DruidSinkCheckpointError {
  return new DruidSinkCheckpointError(
    `The checkpoint holds states that this Druid sink has not written: it was in another mode, or of a later version. ` +
      `Go on with the mode and version of the checkpoint, or begin with a savepoint, which has no such states.`,
  );
}

/** Whether a writer's state is one of ours: a checkpoint may come from a sink in another mode, or of a later version. */
export function isOpenSpoolFile(state: unknown): state is OpenSpoolFile {
  const { version, file, sha256 } = state as Partial<OpenSpoolFile>;
  return version === 1 && typeof file === 'string' && typeof sha256 === 'string';
}
