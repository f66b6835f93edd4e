/**
 * The answer to a scan query whose rows become objects while they are decoded.
 *
 * Boundary: knows batches and their order; bytes are for `SmileElements`, values of plain rows for `ScanFormat`.
 *
 * Invariant 1: batches hold the rows in the order in which they came, each row in one of them.
 * Invariant 2: a row with a value that does not fit its column is in a batch of plain rows, with all its values.
 */
import { RowDecoder, type Int64Mode } from '../columns.js';
import type { ResultFormat } from '../result-stream.js';
import { smileStart, type SmileReader } from '../smile-decode.js';
import { SmileElements, type ReadItem } from '../smile-elements.js';
import {
  compileRecordReading,
  type RecordColumn,
  type RecordReading,
  type Records,
} from '../smile-records.js';
import { ScanFormat, type ScanBatch } from './scan-format.js';

/** Some rows of one segment, as objects. */
export interface RecordBatch<T = Record<string, unknown>> extends Records<T> {
  readonly segmentId: string;
  readonly columns: readonly string[];
}

export interface ScanRecordsOptions {
  /** As they were asked for. */
  readonly columns: readonly string[];
  readonly records: Readonly<Record<string, RecordColumn>>;
  readonly int64: Int64Mode;
  readonly operation: string;
}

/** See the head of the file. */
export class ScanRecordsFormat implements ResultFormat<RecordBatch | ScanBatch> {
  private readonly options: ScanRecordsOptions;
  private readonly reading: RecordReading | undefined;
  private readonly plain: ScanFormat;
  private readonly elements: SmileElements;
  private isSmile: boolean | undefined;
  private ownRowCount = 0;
  // Of the rows under way.
  private batches: (RecordBatch | ScanBatch)[] = [];
  private segmentId = '';
  private columns: readonly string[] = [];
  private rows: Records = { records: [], times: [] };
  private values: unknown[][] = [];
  private hasBigInt = false;
  private isPlain = false;

  constructor(options: ScanRecordsOptions) {
    const { columns, records, int64, operation } = options;
    this.options = options;
    this.plain = new ScanFormat(int64, operation);
    this.reading = compileRecordReading(columns, records, int64);
    this.elements = new SmileElements((name, element) => this.beginRows(name, element));
  }

  get rowCount(): number {
    return this.ownRowCount + this.plain.rowCount;
  }

  get isComplete(): boolean {
    return this.isSmile === true ? this.elements.isComplete : this.plain.isComplete;
  }

  push(chunk: Buffer): (RecordBatch | ScanBatch)[] {
    if (chunk.length === 0) return [];
    this.isSmile ??= chunk[0] === smileStart;
    if (!this.isSmile) return this.plain.push(chunk);
    this.batches = [];
    for (const element of this.elements.push(chunk)) {
      const batch = this.plain.batch(element);
      if (batch.rows.length > 0) this.batches.push(batch); // its rows came before its columns
    }
    this.flush();
    return this.batches;
  }

  private beginRows(name: string, { segmentId, columns }: Record<string, unknown>): ReadItem | undefined {
    if (name !== 'events' || !Array.isArray(columns)) return undefined;
    this.flush();
    this.segmentId = typeof segmentId === 'string' ? segmentId : '';
    this.columns = columns as string[];
    const { options, reading } = this;
    const isAsAsked =
      columns.length === options.columns.length && columns.every((each, i) => each === options.columns[i]);
    if (!isAsAsked || reading === undefined) return (reader) => this.readPlain(reader);
    return (reader) => this.readItem(reader, reading);
  }

  private readItem(reader: SmileReader, { readRows, addRow }: RecordReading): boolean {
    if (this.isPlain || reader.sharesStrings) return this.readPlain(reader);
    reader.readRows(readRows, this.rows);
    if (reader.isAtEnd || reader.isAtEndOfArray) return true;
    const row = reader.row(this.columns.length);
    if (reader.isOverrun) return false;
    if (!reader.hasBigInt && Array.isArray(row) && addRow(row, this.rows)) return true;
    this.isPlain = true; // invariants 1 and 2
    return this.addPlain(row, reader);
  }

  private readPlain(reader: SmileReader): boolean {
    const row = reader.row(this.columns.length);
    return reader.isOverrun ? false : this.addPlain(row, reader);
  }

  private addPlain(row: unknown, reader: SmileReader): true {
    this.values.push(row as unknown[]); // that it is a row is checked for all of them
    this.hasBigInt ||= reader.hasBigInt;
    reader.hasBigInt = false;
    return true;
  }

  /** Ends the batch; plain rows come last in it (invariant 1). */
  private flush(): void {
    const { segmentId, columns, rows, values } = this;
    if (rows.records.length > 0) {
      this.batches.push({ segmentId, columns, ...rows });
      this.ownRowCount += rows.records.length;
      this.rows = { records: [], times: [] };
    }
    if (values.length > 0) {
      const { int64, operation } = this.options;
      const decoder = new RowDecoder({ names: columns, types: undefined }, int64, operation);
      const decoded = decoder.decode(values, this.hasBigInt, this.rowCount);
      this.batches.push({ segmentId, columns, types: undefined, rows: decoded });
      this.ownRowCount += decoded.length;
      this.values = [];
    }
    this.hasBigInt = false;
    this.isPlain = false;
  }
}
