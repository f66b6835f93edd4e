import { RowDecoder, type Int64Mode } from './columns.js';
import { DruidDecodeError } from './errors.js';
import { decodeJson, setOwn } from './json-decode.js';
import { blockToJsonArray, LineBlocks } from './line-blocks.js';
import type { ResultFormat } from './result-stream.js';
import { DeclaredDecoder } from './sql-column-decoder.js';
import type { DeclaredColumn, TimestampMode } from './sql-columns.js';

/** A column of an SQL result: its SQL type (`BIGINT`, `VARCHAR`, …) and Druid's native one (`LONG`, `STRING`, …). */
export interface SqlColumn {
  readonly name: string;
  readonly sqlType: string | null;
  readonly nativeType: string | null;
}

/** What becomes of the rows. */
export interface SqlRowsOptions {
  readonly int64: Int64Mode;
  readonly asObjects: boolean;
  readonly operation: string;
  readonly onColumns: ((columns: readonly SqlColumn[]) => void) | undefined;
  /** Rows are decoded by these columns, and hold no others. */
  readonly declared?: { readonly columns: readonly DeclaredColumn[]; readonly timestamps: TimestampMode };
}

// Names, native types and SQL types, each a line of its own.
const headerLines = 3;

/** Druid's `arrayLines` with all three header lines, as rows. */
export class SqlRowsFormat implements ResultFormat<unknown> {
  rowCount = 0;
  private readonly lines = new LineBlocks();
  private readonly header: unknown[] = [];
  private readonly options: SqlRowsOptions;
  private plan: RowPlan | undefined;

  constructor(options: SqlRowsOptions) {
    this.options = options;
  }

  get isComplete(): boolean {
    return this.lines.isComplete && this.plan !== undefined;
  }

  push(chunk: Buffer): unknown[] {
    const block = this.lines.push(chunk);
    if (block === '') return [];
    const { text, count } = blockToJsonArray(block);
    const { value, hasBigInt } = decodeJson(text);
    let rows = value as unknown[];
    if (rows.length !== count) throw new SyntaxError('A line of the result is not one JSON value');
    if (this.plan === undefined) {
      rows = this.takeHeader(rows);
      if (this.plan === undefined) return [];
    }
    const decoded = (this.plan as RowPlan).rows(rows, hasBigInt, this.rowCount);
    this.rowCount += decoded.length;
    return decoded;
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
      const columns = names.map((name, i) => ({
        name,
        nativeType: nativeTypes[i] ?? null,
        sqlType: sqlTypes[i] ?? null,
      }));
      this.plan = planRows(columns, this.options);
      this.options.onColumns?.(columns);
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
}

/** How the rows of one result are made, settled when its header has arrived. */
interface RowPlan {
  rows(parsed: readonly unknown[], hasBigInt: boolean, firstRow: number): unknown[];
}

function planRows(columns: readonly SqlColumn[], options: SqlRowsOptions): RowPlan {
  const { int64, operation, declared, asObjects } = options;
  const names = columns.map(({ name }) => name);
  const types = columns.map(({ nativeType }) => nativeType);
  const plain = new RowDecoder({ names, types }, int64, operation);
  if (declared !== undefined) {
    const modes = { int64, timestamps: declared.timestamps };
    const decoder = new DeclaredDecoder(columns, declared.columns, modes, operation);
    const toObjects = objectMaker(decoder.names, decoder.places);
    return {
      rows: (parsed, _, firstRow) => {
        const rows = plain.requireWidth(parsed, firstRow);
        decoder.decode(rows, firstRow);
        return toObjects(rows);
      },
    };
  }
  if (asObjects) requireUnique(names, operation);
  const toObjects = objectMaker(
    names,
    names.map((_, i) => i),
  );
  return {
    rows: (parsed, hasBigInt, firstRow) => {
      const rows = plain.decode(parsed, hasBigInt, firstRow);
      return asObjects ? toObjects(rows) : rows;
    },
  };
}

// A join of tables with `SELECT *` has such columns; of an object's members the last would be left.
function requireUnique(names: readonly string[], operation: string): void {
  const column = names.find((name, i) => names.indexOf(name) !== i);
  if (column === undefined) return;
  throw new DruidDecodeError({
    message: `The ${operation} has two columns '${column}', of which a row as an object can hold one. Give them aliases, or ask for rowFormat: 'array'.`,
    details: { operation, column },
  });
}

/** Makes objects of rows: member `names[i]` is what stands at `places[i]`. */
function objectMaker(
  names: readonly string[],
  places: readonly number[],
): (rows: readonly unknown[][]) => Record<string, unknown>[] {
  const hasProto = names.includes('__proto__');
  return (rows) =>
    rows.map((row) => {
      const object: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) {
        if (hasProto) setOwn(object, names[i] as string, row[places[i] as number]);
        else object[names[i] as string] = row[places[i] as number];
      }
      return object;
    });
}
