import { join } from 'node:path';
import { StreamConfigError } from '../errors.js';
import { checkCount } from '../windows/durations.js';
import type { BucketAssigner } from './bucket-assigner.js';
import { csvEncoder, type CsvRow } from './csv-encoder.js';
import { FileSinkCommitter } from './file-sink-committer.js';
import { FileSinkDirectory } from './file-sink-directory.js';
import { FileSinkWriter, type FileCommittable, type OpenFileState } from './file-sink-writer.js';
import { lineEncoder, ndjsonEncoder, type RecordEncoder } from './record-encoder.js';
import { rollingPolicy, type RollingOptions, type RollingPolicy } from './rolling-policy.js';
import type {
  Committer,
  CommitterContext,
  GlobalCommitter,
  Sink,
  SinkContext,
  SinkWriter,
  SinkWriterContext,
} from './sink.js';
import { nodeFileSystem, type SinkFileSystem } from './sink-file-system.js';

/** A file that has become visible. */
export interface CommittedFile {
  readonly path: string;
  readonly bucket: string;
  readonly bytes: number;
  readonly records: number;
}

/** What a checkpoint has made visible. */
export interface CommittedFiles {
  readonly checkpointId: number;
  /** By subtask. */
  readonly files: readonly CommittedFile[];
}

/** Options of every {@link FileSink}. */
export interface FileSinkOptions<T> {
  /** Made where it is not there. It has to be on one file system, with all its buckets. */
  readonly directory: string;
  /** When files are finished. */
  readonly rolling?: RollingOptions;
  /** The directory of a record's file: the sink's own unless told. `dateTimeBuckets` makes one per hour or day. */
  readonly bucketAssigner?: BucketAssigner<T>;
  /**
   * Called when a checkpoint's files are visible, for example to write a manifest or a `_SUCCESS` file. It can be called
   * again with the same files, also by another process: it has to be safe to repeat. A rejection fails the job.
   */
  readonly onCommit?: (committed: CommittedFiles) => void | Promise<void>;
  /** Bytes that a subtask keeps in memory before it writes them. 1 MiB unless told. */
  readonly maxBufferedBytes?: number;
  /** Files that a subtask has open; for a further one the file that was used least recently is finished. 64 unless told. */
  readonly maxOpenFiles?: number;
  /** The machine's unless told: for tests. */
  readonly fileSystem?: SinkFileSystem;
}

/** Options of `FileSink.forNdjson`. */
export interface NdjsonSinkOptions<T> extends FileSinkOptions<T> {
  /** Makes what is written as JSON of a record: the record itself unless told. */
  readonly format?: (record: T) => unknown;
}

/** Options of `FileSink.forLines`. */
export interface LineSinkOptions<T> extends FileSinkOptions<T> {
  /** Makes a line of a record: the record itself unless told. */
  readonly format?: (record: T) => string;
}

/** Options of `FileSink.forCsv`. */
export interface CsvSinkOptions<T> extends FileSinkOptions<T> {
  /** In their order in the file. A record with other fields fails the job. */
  readonly columns: readonly string[];
  /** Makes the fields of a record: the record itself unless told. */
  readonly format?: (record: T) => CsvRow;
  /** One ASCII character; a comma unless told. */
  readonly delimiter?: string;
  /** Whether each file begins with the names of the columns; it does unless told. */
  readonly header?: boolean;
}

/**
 * Writes records into files, each exactly once, that a `FileSource` reads.
 *
 * Files grow in a hidden directory and are renamed into place once a checkpoint that names them is durable. A restored job
 * cuts off what was written after its checkpoint. One file holds records of one subtask and one bucket, in their order.
 *
 * @example
 * stream.sinkTo(FileSink.forNdjson({ directory: 'orders', bucketAssigner: dateTimeBuckets('yyyy-MM-dd') }))
 * @throws StreamConfigError
 */
export class FileSink<T> implements Sink<T, FileCommittable, OpenFileState> {
  readonly #options: FileSinkOptions<T>;
  readonly #encoder: RecordEncoder<T>;
  readonly #rolling: RollingPolicy;
  readonly #maxBufferedBytes: number;
  readonly #maxOpenFiles: number;

  private constructor(encoder: RecordEncoder<T>, options: FileSinkOptions<T>) {
    const { directory, rolling, maxBufferedBytes = 1024 * 1024, maxOpenFiles = 64 } = options;
    if (typeof directory !== 'string' || directory === '') {
      throw new StreamConfigError(
        `'directory' of a file sink must be a path, got ${JSON.stringify(directory)}`,
      );
    }
    if (!/^(?:\.[\w.-]*)?$/.test(encoder.extension)) {
      throw new StreamConfigError(
        `'extension' of a file sink must be a dot with letters, digits, '_' and '-', or empty, got ${JSON.stringify(encoder.extension)}`,
      );
    }
    checkCount("'maxBufferedBytes' of a file sink", maxBufferedBytes);
    checkCount("'maxOpenFiles' of a file sink", maxOpenFiles);
    this.#options = options;
    this.#encoder = encoder;
    this.#rolling = rollingPolicy(rolling);
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#maxOpenFiles = maxOpenFiles;
  }

  /**
   * One JSON value per line, as `JSON.stringify` makes it: dates as texts, `NaN` and infinities as `null`. What it has
   * nothing for, such as a bigint or `undefined`, fails the job.
   */
  static forNdjson<T>(options: NdjsonSinkOptions<T>): FileSink<T> {
    return new FileSink(ndjsonEncoder(options.format), options);
  }

  /** One record per line; a line that could not be read again as it is fails the job. */
  static forLines<T = string>(options: LineSinkOptions<T>): FileSink<T> {
    return new FileSink(lineEncoder(options.format ?? ((record) => record as string)), options);
  }

  /** CSV by RFC 4180. */
  static forCsv<T>(options: CsvSinkOptions<T>): FileSink<T> {
    const { columns, delimiter = ',', header: hasHeader = true } = options;
    const format = options.format ?? ((record: T) => record as CsvRow);
    return new FileSink(csvEncoder({ columns, format, delimiter, hasHeader }), options);
  }

  /** Any other format. */
  static forEncoder<T>(encoder: RecordEncoder<T>, options: FileSinkOptions<T>): FileSink<T> {
    return new FileSink(encoder, options);
  }

  createWriter(
    context: SinkWriterContext,
    restored: readonly OpenFileState[],
  ): Promise<SinkWriter<T, FileCommittable, OpenFileState>> {
    const options = {
      directory: this.#directory(context),
      encoder: this.#encoder,
      assignBucket: this.#options.bucketAssigner,
      rolling: this.#rolling,
      maxBufferedBytes: this.#maxBufferedBytes,
      maxOpenFiles: this.#maxOpenFiles,
    };
    return FileSinkWriter.create(options, context, restored);
  }

  createCommitter(context: CommitterContext): Committer<FileCommittable, OpenFileState> {
    return new FileSinkCommitter(this.#directory(context));
  }

  createGlobalCommitter(): GlobalCommitter<FileCommittable> {
    const { directory, onCommit } = this.#options;
    return {
      async commit(requests) {
        await onCommit?.({
          checkpointId: requests[0]!.checkpointId,
          files: requests.map(({ committable: { bucket, name, bytes, records } }) => ({
            path: join(directory, bucket, name),
            bucket,
            bytes,
            records,
          })),
        });
      },
    };
  }

  #directory(context: SinkContext): FileSinkDirectory {
    return new FileSinkDirectory(
      this.#options.directory,
      context,
      this.#options.fileSystem ?? nodeFileSystem,
    );
  }
}
