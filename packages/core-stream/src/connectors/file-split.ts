import type { SourceSplit } from './source.js';

/** A file as it was when it was listed. While it is read, it must stay so. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** A file, or the records of it that begin from `start` to before `end`; read up to `offset`. Offsets count bytes. */
export interface FileSplit extends SourceSplit, ListedFile {
  readonly start: number;
  readonly end: number;
  /** Where the next record begins. */
  readonly offset: number;
  /** The number of that line, from 1; `undefined` where reading began in the middle of the file. */
  readonly line: number | undefined;
}

/** So that a byte order mark is in the same split as the record behind it. */
const MIN_SPLIT_BYTES = 4;

/** The splits of a file: one, or one for each `splitBytes` of it. */
export function splitFile(file: ListedFile, splitBytes: number | undefined): readonly FileSplit[] {
  const { path, size, mtimeMs } = file;
  const bytes = splitBytes === undefined ? Infinity : Math.max(MIN_SPLIT_BYTES, splitBytes);
  const splits: FileSplit[] = [];
  let start = 0;
  do {
    const end = Math.min(size, start + bytes);
    // The time makes it unique where a file has taken the place of one that is still being read.
    const splitId = `${path}@${mtimeMs}+${start}`;
    const line = start === 0 ? 1 : undefined;
    splits.push({ splitId, path, size, mtimeMs, start, end, offset: start, line });
    start = end;
  } while (start < size);
  return splits;
}
