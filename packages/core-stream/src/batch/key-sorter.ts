/**
 * Sorts the input of a keyed operator in bounded memory.
 *
 * Role: takes records in any order, gives them back by key, within a key by time. Boundary: knows nothing of operators; what
 * does not fit into memory goes to files of its own directory.
 *
 * Invariants
 * 1. The order is: canonical key bytes, timestamp, input, arrival. It does not depend on how much fits into memory.
 * 2. At most `maxRecords` records are in memory, and `FAN_IN` files of each level are on disk: a further one is merged
 *    with them into a file of the next level, so that a record is written a logarithmic number of times.
 * 3. After `close` no file is left.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamRecordError } from '../errors.js';
import { plainDescriber, type Describer } from '../runtime/describe-value.js';
import { RecordBuffer } from './record-buffer.js';
import { byArrival, byKeyAndTime, MergedCursor, type SortedCursor } from './sorted-cursor.js';
import { RunCursor, writeRun } from './sorted-run.js';

/** Files that are merged at a time: each is open then, with a buffer of 64 KiB. */
const FAN_IN = 64;

export interface KeySorterOptions {
  /** For messages. */
  readonly operatorName: string;
  readonly describer?: Describer;
  /** `arrival`: the records are only kept, for later. */
  readonly order: 'key-and-time' | 'arrival';
  /** How many records are in memory at most; what comes beyond them is written to files. */
  readonly maxRecords: number;
  /** Where a directory for the files is made; the system's for temporary files unless told. */
  readonly directory: string | undefined;
}

interface Run {
  readonly path: string;
  readonly level: number;
}

export class KeySorter {
  readonly #options: KeySorterOptions;
  #buffer = new RecordBuffer();
  /** In the order of arrival, so their levels never ascend. */
  readonly #runs: Run[] = [];
  #open: readonly RunCursor[] = [];
  #directory: string | undefined;
  #runsWritten = 0;

  constructor(options: KeySorterOptions) {
    this.#options = options;
  }

  /**
   * @throws StreamRecordError `MILLRACE_RECORD` where a record has to be written to disk and is not plain data, or where
   *   the key is not
   */
  add(key: unknown, timestamp: number, input: 0 | 1, value: unknown): void {
    if (this.#buffer.size >= this.#options.maxRecords) this.#spill(); // invariant 2
    this.#buffer.add(this.#options.order === 'arrival' ? undefined : key, timestamp, input, value);
  }

  /** All records in order (invariant 1). To be called once, after the last `add`. */
  sorted(): SortedCursor {
    const inMemory = this.#buffer.sorted(this.#isByTime);
    this.#buffer = new RecordBuffer();
    return this.#runs.length === 0 ? inMemory : this.#merge(this.#runs, inMemory);
  }

  /** Removes the files, also those that are being read. */
  close(): void {
    for (const cursor of this.#open) cursor.close();
    this.#buffer = new RecordBuffer();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true }); // invariant 3
    this.#directory = undefined;
  }

  get #isByTime(): boolean {
    return this.#options.order === 'key-and-time';
  }

  #spill(): void {
    const records = this.#buffer.sorted(this.#isByTime);
    this.#buffer = new RecordBuffer();
    try {
      this.#write(records, 0);
    } catch (error) {
      throw error instanceof StreamRecordError ? this.#notPlain(records.value, error) : error;
    }
    for (;;) {
      const newest = this.#runs.slice(-FAN_IN);
      const { level } = newest.at(-1)!;
      if (newest.length < FAN_IN || newest[0]!.level !== level) return;
      const merged = this.#merge(newest);
      this.#runs.length -= FAN_IN;
      this.#write(merged, level + 1);
      for (const { path } of newest) rmSync(path);
    }
  }

  #write(records: SortedCursor, level: number): void {
    this.#directory ??= mkdtempSync(join(this.#options.directory ?? tmpdir(), 'millrace-batch-'));
    const path = join(this.#directory, `run-${this.#runsWritten++}`);
    writeRun(path, records);
    this.#runs.push({ path, level });
  }

  #merge(runs: readonly Run[], ...newer: readonly SortedCursor[]): SortedCursor {
    this.#open = runs.map(({ path }) => new RunCursor(path));
    return new MergedCursor([...this.#open, ...newer], this.#isByTime ? byKeyAndTime : byArrival);
  }

  #notPlain(value: unknown, cause: StreamRecordError): StreamRecordError {
    const { operatorName, maxRecords, describer = plainDescriber } = this.#options;
    return new StreamRecordError(
      `'${operatorName}' has more than ${maxRecords} records to sort, and cannot write the record ${describer.describeRecord(value)} to disk: ` +
        `${cause.message} Map records to plain data before keyBy, or raise the environment's batchSortBufferRecords.`,
      { cause, details: { operator: operatorName } },
    );
  }
}
