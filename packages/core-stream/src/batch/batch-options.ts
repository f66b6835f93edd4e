import { StreamConfigError } from '../errors.js';

/** How batch jobs sort. */
export interface BatchOptions {
  /** How many records a subtask keeps in memory; what comes beyond them is written to files. */
  readonly sortBufferRecords: number;
  /** Where the files go; the system's directory for temporary files unless told. */
  readonly spillDirectory: string | undefined;
}

/** Some hundred megabytes for records of some hundred bytes. */
const DEFAULT_SORT_BUFFER_RECORDS = 250_000;

/** @throws StreamConfigError `MILLRACE_CONFIG` for a buffer without room for a record */
export function batchOptions(options: {
  readonly batchSortBufferRecords?: number;
  readonly batchSpillDirectory?: string;
}): BatchOptions {
  const { batchSortBufferRecords = DEFAULT_SORT_BUFFER_RECORDS, batchSpillDirectory } = options;
  if (!Number.isInteger(batchSortBufferRecords) || batchSortBufferRecords < 1) {
    throw new StreamConfigError(
      `batchSortBufferRecords must be a whole number above 0, got ${batchSortBufferRecords}`,
    );
  }
  return { sortBufferRecords: batchSortBufferRecords, spillDirectory: batchSpillDirectory };
}
