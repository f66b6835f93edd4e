import type { TimeRange } from '../schema/time-chunks.js';
import type { ChunkPart, ChunkRevision, ChunkState } from './chunk-committable.js';
import type { ChunkFile } from './chunk-file.js';

/** A file that is being written, and what it was given so far. */
export interface OpenFile {
  readonly disk: ChunkFile;
  rows: number;
  bytes: number;
}

/** A chunk that may still get rows, as its writer has it. */
export class Chunk {
  readonly range: TimeRange;
  /** The last revision that was prepared, and its rows. */
  revision: number;
  revisedRows: number;
  readonly parts: ChunkPart[];
  /** All rows, wherever they are. */
  rows: number;
  /** Rows that are not yet on their way to the disk. */
  text = '';
  /** Rows of files that nothing is added to. */
  endedRows: number;
  file: OpenFile | undefined;
  /** The open file as the last barrier has made it durable. */
  durable: ChunkPart | undefined;

  constructor(range: TimeRange, restored?: ChunkState) {
    this.range = range;
    this.revision = restored?.revision ?? 0;
    this.revisedRows = restored?.revisedRows ?? 0;
    this.parts = [...(restored?.parts ?? [])];
    this.rows = this.parts.reduce((sum, { rows }) => sum + rows, 0);
    this.endedRows = this.rows;
  }

  get hasNews(): boolean {
    return this.rows > this.revisedRows;
  }

  /** The next row begins another file. */
  endFile(): void {
    this.endedRows += this.file?.rows ?? 0;
    this.file = undefined;
    this.durable = undefined;
  }

  state(): ChunkState {
    const { range, revision, revisedRows, parts, durable } = this;
    return {
      version: 1,
      kind: 'chunk',
      chunk: range,
      revision,
      revisedRows,
      parts: [...parts],
      open: durable ?? null,
    };
  }

  /** All files are finished: their rows are the next revision. */
  revise(): Omit<ChunkRevision, 'dataSchema'> {
    this.revision += 1;
    this.revisedRows = this.rows;
    const { range, revision, rows } = this;
    const parts = [...this.parts];
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    return { version: 1, kind: 'revision', chunk: range, revision, parts, rows, bytes };
  }
}
