/**
 * Writes one subtask's rows to spool files: rows are encoded at once, gathered into chunks, and appended in order while the
 * job goes on. A file ends at a barrier, or earlier when it is large enough.
 *
 * Invariants:
 * 1. A committable is returned only after its file's content and its directory entry are durable.
 * 2. A file holds rows of one checkpoint only, and every row carries its file's commit id.
 * 3. A failed append fails the job; nothing after it is written.
 * 4. Bytes that are not on disk yet are bounded: past the bound the writer asks the job to wait.
 */
import { randomBytes } from 'node:crypto';
import type { SinkWriter } from '@millrace/core-stream';
import type { SpoolCommittable } from '../commit/committable.js';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { DruidSinkRecordError } from '../errors.js';
import type { EncodedRow, RejectedValue, RowEncoder } from '../schema/row-encoder.js';
import type { SpoolDirectory } from './spool-directory.js';
import { SpoolFile } from './spool-file.js';
import type { SpoolLedger } from './spool-ledger.js';
import { TimeChunks, type Granularity } from '../schema/time-chunks.js';

/** A record that is no row, as {@link DruidSinkOptions.onInvalidRecord} gets it. */
export interface InvalidRecord<T> extends RejectedValue {
  readonly record: T;
}

export interface SpoolWriterOptions<T> {
  readonly encoder: RowEncoder<T>;
  readonly dataSchema: DataSchema;
  readonly segmentGranularity: Granularity;
  readonly commitIdColumn: string | null;
  readonly directory: SpoolDirectory;
  readonly ledger: SpoolLedger;
  readonly subtaskIndex: number;
  /** Characters per chunk. */
  readonly chunkSize: number;
  readonly maxFileBytes: number;
  readonly maxBufferedBytes: number;
  readonly onInvalidRecord: 'fail' | ((invalid: InvalidRecord<T>) => void);
  /** 16 characters that no other file has. */
  readonly createId?: () => string;
}

interface OpenFile {
  readonly name: string;
  readonly file: SpoolFile;
  readonly commitId: string | null;
  /** Ends every row. */
  readonly rowEnd: string;
  readonly chunks: TimeChunks;
  rows: number;
  bytes: number;
}

export class SpoolWriter<T> implements SinkWriter<T, SpoolCommittable, never> {
  readonly #options: SpoolWriterOptions<T>;
  readonly #row: EncodedRow = { text: '', time: 0 };
  #chunk = '';
  #current: OpenFile | undefined;
  #fileNumber = 0;
  #finished: SpoolCommittable[] = [];
  /** All disk work so far, in order. */
  #disk: Promise<void> = Promise.resolve();
  #inFlightBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #drained: (() => void) | undefined;

  constructor(options: SpoolWriterOptions<T>) {
    this.#options = options;
  }

  write(value: T): void {
    if (this.#failure !== undefined) throw this.#failure.error; // invariant 3
    const row = this.#row;
    const rejected = this.#options.encoder.encode(value, row);
    if (rejected !== undefined) {
      this.#reject(value, rejected);
      return;
    }
    const current = (this.#current ??= this.#open());
    current.rows += 1;
    current.chunks.add(row.time);
    this.#chunk += row.text + current.rowEnd;
    if (this.#chunk.length >= this.#options.chunkSize) {
      this.#sealChunk();
      if (current.bytes >= this.#options.maxFileBytes) this.#endFile();
    }
  }

  backPressure(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error as Error);
    if (this.#inFlightBytes > this.#options.maxBufferedBytes) return this.#drain(); // invariant 4
    return this.#options.ledger.backPressure();
  }

  async flush(): Promise<void> {
    this.#sealChunk();
    await this.#settled();
  }

  async prepareCommit(): Promise<readonly SpoolCommittable[]> {
    this.#endFile(); // invariant 2
    await this.#settled();
    if (this.#finished.length > 0) {
      await this.#options.directory.sync().catch(async (cause: unknown) => {
        throw await this.#options.directory.error('cannot be made durable', cause);
      }); // invariant 1
    }
    const committables = this.#finished;
    this.#finished = [];
    return committables;
  }

  /** What was written since the last barrier will never be committed: it is deleted. */
  async close(): Promise<void> {
    await this.#disk;
    const current = this.#current;
    this.#current = undefined;
    await current?.file.close();
    const names = [
      ...this.#finished.map(({ file }) => file),
      ...(current === undefined ? [] : [current.name]),
    ];
    for (const name of names) await this.#options.directory.remove(name);
    this.#options.ledger.remove(this.#finished.reduce((sum, { bytes }) => sum + bytes, current?.bytes ?? 0));
    this.#finished = [];
  }

  #reject(record: T, rejected: RejectedValue): void {
    const { onInvalidRecord, dataSchema } = this.#options;
    if (onInvalidRecord !== 'fail') {
      onInvalidRecord({ record, column: rejected.column, reason: rejected.reason });
      return;
    }
    throw new DruidSinkRecordError(
      `A record for datasource '${dataSchema.dataSource}' cannot be written: column '${rejected.column}': ${rejected.reason}. ` +
        `Correct it upstream, or set 'onInvalidRecord' to collect such records.`,
      { details: { dataSource: dataSchema.dataSource, column: rejected.column, reason: rejected.reason } },
    );
  }

  #open(): OpenFile {
    const { directory, subtaskIndex, commitIdColumn, segmentGranularity } = this.#options;
    const id = this.#options.createId?.() ?? randomBytes(12).toString('base64url');
    const name = directory.nameOf(`s${subtaskIndex}-${id}.ndjson`);
    return {
      name,
      file: new SpoolFile(directory.resolve(name)),
      commitId: commitIdColumn === null ? null : id,
      rowEnd: commitIdColumn === null ? '}\n' : `,${JSON.stringify(commitIdColumn)}:${JSON.stringify(id)}}\n`,
      chunks: new TimeChunks(segmentGranularity),
      rows: 0,
      bytes: 0,
    };
  }

  #sealChunk(): void {
    const current = this.#current;
    if (current === undefined || this.#chunk === '') return;
    const chunk = Buffer.from(this.#chunk, 'utf8');
    this.#chunk = '';
    current.bytes += chunk.length;
    this.#options.ledger.add(chunk.length);
    this.#inFlightBytes += chunk.length;
    this.#enqueue(async () => {
      await current.file.append(chunk);
      this.#inFlightBytes -= chunk.length;
      if (this.#inFlightBytes <= this.#options.maxBufferedBytes / 2) this.#release();
    });
  }

  #endFile(): void {
    this.#sealChunk();
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const fileNumber = this.#fileNumber++;
    this.#enqueue(async () => {
      const sha256 = await current.file.finish();
      this.#finished.push({
        version: 1,
        file: current.name,
        fileNumber,
        rows: current.rows,
        bytes: current.bytes,
        sha256,
        commitId: current.commitId,
        commitIdColumn: current.commitId === null ? null : this.#options.commitIdColumn,
        minTime: current.chunks.minTime,
        maxTime: current.chunks.maxTime,
        chunks: current.chunks.ranges(),
        dataSchema: this.#options.dataSchema,
      });
    });
  }

  #enqueue(work: () => Promise<void>): void {
    this.#disk = this.#disk.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await work();
      } catch (cause) {
        this.#failure = { error: await this.#options.directory.error('cannot be written', cause) };
        this.#release();
      }
    });
  }

  async #settled(): Promise<void> {
    await this.#disk;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #release(): void {
    this.#drained?.();
    this.#drained = undefined;
  }
}
