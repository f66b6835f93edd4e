/**
 * CSV by RFC 4180: where a record ends among bytes, and which fields its text has.
 *
 * Fields are separated by one ASCII character, records by LF or CRLF. A field that begins with a quote ends with the next
 * quote that is not doubled; separators, line breaks and doubled quotes inside belong to it. Bytes of a multi-byte UTF-8
 * character are never those of a separator, so ends are found before anything is decoded.
 */
const LF = 10;
const QUOTE = 34;

type Place = 'field-start' | 'unquoted' | 'quoted' | 'quote-in-quoted';

/** Finds the ends of records, also across the borders of chunks. */
export class CsvRecordScanner {
  readonly #delimiter: number;
  #place: Place = 'field-start';
  /** Bytes of the record that were looked at. */
  #scanned = 0;
  #lines = 0;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** Line breaks of the record that was found last, its end included. */
  get lines(): number {
    return this.#lines;
  }

  /** The index after the record that begins at `from`, or -1 where there is more of it to come. */
  findEnd(bytes: Uint8Array, from: number, to: number): number {
    if (this.#scanned === 0) this.#lines = 0;
    let place = this.#place;
    for (let i = from + this.#scanned; i < to; i++) {
      const byte = bytes[i];
      if (byte === LF) {
        this.#lines++;
        if (place === 'quoted') continue;
        this.#place = 'field-start';
        this.#scanned = 0;
        return i + 1;
      }
      if (place === 'quoted') {
        if (byte === QUOTE) place = 'quote-in-quoted';
      } else if (byte === QUOTE) {
        place = place === 'unquoted' ? 'unquoted' : 'quoted';
      } else place = byte === this.#delimiter ? 'field-start' : 'unquoted';
    }
    this.#place = place;
    this.#scanned = to - from;
    return -1;
  }
}

/**
 * The fields of one record, given without its line break.
 *
 * @throws Error that says what is wrong, for quotes that RFC 4180 does not allow
 */
export function parseCsvRecord(text: string, delimiter: string): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1, fields.length + 1);
      fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 1;
      if (at < text.length && text[at] !== delimiter) {
        throw new Error(`'${text[at] ?? ''}' follows the closing quote of field ${fields.length}`);
      }
    } else {
      const next = text.indexOf(delimiter, at);
      const field = text.slice(at, next === -1 ? text.length : next);
      if (field.includes('"'))
        throw new Error(`a quote is inside field ${fields.length + 1}, which is not quoted`);
      fields.push(field);
      at += field.length;
    }
    if (at >= text.length) return fields;
    at++; // the delimiter
  }
}

function closingQuote(text: string, from: number, field: number): number {
  for (let at = from; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1) throw new Error(`the quote of field ${field} is not closed`);
    if (text[at + 1] !== '"') return at;
  }
}
