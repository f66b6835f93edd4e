import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { DruidSinkCheckpointError } from '../errors.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { ChunkPart, ChunkState, ReplaceWriterState } from './chunk-committable.js';

/** What a writer goes on with. */
export interface RestoredChunks {
  /** All files are finished, and this job's own. */
  readonly chunks: readonly ChunkState[];
  readonly watermark: number;
}

export interface RestoreOptions {
  readonly directory: SpoolDirectory;
  readonly subtaskIndex: number;
  readonly parallelism: number;
  ownsKey(key: unknown): boolean;
}

/**
 * Takes a writer's chunks from the states of all writers.
 * @throws DruidSinkCheckpointError where a file is not as the checkpoint says
 */
export async function restoreChunks(
  states: readonly ReplaceWriterState[],
  options: RestoreOptions,
): Promise<RestoredChunks> {
  const { directory, ownsKey } = options;
  const chunks: ChunkState[] = [];
  for (const state of states) {
    if (state.kind !== 'chunk' || !ownsKey(state.chunk.start)) continue;
    const parts: ChunkPart[] = [];
    for (const part of state.parts) parts.push(await adopt(part, directory));
    if (state.open !== null) parts.push(await cutOff(state.open, directory));
    chunks.push({ ...state, parts, open: null });
  }
  if (chunks.length > 0) await directory.sync();
  return { chunks, watermark: restoredWatermark(states, options) };
}

/** At another parallelism nobody knows who has given up which chunk: then whoever was furthest counts. */
function restoredWatermark(
  states: readonly ReplaceWriterState[],
  { subtaskIndex, parallelism }: RestoreOptions,
): number {
  const reached = states.filter((state) => state.kind === 'watermark');
  const own = reached.find(
    (state) => state.subtaskIndex === subtaskIndex && state.parallelism === parallelism,
  );
  return own?.watermark ?? reached.reduce((max, { watermark }) => Math.max(max, watermark), -Infinity);
}

/** A savepoint names files of the job that took it, which deletes them as it goes on: this job needs names of its own. */
async function adopt(part: ChunkPart, directory: SpoolDirectory): Promise<ChunkPart> {
  const file = directory.nameOf(basename(part.file));
  if (file === part.file) return part;
  const from = directory.resolve(part.file);
  const to = directory.resolve(file);
  try {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return; // an earlier start, which came to no checkpoint
      if (error.code === 'ENOENT') throw error;
      await copyFile(from, to); // a file system without links
    });
  } catch (cause) {
    throw new DruidSinkCheckpointError(
      `The spool file '${from}' is named by the savepoint (${part.rows} rows of a chunk that may get more) but cannot be had. ` +
        'The job that took the savepoint went on and has given the chunk up. Begin with a newer savepoint.',
      { details: { file: from, rows: part.rows }, cause },
    );
  }
  return { ...part, file };
}

/** Invariant 2 of the writer. */
async function cutOff(part: ChunkPart, directory: SpoolDirectory): Promise<ChunkPart> {
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
  } finally {
    await handle.close();
  }
  const hash = createHash('sha256');
  for await (const data of createReadStream(path)) hash.update(data as Buffer);
  if (hash.digest('hex') !== part.sha256) throw refuse('has another content');
  return part;
}
