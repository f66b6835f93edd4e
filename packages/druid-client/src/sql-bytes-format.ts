import type { ResultFormat } from './result-stream.js';

/** Druid's result formats, by its names. */
export type SqlResultFormat = 'object' | 'array' | 'objectLines' | 'arrayLines' | 'csv';

/** Which header lines were asked for; Druid wants `header` with each of the others. */
export interface SqlHeaderOptions {
  /** The columns' names, first of all. Default false. */
  readonly header?: boolean;
  /** Druid's native types. */
  readonly typesHeader?: boolean;
  readonly sqlTypesHeader?: boolean;
}

/**
 * Passes a result's bytes on untouched, and watches them only to know whether the result is whole.
 *
 * `rowCount` counts the rows without headers. The last row of a broken result is counted once its end has arrived.
 */
export class SqlBytesFormat implements ResultFormat<Buffer> {
  private readonly watch: LineWatch | ArrayWatch;
  private readonly headerRows: number;

  constructor(format: SqlResultFormat, options: SqlHeaderOptions) {
    const isArray = format === 'object' || format === 'array';
    const hasHeader = options.header === true;
    this.watch = isArray ? new ArrayWatch() : new LineWatch(format === 'csv', hasHeader);
    // Objects carry all their headers in one row.
    const more = format.startsWith('object')
      ? 0
      : Number(options.typesHeader ?? 0) + Number(options.sqlTypesHeader ?? 0);
    this.headerRows = hasHeader ? 1 + more : 0;
  }

  get isComplete(): boolean {
    return this.watch.isComplete;
  }

  get rowCount(): number {
    return Math.max(0, this.watch.rows - this.headerRows);
  }

  push(chunk: Buffer): Buffer[] {
    this.watch.push(chunk);
    return [chunk];
  }
}

/** Lines end in an empty line, in CSV too; there a quoted value may hold line breaks. */
class LineWatch {
  private breaks = 0;
  private bytes = 0;
  private lastIsBreak = false;
  private endsInBlank = false;
  private inQuotes = false;
  private readonly isCsv: boolean;
  private readonly hasHeader: boolean;

  constructor(isCsv: boolean, hasHeader: boolean) {
    this.isCsv = isCsv;
    this.hasHeader = hasHeader;
  }

  get isComplete(): boolean {
    // Without rows and header, CSV is the line break of its end alone.
    return this.endsInBlank || (this.isCsv && !this.hasHeader && this.bytes === 1 && this.lastIsBreak);
  }

  get rows(): number {
    // The end of an empty result without header is one line break in CSV, two elsewhere: no row either way.
    if (this.bytes <= 2 && this.breaks === this.bytes) return 0;
    return this.isComplete ? this.breaks - 1 : this.breaks;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.bytes += chunk.length;
    if (this.isCsv) this.walk(chunk);
    else this.skipLines(chunk);
  }

  // JSON holds no raw line break inside a value.
  private skipLines(chunk: Buffer): void {
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) this.breaks++;
    const end = chunk.length - 1;
    const beforeIsBreak = end > 0 ? chunk[end - 1] === 0x0a : this.lastIsBreak;
    this.lastIsBreak = chunk[end] === 0x0a;
    this.endsInBlank = this.lastIsBreak && beforeIsBreak;
  }

  private walk(chunk: Buffer): void {
    let { breaks, inQuotes, lastIsBreak, endsInBlank } = this;
    let at = 0; // an index, because an iterator takes twice as long
    while (at < chunk.length) {
      const code = chunk[at++] as number;
      if (code > 0x22) {
        lastIsBreak = false;
        continue; // most of all, so there is no more to do for them
      }
      const isBreak = code === 0x0a && !inQuotes;
      if (code === 0x22) inQuotes = !inQuotes;
      if (isBreak) breaks++;
      endsInBlank = isBreak && lastIsBreak;
      lastIsBreak = isBreak;
    }
    endsInBlank &&= lastIsBreak;
    Object.assign(this, { breaks, inQuotes, lastIsBreak, endsInBlank });
  }
}

/** A JSON array is whole once its own bracket has closed. */
class ArrayWatch {
  rows = 0;
  isComplete = false;
  private depth = 0;
  private inString = false;
  private escaped = false;

  push(chunk: Buffer): void {
    let { rows, isComplete, depth, inString, escaped } = this;
    let at = 0; // an index, because an iterator takes twice as long
    while (at < chunk.length) {
      const code = chunk[at++] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (code === 0x5c) escaped = true;
        else if (code === 0x22) inString = false;
      } else if (code < 0x5b && code !== 0x22) {
        continue; // most of all: digits, commas and colons
      } else if (code === 0x22) {
        inString = true;
      } else if (code === 0x5b || code === 0x7b) {
        depth++;
      } else if (code === 0x5d || code === 0x7d) {
        depth--;
        if (depth === 1) rows++;
        else if (depth === 0) isComplete = true;
      }
    }
    Object.assign(this, { rows, isComplete, depth, inString, escaped });
  }
}
