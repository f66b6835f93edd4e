import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvRecordScanner, parseCsvRecord } from '../../src/connectors/csv-record.js';

const field = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '"', ',', ';', '\n', '\r', ' ') });
const records = fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 8 });
const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;

/** Splits by the scanner, fed `chunk` bytes at a time. */
function scan(text: string, chunk: number): { text: string; lines: number }[] {
  const bytes = Buffer.from(text);
  const scanner = new CsvRecordScanner(',');
  const found: { text: string; lines: number }[] = [];
  let from = 0;
  for (let to = 0; to < bytes.length;) {
    to = Math.min(bytes.length, to + chunk);
    for (let end; (end = scanner.findEnd(bytes, from, to)) !== -1; from = end) {
      found.push({ text: bytes.toString('utf8', from, end), lines: scanner.lines });
    }
  }
  return found;
}

describe('CSV records', () => {
  it('come back as they were written, with every field quoted, across any chunks', () => {
    const options = fc.record({
      records,
      eol: fc.constantFrom('\n', '\r\n'),
      chunk: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(options, ({ records: rows, eol, chunk }) => {
        const text = rows.map((row) => row.map(quoted).join(',') + eol).join('');
        const found = scan(text, chunk);
        const fields = found.map((record) => parseCsvRecord(record.text.replace(/\r?\n$/, ''), ','));
        expect(fields).toEqual(rows);
        const lines = found.reduce((sum, record) => sum + record.lines, 0);
        expect(lines).toBe(text.split('\n').length - 1);
      }),
      { numRuns: 300 },
    );
  });

  it('need quotes only around separators, quotes and line breaks', () => {
    fc.assert(
      fc.property(records, (rows) => {
        const write = (value: string) => (/[",\n\r]/.test(value) ? quoted(value) : value);
        const text = rows.map((row) => `${row.map(write).join(',')}\n`).join('');
        const fields = scan(text, text.length || 1).map((record) =>
          parseCsvRecord(record.text.slice(0, -1), ','),
        );
        expect(fields).toEqual(rows);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['', ['']],
    [',', ['', '']],
    ['a,', ['a', '']],
    ['"",""', ['', '']],
    ['"a""b",c', ['a"b', 'c']],
    ['"a,b"', ['a,b']],
  ])('%s has the fields %j', (text, fields) => {
    expect(parseCsvRecord(text, ',')).toEqual(fields);
  });

  it.each([
    ['a"b,c', 'a quote is inside field 1'],
    ['a,b"', 'a quote is inside field 2'],
    ['"a"b,c', "'b' follows the closing quote of field 1"],
    ['x,"a', 'the quote of field 2 is not closed'],
    ['"a""', 'the quote of field 1 is not closed'],
  ])('%s is refused', (text, message) => {
    expect(() => parseCsvRecord(text, ',')).toThrow(message);
  });

  it('end at their line also where a quote is misplaced', () => {
    expect(scan('5" pipe,x\nnext\n', 100)).toHaveLength(2);
    expect(scan('5" pipe,x\nnext\n', 3)).toHaveLength(2);
    expect(scan('"a"b,c\nnext\n', 1).map((record) => record.text)).toEqual(['"a"b,c\n', 'next\n']);
  });
});
