import { CsvRecordScanner, parseCsvRecord } from './csv-record.js';
import type { RecordDecoder, RecordFormat } from './record-format.js';

/** The fields of a CSV record by the names of their columns. */
export type CsvRecord = Readonly<Record<string, string>>;

export interface CsvFormatOptions<T> {
  readonly delimiter: string;
  /** The columns; `undefined` where each file's first record names them. */
  readonly columns: readonly string[] | undefined;
  readonly parse: (record: CsvRecord) => T;
}

/** One record per CSV record, by the names of its columns. */
export class CsvFormat<T> implements RecordFormat<T> {
  readonly hasHeader: boolean;
  readonly #options: CsvFormatOptions<T>;

  constructor(options: CsvFormatOptions<T>) {
    this.hasHeader = options.columns === undefined;
    this.#options = options;
  }

  createDecoder(): RecordDecoder<T> {
    return new CsvDecoder(this.#options);
  }
}

class CsvDecoder<T> implements RecordDecoder<T> {
  readonly #scanner: CsvRecordScanner;
  readonly #delimiter: string;
  readonly #parse: (record: CsvRecord) => T;
  #columns: readonly string[];

  constructor({ delimiter, columns = [], parse }: CsvFormatOptions<T>) {
    this.#scanner = new CsvRecordScanner(delimiter);
    this.#delimiter = delimiter;
    this.#columns = columns;
    this.#parse = parse;
  }

  get lines(): number {
    return this.#scanner.lines;
  }

  findEnd(bytes: Uint8Array, from: number, to: number): number {
    return this.#scanner.findEnd(bytes, from, to);
  }

  readHeader(text: string): void {
    const columns = parseCsvRecord(text, this.#delimiter);
    const problem = columnProblem(columns);
    if (problem !== undefined) throw new Error(problem);
    this.#columns = columns;
  }

  decode(text: string): T {
    const fields = parseCsvRecord(text, this.#delimiter);
    const columns = this.#columns;
    if (fields.length !== columns.length) {
      throw new Error(`it has ${fields.length} fields, and there are ${columns.length} columns`);
    }
    const record: Record<string, string> = {};
    for (let i = 0; i < columns.length; i++) record[columns[i]!] = fields[i]!;
    return this.#parse(record);
  }
}

/** What is wrong with columns, if anything. */
export function columnProblem(columns: readonly string[]): string | undefined {
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) return `the column '${twice}' is there twice`;
  // Assigning it would change the record's prototype, and the value would be gone.
  return columns.includes('__proto__') ? "a column cannot be called '__proto__'" : undefined;
}
