import { StreamConfigError } from '../errors.js';
import { columnProblem } from './csv-format.js';
import { isUtf8Text, type RecordEncoder } from './record-encoder.js';

/** What a CSV file can hold. `null` and `undefined` become an empty field, as `''` does: they are read as `''`. */
export type CsvValue = string | number | bigint | boolean | null | undefined;

/** The fields of a CSV record by the names of their columns. */
export type CsvRow = Readonly<Record<string, CsvValue>>;

export interface CsvEncoderOptions<T> {
  /** In their order in the file. A row with other fields is refused; one that lacks some has them empty. */
  readonly columns: readonly string[];
  /** Makes a row of a record. */
  readonly format: (record: T) => CsvRow;
  readonly delimiter: string;
  /** Whether each file begins with the names of the columns. */
  readonly hasHeader: boolean;
}

/** CSV by RFC 4180, with LF between records. */
export function csvEncoder<T>(options: CsvEncoderOptions<T>): RecordEncoder<T> {
  const { columns, format, delimiter, hasHeader } = options;
  const problem = columns.length === 0 ? 'there is none' : columnProblem(columns);
  if (problem !== undefined) throw new StreamConfigError(`'columns' of a file sink: ${problem}`);
  if (!/^[^"\r\n\x80-\uFFFF]$/.test(delimiter)) {
    throw new StreamConfigError(
      `'delimiter' of a file sink must be one ASCII character and no quote or line break, got ${JSON.stringify(delimiter)}`,
    );
  }
  const known = new Set(columns);
  const line = (texts: readonly string[]) => {
    const text = texts.map((field) => quoted(field, delimiter)).join(delimiter);
    return text === '' ? '""\n' : `${text}\n`; // a blank line is no record for readers
  };
  return {
    extension: '.csv',
    ...(hasHeader ? { header: line(columns) } : {}),
    encode(record) {
      const row = format(record);
      for (const name of Object.keys(row)) {
        if (!known.has(name))
          throw new Error(`its field '${name}' is none of the columns ${columns.join(', ')}`);
      }
      return line(
        columns.map((column) => textOf(Object.hasOwn(row, column) ? row[column] : undefined, column)),
      );
    },
  };
}

function textOf(value: CsvValue, column: string): string {
  switch (typeof value) {
    case 'string':
      if (!isUtf8Text(value))
        throw new Error(`'${column}' has half a surrogate pair, which UTF-8 cannot hold`);
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      if (value === null || value === undefined) return '';
      throw new Error(`'${column}' is no string, number, bigint or boolean; make one of it with 'format'`);
  }
}

function quoted(text: string, delimiter: string): string {
  // A byte order mark at the beginning of a file would not be read as part of its first field.
  const isPlain = !/["\r\n]/.test(text) && !text.includes(delimiter) && !text.startsWith('\uFEFF');
  return isPlain ? text : `"${text.replaceAll('"', '""')}"`;
}
