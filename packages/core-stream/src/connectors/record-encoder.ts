import { StreamRecordError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';

/** How records become the bytes of a file: what a `RecordFormat` reads. One object per sink; it keeps nothing of a file. */
export interface RecordEncoder<T> {
  /** What file names end with, with its dot. */
  readonly extension: string;
  /** What each file begins with, if anything. */
  readonly header?: string | Uint8Array;
  /** The whole record, its line break included. An array belongs to the sink from then on. @throws anything, where a record does not fit */
  encode(value: T): string | Uint8Array;
}

/** One JSON value per line. */
export function ndjsonEncoder<T>(format: (record: T) => unknown = (record) => record): RecordEncoder<T> {
  return {
    extension: '.ndjson',
    encode(record) {
      const text = JSON.stringify(format(record)) as string | undefined;
      if (text === undefined) throw new Error('JSON has nothing for it');
      return `${text}\n`;
    },
  };
}

/** One record per line; what could not be read again as one line is refused. */
export function lineEncoder<T>(format: (record: T) => string): RecordEncoder<T> {
  return {
    extension: '.txt',
    encode(record) {
      const line: unknown = format(record);
      if (typeof line !== 'string') throw new Error("a line must be a string; make one of it with 'format'");
      const problem = lineProblem(line);
      if (problem !== undefined) throw new Error(problem);
      return `${line}\n`;
    },
  };
}

function lineProblem(line: string): string | undefined {
  if (line === '') return 'an empty line is no record for readers';
  if (line.includes('\n') || line.endsWith('\r')) return 'a line must not contain a line break';
  if (line.startsWith('\uFEFF')) return 'a line must not begin with a byte order mark';
  return isUtf8Text(line) ? undefined : 'it has half a surrogate pair, which UTF-8 cannot hold';
}

/** Whether UTF-8 can hold a text as it is: not half a surrogate pair. */
export function isUtf8Text(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** @throws StreamRecordError (`MILLRACE_RECORD`) that says what is wrong; which record it is about, the task says */
export function encodeRecord<T>(encoder: RecordEncoder<T>, record: T): string | Uint8Array {
  try {
    return encoder.encode(record);
  } catch (error) {
    throw new StreamRecordError(
      `The record cannot be written: ${messageOf(error)}. Correct it, or filter such records out before the sink.`,
      { cause: error },
    );
  }
}
