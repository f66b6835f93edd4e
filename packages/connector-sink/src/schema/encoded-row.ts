/** Filled by an encoder; one object is reused for all rows. */
export interface EncodedRow {
  /** One JSON object without its closing brace, so that constant columns can follow. */
  text: string;
  /** `__time`, epoch milliseconds. */
  time: number;
}

/** Why a record is no row. */
export interface RejectedValue {
  /** The record's field. */
  readonly column: string;
  /** What is wrong and the value seen, as a phrase. */
  readonly reason: string;
}

/** Encodes a record into `row`, or says why it cannot be a row. */
export type EncodeRow = (
  record: Readonly<Record<string, unknown>>,
  row: EncodedRow,
) => RejectedValue | undefined;

/** A schema that has this is encoded so, instead of by its columns. */
export const rowEncoding = Symbol('row encoding');
