import { StreamConfigError } from '../errors.js';
import { columnProblem, CsvFormat, type CsvRecord } from './csv-format.js';
import { FileEnumerator, type FileEnumeratorOptions, type FileEnumeratorState } from './file-enumerator.js';
import { isVisible, type IncludeFile } from './file-listing.js';
import { FileReader, type FileReaderOptions, type OnInvalid } from './file-reader.js';
import type { FileSplit } from './file-split.js';
import { LineFormat } from './line-format.js';
import type { RecordFormat } from './record-format.js';
import type {
  Boundedness,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './source.js';

/** Options of every {@link FileSource}. `R` is what becomes of invalid records. */
export interface FileSourceOptions<R> {
  /**
   * Files and directories, which are read at any depth. In a directory, names that begin with a dot or an underscore are
   * left out.
   */
  readonly paths: string | readonly string[];
  /** Which files of a directory are read, by name: all unless told. */
  readonly include?: IncludeFile;
  /**
   * Goes on with the files that appear, looked for that often; without it the source ends with the files that are there.
   * A file is taken when two looks in a row have found it with the same size and time. To be safe, write it under a name
   * that begins with a dot and rename it when it is complete. What was taken must not change.
   */
  readonly watch?: { readonly pollIntervalMs: number };
  /**
   * What happens to something that is no record: `fail`, unless told, stops the job with the place and the text; a
   * function makes a record of it that goes on in the stream, for example to a side output.
   */
  readonly onInvalid?: OnInvalid<R>;
  /** The longest record in bytes; a longer one fails the job. 1 MiB unless told. */
  readonly maxRecordBytes?: number;
  /** Bytes per read. 256 KiB unless told. */
  readonly chunkBytes?: number;
}

/** Options of `FileSource.forNdjson`. */
export interface NdjsonOptions<T, R> extends FileSourceOptions<R> {
  /** Makes a record of a JSON value; what it throws makes the line invalid. The value itself unless told. */
  readonly parse?: (value: unknown) => T;
  /** Files larger than this are read by several readers at a time. Whole files unless told. */
  readonly splitBytes?: number;
}

/** Options of `FileSource.forLines`. */
export interface LineOptions<T, R> extends FileSourceOptions<R> {
  /** Makes a record of a line; what it throws makes the line invalid. The line itself unless told. */
  readonly parse?: (line: string) => T;
  /** Files larger than this are read by several readers at a time. Whole files unless told. */
  readonly splitBytes?: number;
}

/** Options of `FileSource.forCsv`. */
export interface CsvOptions<T, R> extends FileSourceOptions<R> {
  /** Makes a record of the columns; what it throws makes the record invalid. The columns themselves unless told. */
  readonly parse?: (record: CsvRecord) => T;
  /** The names of the columns, where files have no first record with them. */
  readonly columns?: readonly string[];
  /** One ASCII character; a comma unless told. */
  readonly delimiter?: string;
}

/**
 * Reads files in UTF-8, each in order; blank lines are no records. A checkpoint stores the place behind the last record, so
 * that a restored job reads exactly the rest; a file that has changed since then fails it.
 *
 * @example
 * const source = FileSource.forCsv({ paths: 'orders', parse: ({ id, price }) => ({ id, price: Number(price) }) });
 * env.fromSource(source, WatermarkStrategy.noWatermarks(), 'orders')
 */
export class FileSource<T> implements Source<T, FileSplit, FileEnumeratorState> {
  readonly boundedness: Boundedness;
  readonly #enumeration: FileEnumeratorOptions;
  readonly #reading: FileReaderOptions<T>;

  private constructor(
    format: RecordFormat<T>,
    options: FileSourceOptions<T>,
    splitBytes: number | undefined,
  ) {
    const { include = isVisible, watch, onInvalid = 'fail' } = options;
    const paths = typeof options.paths === 'string' ? [options.paths] : [...options.paths];
    if (paths.length === 0 || paths.includes('')) {
      throw new StreamConfigError(
        `'paths' of a file source must name files or directories, got ${JSON.stringify(paths)}`,
      );
    }
    this.boundedness = watch === undefined ? 'bounded' : 'unbounded';
    this.#enumeration = {
      paths,
      include,
      splitBytes: splitBytes === undefined ? undefined : aboveZero('splitBytes', splitBytes),
      pollIntervalMs:
        watch === undefined ? undefined : aboveZero('watch.pollIntervalMs', watch.pollIntervalMs),
    };
    this.#reading = {
      format,
      onInvalid,
      maxRecordBytes: aboveZero('maxRecordBytes', options.maxRecordBytes ?? 1024 * 1024),
      chunkBytes: aboveZero('chunkBytes', options.chunkBytes ?? 256 * 1024),
    };
  }

  /** One JSON value per line. */
  static forNdjson<T = unknown, R = never>(options: NdjsonOptions<T, R>): FileSource<T | R> {
    const { parse = (value) => value as T } = options;
    return new FileSource<T | R>(
      new LineFormat((line) => parse(JSON.parse(line))),
      options,
      options.splitBytes,
    );
  }

  /** One record per line. */
  static forLines<T = string, R = never>(options: LineOptions<T, R>): FileSource<T | R> {
    return new FileSource<T | R>(
      new LineFormat(options.parse ?? ((line) => line as T)),
      options,
      options.splitBytes,
    );
  }

  /** CSV by RFC 4180. */
  static forCsv<T = CsvRecord, R = never>(options: CsvOptions<T, R>): FileSource<T | R> {
    const { parse = (record) => record as T, columns, delimiter = ',' } = options;
    if (!/^[^"\r\n\x80-\uFFFF]$/.test(delimiter)) {
      throw new StreamConfigError(
        `'delimiter' of a file source must be one ASCII character and no quote or line break, got ${JSON.stringify(delimiter)}`,
      );
    }
    const problem = columns === undefined ? undefined : columnProblem(columns);
    if (problem !== undefined) throw new StreamConfigError(`'columns' of a file source: ${problem}`);
    return new FileSource<T | R>(new CsvFormat({ parse, columns, delimiter }), options, undefined);
  }

  createEnumerator(
    context: SplitEnumeratorContext<FileSplit>,
    restored?: FileEnumeratorState,
  ): SplitEnumerator<FileSplit, FileEnumeratorState> {
    return new FileEnumerator(context, this.#enumeration, restored);
  }

  createReader(context: SourceReaderContext): SourceReader<T, FileSplit> {
    return new FileReader(this.#reading, context);
  }
}

function aboveZero(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new StreamConfigError(`'${option}' of a file source must be a whole number above 0, got ${value}`);
}
