import { RowDecoder, type Int64Mode } from './columns.js';
import { DruidDecodeError } from './errors.js';
import { decodeJson, setOwn } from './json-decode.js';
import { blockToJsonArray, LineBlocks } from './line-blocks.js';
import type { ResultFormat } from './result-stream.js';

/** A column of an SQL result: its SQL type (`BIGINT`, `VARCHAR`, …) and Druid's native one (`LONG`, `STRING`, …). */
export interface SqlColumn {
  readonly name: string;
  readonly sqlType: string | null;
  readonly nativeType: string | null;
}

// Names, native types and SQL types, each a line of its own.
const headerLines = 3;

/** Druid's `arrayLines` with all three header lines, as rows. */
export class SqlRowsFormat implements ResultFormat<unknown> {
  rowCount = 0;
  private readonly lines = new LineBlocks();
  private readonly header: unknown[] = [];
  private readonly options: {
    readonly int64: Int64Mode;
    readonly asObjects: boolean;
    readonly operation: string;
    readonly onColumns: ((columns: readonly SqlColumn[]) => void) | undefined;
  };
  private decoder: RowDecoder | undefined;
  private names: readonly string[] = [];

  constructor(options: SqlRowsFormat['options']) {
    this.options = options;
  }

  get isComplete(): boolean {
    return this.lines.isComplete && this.decoder !== undefined;
  }

  push(chunk: Buffer): unknown[] {
    const block = this.lines.push(chunk);
    if (block === '') return [];
    const { text, count } = blockToJsonArray(block);
    const { value, hasBigInt } = decodeJson(text);
    let rows = value as unknown[];
    if (rows.length !== count) throw new SyntaxError('A line of the result is not one JSON value');
    if (this.decoder === undefined) {
      rows = this.takeHeader(rows);
      if (this.decoder === undefined) return [];
    }
    const decoded = (this.decoder as RowDecoder).decode(rows, hasBigInt, this.rowCount);
    this.rowCount += decoded.length;
    return this.options.asObjects ? this.toObjects(decoded) : decoded;
  }

  private takeHeader(rows: unknown[]): unknown[] {
    const missing = headerLines - this.header.length;
    this.header.push(...rows.slice(0, missing));
    if (this.header.length === headerLines) {
      const [names, nativeTypes, sqlTypes] = this.header.map((line) => this.headerLine(line)) as [
        string[],
        string[],
        string[],
      ];
      this.names = names;
      this.decoder = new RowDecoder(
        { names, types: nativeTypes },
        this.options.int64,
        this.options.operation,
      );
      this.options.onColumns?.(
        names.map((name, i) => ({ name, nativeType: nativeTypes[i] ?? null, sqlType: sqlTypes[i] ?? null })),
      );
    }
    return rows.slice(missing);
  }

  private headerLine(line: unknown): readonly unknown[] {
    if (Array.isArray(line) && line.every((item) => item === null || typeof item === 'string')) return line;
    throw new DruidDecodeError({
      message: `The ${this.options.operation} came without the header lines that were asked for: is this server older than Druid 0.23?`,
      details: { operation: this.options.operation },
    });
  }

  private toObjects(rows: readonly unknown[][]): Record<string, unknown>[] {
    const { names } = this;
    const hasProto = names.includes('__proto__');
    return rows.map((row) => {
      const object: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) {
        if (hasProto) setOwn(object, names[i] as string, row[i]);
        else object[names[i] as string] = row[i];
      }
      return object;
    });
  }
}
