import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { DruidSinkCheckpointError } from '../errors.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { DataSchema } from '../commit/ingestion-spec.js';
import type { SpoolLedger } from '../spool/spool-ledger.js';
import {
  chunkFormOf,
  type ChunkPart,
  type ChunkState,
  type ReplaceWriterState,
} from './chunk-committable.js';

/** What a writer goes on with. */
export interface RestoredChunks {
  /** All files are finished, and this job's own. */
  readonly chunks: readonly ChunkState[];
  readonly watermark: number;
  /** Chunks that end here or before were given up. */
  readonly givenUpTo: number;
}

export interface RestoreOptions {
  readonly directory: SpoolDirectory;
  /** Told of what comes to the directory and what is cut off. */
  readonly ledger: SpoolLedger;
  readonly dataSchema: DataSchema;
  readonly subtaskIndex: number;
  readonly parallelism: number;
  ownsKey(key: unknown): boolean;
}

/**
 * Takes a writer's chunks from the states of all writers.
 * @throws DruidSinkCheckpointError where a file is not as the checkpoint says, or the schema's chunks are others by now
 */
export async function restoreChunks(
  states: readonly ReplaceWriterState[],
  options: RestoreOptions,
): Promise<RestoredChunks> {
  const { directory, ledger, ownsKey } = options;
  requireSameForm(states, options.dataSchema);
  const chunks: ChunkState[] = [];
  for (const state of states) {
    if (state.kind !== 'chunk' || !ownsKey(state.chunk.start)) continue;
    const parts: ChunkPart[] = [];
    for (const part of state.parts) parts.push(await adopt(part, directory, ledger));
    if (state.open !== null) parts.push(await cutOff(state.open, directory, ledger));
    chunks.push({ ...state, parts, open: null });
  }
  if (chunks.length > 0) await directory.sync();
  return { chunks, ...restoredTime(states, options) };
}

/** At another parallelism nobody knows who has given up which chunk: then whoever was furthest counts. */
function restoredTime(
  states: readonly ReplaceWriterState[],
  { subtaskIndex, parallelism }: RestoreOptions,
): Pick<RestoredChunks, 'watermark' | 'givenUpTo'> {
  const reached = states.filter((state) => state.kind === 'watermark');
  const own = reached.find(
    (state) => state.subtaskIndex === subtaskIndex && state.parallelism === parallelism,
  );
  const counting = own === undefined ? reached : [own];
  return {
    watermark: Math.max(...counting.map(({ watermark }) => watermark)),
    givenUpTo: Math.max(...counting.map(({ givenUpTo }) => givenUpTo)),
  };
}

/** Rows of one chunk would be taken for those of another, or what is summed for what is not. */
function requireSameForm(states: readonly ReplaceWriterState[], dataSchema: DataSchema): void {
  const now = chunkFormOf(dataSchema);
  const hasChunks = states.some(({ kind }) => kind === 'chunk');
  for (const state of states) {
    if (state.kind !== 'watermark') continue;
    const { granularity, sums } = state.form;
    const problem =
      granularity !== now.granularity
        ? `chunks of a '${granularity}'. Give the schema back its 'segmentGranularity'`
        : hasChunks && sums !== now.sums
          ? "rows of chunks that were rolled up in another way. Give the sink back its 'preAggregate' and the schema's metrics"
          : undefined;
    if (problem === undefined) continue;
    throw new DruidSinkCheckpointError(
      `The restored checkpoint of the sink to '${dataSchema.dataSource}' has ${problem}, or begin without its state.`,
      { details: { dataSource: dataSchema.dataSource, granularity } },
    );
  }
}

/** A savepoint names files of the job that took it, which deletes them as it goes on: this job needs names of its own. */
async function adopt(part: ChunkPart, directory: SpoolDirectory, ledger: SpoolLedger): Promise<ChunkPart> {
  const file = directory.nameOf(basename(part.file));
  if (file === part.file) return part;
  const from = directory.resolve(part.file);
  const to = directory.resolve(file);
  try {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return; // an earlier start, which came to no checkpoint
      if (error.code === 'ENOENT') throw error;
      await copyFile(from, to); // a file system without links
      const copy = await open(to, 'r+');
      await copy.sync().finally(() => copy.close());
    });
  } catch (cause) {
    throw new DruidSinkCheckpointError(
      `The spool file '${from}' is named by the savepoint (${part.rows} rows of a chunk that may get more) but cannot be had. ` +
        'The job that took the savepoint went on and has given the chunk up. Begin with a newer savepoint.',
      { details: { file: from, rows: part.rows }, cause },
    );
  }
  ledger.add(part.bytes);
  return { ...part, file };
}

/** Invariant 2 of the writer. */
async function cutOff(part: ChunkPart, directory: SpoolDirectory, ledger: SpoolLedger): Promise<ChunkPart> {
  const path = directory.resolve(part.file);
  const refuse = (found: string, cause?: unknown) =>
    new DruidSinkCheckpointError(
      `The spool file '${path}' ${found}; the checkpoint names its first ${part.bytes} bytes (${part.rows} rows), with SHA-256 ` +
        `${part.sha256.slice(0, 12)}…. Its rows are in no other place. Restore the file, or start from a checkpoint whose files are complete.`,
      { details: { file: path, expectedBytes: part.bytes }, cause },
    );
  let handle: FileHandle;
  try {
    handle = await open(path, 'r+');
  } catch (cause) {
    throw refuse('cannot be opened', cause);
  }
  try {
    const { size } = await handle.stat();
    if (size < part.bytes) throw refuse(`has only ${size} bytes`);
    await handle.truncate(part.bytes);
    await handle.sync();
    ledger.remove(size - part.bytes);
  } finally {
    await handle.close();
  }
  const hash = createHash('sha256');
  for await (const data of createReadStream(path)) hash.update(data as Buffer);
  if (hash.digest('hex') !== part.sha256) throw refuse('has another content');
  return part;
}
