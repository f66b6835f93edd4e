/**
 * Writes the records of one subtask into files, one at a time per bucket.
 *
 * Invariants
 * 1. What a checkpoint names is durable when it is prepared: files that are finished, and the first `bytes` of those that
 *    stay open.
 * 2. A file that a restored checkpoint had open is cut off there and finished: what was written behind is written again,
 *    into another file.
 * 3. What is buffered is bounded by `maxBufferedBytes` and one batch; open files are bounded by `maxOpenFiles`, and
 *    `FILES_AT_A_TIME` that are being finished.
 * 4. A savepoint has no open files: they would be those of the job that goes on, too.
 * 5. What is prepared can be committed: a bucket is refused where it could not be made, and a file without bytes is none.
 */
import type { Counter } from '../metrics/counter.js';
import type { BucketAssigner, BucketContext } from './bucket-assigner.js';
import { checkBucket } from './bucket-assigner.js';
import type { FileSinkDirectory } from './file-sink-directory.js';
import { PartFile } from './part-file.js';
import { encodeRecord, type RecordEncoder } from './record-encoder.js';
import type { RollingPolicy } from './rolling-policy.js';
import type { SinkWriteContext, SinkWriter, SinkWriterContext } from './sink.js';

/** A finished file, as it is committed. */
export interface FileCommittable {
  /** Where it is now, relative to the sink's directory. */
  readonly inProgress: string;
  readonly bucket: string;
  /** Its final name in the bucket. */
  readonly name: string;
  readonly bytes: number;
  readonly records: number;
}

/** What a checkpoint holds of a file that is open over it. */
export interface OpenFileState {
  readonly inProgress: string;
  readonly bucket: string;
  readonly extension: string;
  readonly bytes: number;
  readonly records: number;
}

/** Each waits for the disk: so many of a batch that ends a file per record are under way together. */
const FILES_AT_A_TIME = 16;

export interface FileSinkWriterOptions<T> {
  readonly directory: FileSinkDirectory;
  readonly encoder: RecordEncoder<T>;
  readonly assignBucket: BucketAssigner<T> | undefined;
  readonly rolling: RollingPolicy;
  readonly maxBufferedBytes: number;
  readonly maxOpenFiles: number;
}

export class FileSinkWriter<T> implements SinkWriter<T, FileCommittable, OpenFileState>, BucketContext {
  readonly #options: FileSinkWriterOptions<T>;
  readonly #context: SinkWriterContext;
  readonly #open = new Map<string, PartFile>();
  /** Nothing more is appended; parts of them may still be buffered. */
  #ending: PartFile[] = [];
  /** Durable, and part of no checkpoint yet. */
  #finished: OpenFileState[];
  #buffered = 0;
  readonly #bytesOut: Counter;
  #uses = 0;
  #hasNewFiles = false;
  #work: Promise<void> = Promise.resolve();
  timestamp: number | undefined;
  currentWatermark = 0;

  private constructor(
    options: FileSinkWriterOptions<T>,
    context: SinkWriterContext,
    restored: readonly OpenFileState[],
  ) {
    this.#options = options;
    this.#context = context;
    this.#finished = [...restored];
    this.#bytesOut = context.metrics.counter('numBytesOut', { description: 'Bytes written to files.' });
  }

  static async create<T>(
    options: FileSinkWriterOptions<T>,
    context: SinkWriterContext,
    restored: readonly OpenFileState[],
  ): Promise<FileSinkWriter<T>> {
    for (const { inProgress, bytes } of restored) await options.directory.cutOff(inProgress, bytes); // invariant 2
    return new FileSinkWriter(options, context, restored);
  }

  currentProcessingTime(): number {
    return this.#context.clock.now();
  }

  write(value: T, context: SinkWriteContext): void {
    const { encoder, assignBucket, rolling } = this.#options;
    let bucket = '';
    if (assignBucket !== undefined) {
      this.timestamp = context.timestamp;
      this.currentWatermark = context.currentWatermark;
      bucket = assignBucket(value, this);
    }
    const data = encodeRecord(encoder, value);
    const file = this.#open.get(bucket) ?? this.#begin(bucket);
    this.#buffered += file.append(data);
    file.records++;
    file.lastUse = ++this.#uses;
    if (file.bytes >= rolling.maxBytes || file.records >= rolling.maxRecords) this.#end(file);
  }

  #begin(bucket: string): PartFile {
    checkBucket(bucket);
    if (this.#open.size >= this.#options.maxOpenFiles) this.#end(leastRecentlyUsed(this.#open.values()));
    const { directory, encoder } = this.#options;
    const file = new PartFile(directory, bucket, this.#context.subtaskIndex, this.#context.clock.now());
    if (encoder.header !== undefined) this.#buffered += file.append(encoder.header);
    this.#open.set(bucket, file);
    this.#hasNewFiles = true;
    return file;
  }

  #end(file: PartFile): void {
    this.#open.delete(file.bucket);
    this.#ending.push(file);
  }

  backPressure(): Promise<void> | undefined {
    const hasRoom = this.#buffered < this.#options.maxBufferedBytes && this.#ending.length === 0; // invariant 3
    return hasRoom ? undefined : this.#writeOut();
  }

  flush(endOfInput: boolean): Promise<void> {
    if (endOfInput) for (const file of [...this.#open.values()]) this.#end(file);
    return this.#writeOut();
  }

  async prepareCommit(checkpointId: number, isSavepoint: boolean): Promise<readonly FileCommittable[]> {
    const { directory, rolling } = this.#options;
    const now = this.#context.clock.now();
    for (const file of [...this.#open.values()]) {
      const isOld = now - file.beganAt >= rolling.maxAgeMs || now - file.writtenAt >= rolling.maxIdleMs;
      if (isOld || rolling.everyCheckpoint || isSavepoint) this.#end(file); // invariant 4
    }
    await this.#writeOut();
    await this.#do(async () => {
      await allOf([...this.#open.values()].map((file) => file.sync())); // invariant 1
      if (this.#hasNewFiles) await directory.syncInProgress();
      this.#hasNewFiles = false;
    });
    const finished = this.#finished.map(({ inProgress, bucket, extension, bytes, records }, index) => {
      const name = directory.partName(this.#context.subtaskIndex, checkpointId, index, extension);
      return { inProgress, bucket, name, bytes, records };
    });
    this.#finished = [];
    return finished;
  }

  snapshotState(): readonly OpenFileState[] {
    return this.#statesOf(this.#open.values());
  }

  #statesOf(files: Iterable<PartFile>): OpenFileState[] {
    const { extension } = this.#options.encoder;
    return Array.from(files)
      .filter(({ bytes }) => bytes > 0) // invariant 5
      .map(({ name, bucket, bytes, records }) => ({ inProgress: name, bucket, extension, bytes, records }));
  }

  /** Everything that is buffered goes to the disk, and files that have ended are finished. */
  #writeOut(): Promise<void> {
    return this.#do(async () => {
      const now = this.#context.clock.now();
      const ending = this.#ending;
      for (let from = 0; from < ending.length; from += FILES_AT_A_TIME) {
        await allOf(ending.slice(from, from + FILES_AT_A_TIME).map((file) => finish(file, now))); // invariant 3
      }
      await allOf(Array.from(this.#open.values(), (file) => file.write(now)));
      this.#finished.push(...this.#statesOf(ending));
      this.#ending = [];
      this.#bytesOut.inc(this.#buffered);
      this.#buffered = 0;
    });
  }

  #do(work: () => Promise<void>): Promise<void> {
    this.#work = work();
    return this.#work;
  }

  async close(): Promise<void> {
    await this.#work.catch(() => undefined); // reported to whoever asked for it
    await allOf([...this.#open.values(), ...this.#ending].map((file) => file.close()));
  }
}

async function finish(file: PartFile, now: number): Promise<void> {
  await file.write(now);
  await file.sync();
  await file.close();
}

function leastRecentlyUsed(files: Iterable<PartFile>): PartFile {
  return [...files].reduce((oldest, file) => (file.lastUse < oldest.lastUse ? file : oldest));
}

/** Rejects with the first failure when all have settled: nothing is under way any more. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
