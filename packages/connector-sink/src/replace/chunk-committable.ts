import { createHash } from 'node:crypto';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { ROW_COUNT } from '../rollup/pre-aggregation.js';
import type { TimeRange } from '../schema/time-chunks.js';

/** A finished file with rows of one chunk; its content never changes. */
export interface ChunkPart {
  /** Path below the spool directory, with `/`. */
  readonly file: string;
  readonly bytes: number;
  readonly rows: number;
  /** Of the file's content, in hexadecimal. */
  readonly sha256: string;
}

/** All rows of a chunk of time, to be put in the place of whatever the datasource has there. Plain data. */
export interface ChunkRevision {
  readonly version: 1;
  readonly kind: 'revision';
  readonly chunk: TimeRange;
  /** 1 for the chunk's first, one more each time that late rows were added. */
  readonly revision: number;
  readonly parts: readonly ChunkPart[];
  readonly rows: number;
  readonly bytes: number;
  /** Druid's `dataSchema`, but for the intervals. */
  readonly dataSchema: DataSchema;
}

/** Files of a chunk that gets no more revisions: deleted when all before it is committed. */
export interface ChunkRelease {
  readonly version: 1;
  readonly kind: 'release';
  readonly parts: readonly ChunkPart[];
}

/** What a checkpoint stores of a writer in mode `replace` to be committed. */
export type ReplaceCommittable = ChunkRevision | ChunkRelease;

/** What a checkpoint stores of a chunk that may still get rows. */
export interface ChunkState {
  readonly version: 1;
  readonly kind: 'chunk';
  readonly chunk: TimeRange;
  /** The last one that was prepared; 0 for none. */
  readonly revision: number;
  /** Rows that the last revision had. */
  readonly revisedRows: number;
  readonly parts: readonly ChunkPart[];
  /** The file that was being written, as it was at the barrier: what it has beyond `bytes` is not part of the checkpoint. */
  readonly open: ChunkPart | null;
}

/** How far a writer's event time had come: a chunk that was given up must not begin again with revision 1. */
export interface WatermarkState {
  readonly version: 1;
  readonly kind: 'watermark';
  readonly watermark: number;
  /** Chunks that end here or before were given up, whatever lateness and retention are by now. Epoch milliseconds. */
  readonly givenUpTo: number;
  readonly form: ChunkForm;
  readonly subtaskIndex: number;
  readonly parallelism: number;
}

/** What must not change while there are chunks. Plain data. */
export interface ChunkForm {
  readonly granularity: string;
  /** How rows that are sums of records are to be folded; `null` for the records themselves. */
  readonly sums: string | null;
}

export function chunkFormOf({ metricsSpec, granularitySpec }: DataSchema): ChunkForm {
  const isSummed = metricsSpec.some(({ name }) => name === ROW_COUNT);
  return {
    granularity: granularitySpec.segmentGranularity.toLowerCase(),
    sums: isSummed ? JSON.stringify(metricsSpec) : null,
  };
}

export type ReplaceWriterState = ChunkState | WatermarkState;

/** The files that a checkpoint still needs. */
export function filesOf(stored: ReplaceCommittable | ReplaceWriterState): readonly string[] {
  switch (stored.kind) {
    case 'revision':
    case 'release':
      return stored.parts.map(({ file }) => file);
    case 'chunk':
      return [...stored.parts, ...(stored.open === null ? [] : [stored.open])].map(({ file }) => file);
    case 'watermark':
      return [];
  }
}

/**
 * The id of a revision's tasks, without the attempt: a function of job, datasource, chunk, revision and content, so that
 * every process that commits it names the same task, and a run that was restored further back never takes another content
 * for its own.
 */
export function revisionBaseId(
  owner: { readonly jobId: string; readonly operatorUid: string },
  { chunk, revision, parts, dataSchema: { dataSource } }: ChunkRevision,
): string {
  const content = parts.map(({ sha256 }) => sha256);
  const hash = createHash('sha256')
    .update(JSON.stringify([owner.jobId, owner.operatorUid, dataSource, chunk.start, revision, content]))
    .digest('hex');
  const safe = dataSource.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 60);
  return `millrace_${safe}_${chunk.start}_r${revision}_${hash.slice(0, 24)}`;
}
