/**
 * Writes one subtask's rows to spool files, one open file per datasource: rows are encoded at once, gathered into chunks, and
 * appended in order while the job goes on. A file ends at a barrier where it is due, or earlier when it is large enough; else
 * it stays open over the barrier, and the checkpoint says how much of it counts.
 *
 * Invariants:
 * 1. What a checkpoint names is durable before it is returned: content, directory entry, and of open files as much as counts.
 * 2. A file is committed once, as a whole, with a commit id of its own.
 * 3. A failed append fails the job; nothing after it is written.
 * 4. Bytes that are not on disk yet are bounded: past the bound the writer asks the job to wait.
 * 5. A savepoint, and the end of input, leave no file open.
 * 6. A record becomes a row, a dead letter or a call, or fails the job.
 */
import type { Counter, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import type { SpoolCommittable } from '../commit/committable.js';
import { DruidSinkInvariantError } from '../errors.js';
import type { EncodedRow, RejectedValue } from '../schema/row-encoder.js';
import { commitIsDue, type CommitSize } from './commit-size.js';
import { DiskQueue } from './disk-queue.js';
import { InvalidRecords, type InvalidRecordPolicy } from './invalid-records.js';
import type { OpenRows, OpenSpoolFile } from './open-rows.js';
import { ChunkPool } from './row-chunk.js';
import { RowFiles, type RowFilesOptions } from './row-files.js';
import type { SpoolLedger } from './spool-ledger.js';
import type { SpoolTarget, SpoolTargets } from './spool-target.js';

export interface SpoolWriterOptions<T> extends RowFilesOptions {
  readonly targets: SpoolTargets<T>;
  readonly ledger: SpoolLedger;
  readonly context: Pick<SinkWriterContext, 'subtaskIndex' | 'clock' | 'describer' | 'metrics'>;
  /** Bytes per write to the disk. */
  readonly chunkSize: number;
  readonly maxFileBytes: number;
  readonly maxBufferedBytes: number;
  readonly commitSize: CommitSize;
  /** `dead-letter` where the targets have a place for them. */
  readonly onInvalidRecord: InvalidRecordPolicy<T>;
  /** Sees commits through that are not at their end, of checkpoints up to this one. */
  readonly endCommits?: (checkpointId: number) => Promise<void>;
}

export class SpoolWriter<T> implements SinkWriter<T, SpoolCommittable, OpenSpoolFile> {
  readonly #options: SpoolWriterOptions<T>;
  readonly #row: EncodedRow = { text: '', time: 0 };
  readonly #bytesOut: Counter;
  readonly #invalid: InvalidRecords<T>;
  readonly #disk: DiskQueue;
  readonly #pool: ChunkPool;
  readonly #files: RowFiles;
  /** By the target's index. */
  readonly #open: (OpenRows | undefined)[] = [];
  /** Characters that are text. */
  #textSize = 0;
  #fileNumber = 0;
  #hasNewFiles = false;
  #hasEnded = false;
  #finished: { readonly rows: OpenRows; readonly committable: SpoolCommittable }[] = [];

  constructor(options: SpoolWriterOptions<T>) {
    this.#options = options;
    const { context, directory, maxBufferedBytes, onInvalidRecord } = options;
    this.#bytesOut = context.metrics.counter('numBytesOut', { description: 'Bytes written to spool files.' });
    this.#invalid = new InvalidRecords(onInvalidRecord, context);
    this.#disk = new DiskQueue(directory, maxBufferedBytes);
    this.#pool = new ChunkPool(options.chunkSize);
    this.#files = new RowFiles(options, this.#pool);
  }

  /**
   * Takes over what a checkpoint had open: one file of each datasource is carried on, the others are committed as they are.
   * Called once, before anything is written.
   * @throws DruidSinkCheckpointError where such a file is not what the checkpoint names
   */
  async restore(states: readonly OpenSpoolFile[]): Promise<void> {
    for (const state of states) {
      const rows = await this.#files.copyOf(state);
      this.#hasNewFiles = true;
      this.#options.ledger.add(rows.file.bytes);
      const target = this.#options.targets.all.find(({ dataSchema }) =>
        this.#files.canCarryOn(state, dataSchema),
      );
      if (target === undefined || this.#open[target.index] !== undefined) this.#finish(rows);
      else this.#open[target.index] = rows;
    }
  }

  write(value: T): void {
    this.#disk.throwIfFailed(); // invariant 3
    const { targets } = this.#options;
    const target = targets.only ?? targets.of(value);
    if (typeof target === 'string') {
      const reason = `its route is '${target}', and there is no such schema`;
      this.#reject(value, { column: '', reason }, target);
      return;
    }
    const rejected = target.encode(value, this.#row);
    if (rejected === undefined) this.#append(target);
    else this.#reject(value, rejected, target.dataSchema.dataSource);
  }

  backPressure(): Promise<void> | undefined {
    return this.#disk.backPressure() ?? this.#options.ledger.backPressure(); // invariant 4
  }

  async flush(endOfInput = false): Promise<void> {
    this.#hasEnded ||= endOfInput;
    for (const rows of this.#openRows()) this.#sealChunk(rows);
    await this.#disk.settled();
    if (endOfInput) await this.#options.endCommits?.(Infinity);
  }

  async prepareCommit(checkpointId = 0, isSavepoint = false): Promise<readonly SpoolCommittable[]> {
    const { commitSize, context, directory, ledger } = this.#options;
    const endsAll = isSavepoint || this.#hasEnded || ledger.isFull; // invariant 5
    const nowMs = context.clock.now();
    for (const [index, rows] of this.#open.entries()) {
      if (rows === undefined) continue;
      this.#sealChunk(rows);
      const ageMs = nowMs - rows.identity.openedAtMs;
      if (endsAll || commitIsDue(rows, ageMs, commitSize)) this.#endFile(rows, index);
      else this.#disk.add(() => rows.sync());
    }
    await this.#disk.settled();
    if (this.#hasNewFiles) {
      await directory.sync().catch(async (cause: unknown) => {
        throw await directory.error('cannot be made durable', cause);
      }); // invariant 1
      this.#hasNewFiles = false;
    }
    for (const rows of this.#openRows()) rows.isNamed = true;
    const committables = this.#finished.map(({ committable }) => committable);
    this.#finished = [];
    if (isSavepoint) await this.#options.endCommits?.(checkpointId);
    return committables;
  }

  snapshotState(): readonly OpenSpoolFile[] {
    return this.#openRows().map((rows) => rows.state());
  }

  /** What no checkpoint can name is deleted. */
  async close(): Promise<void> {
    await this.#disk.idle();
    const { directory, ledger } = this.#options;
    const unnamed = [...this.#openRows(), ...this.#finished.map(({ rows }) => rows)].filter(
      ({ isNamed }) => !isNamed,
    );
    this.#open.length = 0;
    this.#finished = [];
    for (const { identity } of unnamed) await directory.remove(identity.file);
    ledger.remove(unnamed.reduce((sum, { file }) => sum + file.bytes, 0));
  }

  #openRows(): OpenRows[] {
    return this.#open.filter((rows) => rows !== undefined);
  }

  #reject(record: T, rejected: RejectedValue, dataSource: string): void {
    const letter = this.#invalid.reject(record, rejected, dataSource);
    if (letter === undefined) return;
    const { deadLetters } = this.#options.targets;
    if (deadLetters === undefined || deadLetters.encode(letter, this.#row) !== undefined) {
      const message = `A dead letter for datasource '${dataSource}' has no place, or cannot be a row. Please report this.`;
      throw new DruidSinkInvariantError(message, { details: { invariant: 6, reason: rejected.reason } });
    }
    this.#append(deadLetters);
  }

  /** Adds the row that was encoded last. */
  #append(target: SpoolTarget): void {
    const row = this.#row;
    const rows = this.#open[target.index] ?? this.#begin(target);
    rows.rows += 1;
    rows.chunks.add(row.time);
    const { chunk } = rows;
    const before = chunk.text.length;
    chunk.text += row.text + '}\n';
    const { length } = chunk.text;
    this.#textSize += length - before;
    if (length < this.#pool.blockSize && this.#textSize < this.#options.maxBufferedBytes) return;
    this.#textSize -= length;
    chunk.encode();
    if (chunk.isFull) {
      this.#sealChunk(rows);
      if (rows.textBytes >= this.#options.maxFileBytes) this.#endFile(rows, target.index);
    }
    if (this.#textSize + this.#pool.lentBytes < this.#options.maxBufferedBytes) return;
    for (const each of this.#openRows()) this.#sealChunk(each); // invariant 4
  }

  #begin({ index, dataSchema }: SpoolTarget): OpenRows {
    this.#hasNewFiles = true;
    return (this.#open[index] = this.#files.begin(dataSchema));
  }

  #sealChunk(rows: OpenRows): void {
    if (rows.chunk.isEmpty) return;
    this.#textSize -= rows.chunk.text.length;
    const { data, chunk } = rows.chunk.take();
    rows.textBytes += data.length;
    this.#disk.add(async () => {
      this.#count(await rows.file.append(data));
      this.#pool.free(chunk);
    }, data.length);
  }

  #endFile(rows: OpenRows, index: number): void {
    this.#sealChunk(rows);
    this.#open[index] = undefined;
    this.#finish(rows);
  }

  #finish(rows: OpenRows): void {
    const fileNumber = this.#fileNumber++;
    this.#disk.add(async () => {
      const before = rows.file.bytes;
      const committable = await rows.finish(fileNumber);
      this.#count(committable.bytes - before);
      this.#finished.push({ rows, committable });
    });
  }

  #count(bytes: number): void {
    this.#options.ledger.add(bytes);
    this.#bytesOut.inc(bytes);
  }
}
