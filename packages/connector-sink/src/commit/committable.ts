import type { DataSchema } from './ingestion-spec.js';
import type { TimeRange } from '../schema/time-chunks.js';

/**
 * One finished spool file: what a checkpoint stores, and all that is needed to commit it, by this program or a later
 * version of it. Plain data.
 */
export interface SpoolCommittable {
  readonly version: 1;
  /** Path below the spool directory, with `/`. */
  readonly file: string;
  /** Counts the files of one writer, from 0. */
  readonly fileNumber: number;
  readonly rows: number;
  readonly bytes: number;
  /** Before compression; not there where it is not compressed. */
  readonly textBytes?: number;
  /** A file that this one has begun as a copy of; it goes with it. */
  readonly copyOf?: string;
  /** Of the file's content, in hexadecimal. */
  readonly sha256: string;
  /** The value of the commit id column, which the task gives to every row; `null` where there is no such column. */
  readonly commitId: string | null;
  readonly commitIdColumn: string | null;
  /** Epoch milliseconds of the earliest and the latest row. */
  readonly minTime: number;
  readonly maxTime: number;
  /** The chunks of time that the rows fall into; `null` where they are too many to name. */
  readonly chunks: readonly TimeRange[] | null;
  /** Druid's `dataSchema`, but for the intervals. */
  readonly dataSchema: DataSchema;
}
