/**
 * Gathers one writer's rows by chunk of time, each in files of its own that stay over barriers, until event time has passed
 * the chunk: then all its rows are a revision, which takes the place of what Druid has there. Late rows make another one.
 *
 * Invariants:
 * 1. What a checkpoint names is durable when it is prepared: finished files, and the first `bytes` of those that stay open.
 * 2. A file that a restored checkpoint had open is cut off there and finished: what was written behind it comes again.
 * 3. A revision has every row of its chunk that any earlier one had. Its files never change afterwards.
 * 4. A chunk that was given up gets no more rows, also after a restore: they are late.
 * 5. Bytes that are not on disk yet, and open files, are bounded, however many chunks there are.
 * 6. A savepoint has no open files: they would be those of the job that goes on, too.
 */
import { randomBytes } from 'node:crypto';
import type { Counter, MetricGroup, SinkWriter } from '@millrace/core-stream';
import type { DataSchema } from '../commit/ingestion-spec.js';
import type { EncodedRow, RowEncoder } from '../schema/row-encoder.js';
import { chunkOf, type Granularity, type TimeRange } from '../schema/time-chunks.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolLedger } from '../spool/spool-ledger.js';
import { Chunk, type OpenFile } from './chunk.js';
import {
  chunkFormOf,
  type ChunkPart,
  type ReplaceCommittable,
  type ReplaceWriterState,
} from './chunk-committable.js';
import { ChunkFile } from './chunk-file.js';
import { DiskQueue } from '../spool/disk-queue.js';
import type { RefusedRows } from './refused-rows.js';
import type { RestoredChunks } from './restored-chunks.js';

export interface ChunkWriterOptions<T> {
  readonly encoder: RowEncoder<T>;
  readonly dataSchema: DataSchema;
  readonly granularity: Granularity;
  readonly directory: SpoolDirectory;
  readonly ledger: SpoolLedger;
  readonly metrics: MetricGroup;
  readonly subtaskIndex: number;
  readonly parallelism: number;
  readonly allowedLatenessMs: number;
  readonly retainChunksMs: number;
  readonly maxFileBytes: number;
  readonly maxBufferedBytes: number;
  readonly maxOpenFiles: number;
  /** Files that this process has written: they need not be read again to be trusted. */
  readonly written: Set<string>;
  readonly refused: RefusedRows<T>;
}

/** Characters of a chunk's rows that go to the disk at once. */
const BATCH = 256 * 1024;
/** Each waits for the disk: so many are made durable together. */
const FILES_AT_A_TIME = 16;
const NO_CHUNK: TimeRange = { start: Infinity, end: -Infinity };

export class ChunkWriter<T> implements SinkWriter<T, ReplaceCommittable, ReplaceWriterState> {
  readonly #options: ChunkWriterOptions<T>;
  readonly #row: EncodedRow = { text: '', time: 0 };
  /** By start. */
  readonly #chunks = new Map<number, Chunk>();
  /** The chunk of the last row. */
  #range = NO_CHUNK;
  #chunk: Chunk | undefined;
  #watermark = -Infinity;
  /** Chunks that end here or before are given up. */
  #givenUpTo = -Infinity;
  #buffered = 0;
  #hasNewFiles = false;
  /** The one that was used least recently comes first. */
  readonly #openFiles = new Set<ChunkFile>();
  readonly #disk: DiskQueue;
  readonly #bytesOut: Counter;

  constructor(options: ChunkWriterOptions<T>, restored: RestoredChunks) {
    const { metrics, directory, maxBufferedBytes } = options;
    this.#options = options;
    this.#disk = new DiskQueue(directory, maxBufferedBytes);
    this.#bytesOut = metrics.counter('numBytesOut', { description: 'Bytes written to spool files.' });
    metrics.gauge('openChunks', () => this.#chunks.size, { description: 'Chunks that may still get rows.' });
    for (const state of restored.chunks) this.#chunks.set(state.chunk.start, new Chunk(state.chunk, state));
    this.#givenUpTo = restored.givenUpTo; // invariant 4
    this.writeWatermark(restored.watermark);
  }

  write(record: T): void {
    this.#disk.throwIfFailed();
    const row = this.#row;
    const rejected = this.#options.encoder.encode(record, row);
    if (rejected !== undefined) {
      this.#options.refused.invalid(record, rejected);
      return;
    }
    const { time } = row;
    if (time < this.#range.start || time >= this.#range.end) {
      this.#range = chunkOf(this.#options.granularity, time);
      this.#chunk = this.#chunks.get(this.#range.start);
    }
    if (this.#range.end <= this.#givenUpTo) {
      this.#options.refused.late(record, this.#range);
      return;
    }
    const chunk = (this.#chunk ??= this.#begin(this.#range));
    const text = row.text + '}\n';
    chunk.text += text;
    chunk.rows += 1;
    this.#buffered += text.length;
    if (chunk.text.length >= BATCH) this.#send(chunk);
  }

  writeWatermark(watermark: number): void {
    const { allowedLatenessMs, retainChunksMs } = this.#options;
    if (watermark <= this.#watermark) return;
    this.#watermark = watermark;
    // It never goes back: what was given up is no more, even if the options were other ones then (invariant 4).
    this.#givenUpTo = Math.max(this.#givenUpTo, watermark + 1 - allowedLatenessMs - retainChunksMs);
  }

  backPressure(): Promise<void> | undefined {
    if (this.#buffered > this.#options.maxBufferedBytes) this.#sendAll(); // invariant 5
    return this.#disk.backPressure() ?? this.#options.ledger.backPressure();
  }

  async flush(endOfInput: boolean): Promise<void> {
    if (endOfInput) this.writeWatermark(Infinity);
    this.#sendAll();
    await this.#disk.settled();
  }

  async prepareCommit(_checkpointId: number, isSavepoint: boolean): Promise<readonly ReplaceCommittable[]> {
    const { directory, dataSchema } = this.#options;
    const due = [...this.#chunks.values()].filter((chunk) => chunk.hasNews && this.#isFinal(chunk));
    for (const chunk of due) this.#finish(chunk); // invariant 3
    if (isSavepoint) for (const chunk of this.#chunks.values()) this.#finish(chunk); // invariant 6
    this.#syncOpenFiles();
    if (this.#hasNewFiles) this.#disk.add(() => directory.sync());
    await this.#disk.settled(); // invariant 1
    this.#hasNewFiles = false;
    const prepared: ReplaceCommittable[] = due.map((chunk) => ({ ...chunk.revise(), dataSchema }));
    const parts = this.#giveUp();
    if (parts.length > 0) prepared.push({ version: 1, kind: 'release', parts });
    return prepared;
  }

  snapshotState(): readonly ReplaceWriterState[] {
    const { subtaskIndex, parallelism, dataSchema } = this.#options;
    const chunks = Array.from(this.#chunks.values(), (chunk) => chunk.state());
    const reached = { watermark: this.#watermark, givenUpTo: this.#givenUpTo, form: chunkFormOf(dataSchema) };
    return [...chunks, { version: 1, kind: 'watermark', ...reached, subtaskIndex, parallelism }];
  }

  /** What no checkpoint names stays on the disk until the next `recover`. */
  async close(): Promise<void> {
    await this.#disk.idle();
    for (const file of this.#openFiles) await file.close();
    this.#openFiles.clear();
  }

  #isFinal({ range }: Chunk): boolean {
    const isPassed = range.end - 1 + this.#options.allowedLatenessMs <= this.#watermark;
    return isPassed || range.end <= this.#givenUpTo;
  }

  /** Forgets the chunks that get no more rows; returns their files. */
  #giveUp(): ChunkPart[] {
    const over = [...this.#chunks.values()].filter(({ range }) => range.end <= this.#givenUpTo);
    for (const { range } of over) this.#chunks.delete(range.start);
    this.#range = NO_CHUNK;
    return over.flatMap(({ parts }) => parts);
  }

  #begin(range: TimeRange): Chunk {
    const chunk = new Chunk(range);
    this.#chunks.set(range.start, chunk);
    return chunk;
  }

  #sendAll(): void {
    for (const chunk of this.#chunks.values()) this.#send(chunk);
  }

  /** Gives a chunk's rows to the disk. */
  #send(chunk: Chunk): void {
    if (chunk.text === '') return;
    const { ledger, maxFileBytes, maxOpenFiles } = this.#options;
    const data = Buffer.from(chunk.text, 'utf8');
    this.#buffered -= chunk.text.length;
    chunk.text = '';
    const file = (chunk.file ??= { disk: this.#createFile(chunk), rows: 0, bytes: 0 });
    file.rows = chunk.rows - chunk.endedRows;
    file.bytes += data.length;
    ledger.add(data.length);
    this.#bytesOut.inc(data.length);
    this.#disk.add(async () => {
      const { disk } = file;
      this.#openFiles.delete(disk);
      this.#openFiles.add(disk);
      const [oldest] = this.#openFiles;
      if (this.#openFiles.size > maxOpenFiles && oldest !== undefined) {
        this.#openFiles.delete(oldest);
        await oldest.release(); // invariant 5
      }
      await disk.append(data);
    }, data.length);
    if (file.bytes >= maxFileBytes) this.#finish(chunk);
  }

  #createFile({ range }: Chunk): ChunkFile {
    const { directory, subtaskIndex } = this.#options;
    const id = randomBytes(12).toString('base64url');
    const name = directory.nameOf(`t${range.start}-s${subtaskIndex}-${id}.ndjson`);
    this.#hasNewFiles = true;
    return new ChunkFile(name, directory.resolve(name));
  }

  /** They stay open; a checkpoint can name what they have. */
  #syncOpenFiles(): void {
    const open = [...this.#chunks.values()];
    const sync = async (chunk: Chunk) => {
      if (chunk.file !== undefined) chunk.durable = await partOf(chunk.file);
    };
    this.#disk.add(async () => {
      for (let from = 0; from < open.length; from += FILES_AT_A_TIME) {
        const syncs = await Promise.allSettled(open.slice(from, from + FILES_AT_A_TIME).map(sync));
        for (const result of syncs) if (result.status === 'rejected') throw result.reason;
      }
    });
  }

  /** Nothing more is added to the open file. */
  #finish(chunk: Chunk): void {
    const { file } = chunk;
    if (file === undefined) return;
    chunk.endFile();
    this.#disk.add(async () => {
      chunk.parts.push(await partOf(file));
      this.#openFiles.delete(file.disk);
      await file.disk.close();
      this.#options.written.add(file.disk.name);
    });
  }
}

/** What an open file has, once that is durable. */
async function partOf({ disk, rows }: OpenFile): Promise<ChunkPart> {
  const sha256 = await disk.sync();
  return { file: disk.name, bytes: disk.bytes, rows, sha256 };
}
