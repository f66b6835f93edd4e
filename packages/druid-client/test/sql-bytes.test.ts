import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidTruncatedError } from '../src/errors.js';
import { SqlBytesFormat, type SqlHeaderOptions, type SqlResultFormat } from '../src/sql-bytes-format.js';
import { collect, failure, fakeDruid, inPieces, json } from './fake-druid.js';

/** Writes rows as Druid does. */
function write(format: SqlResultFormat, rows: readonly (readonly unknown[])[], headers: number): string {
  const names = (rows[0] ?? ['x']).map((_, i) => `c${i}`);
  const cell = (value: unknown) =>
    value === null
      ? ''
      : /[",\n]/.test(String(value))
        ? `"${String(value).replaceAll('"', '""')}"`
        : String(value);
  const asObject = (row: readonly unknown[]) =>
    JSON.stringify(Object.fromEntries(row.map((v, i) => [`c${i}`, v])));
  const line = {
    csv: (row: readonly unknown[]) => row.map(cell).join(','),
    object: asObject,
    objectLines: asObject,
    array: JSON.stringify,
    arrayLines: JSON.stringify,
  }[format];
  const all = [...Array.from({ length: headers }, () => names), ...rows].map((row) => line(row));
  if (format === 'object' || format === 'array') return `[${all.join(',')}]\n`;
  if (all.length === 0) return format === 'csv' ? '\n' : '\n\n';
  return `${all.join('\n')}\n\n`;
}

const formats: readonly SqlResultFormat[] = ['object', 'array', 'objectLines', 'arrayLines', 'csv'];

function read(format: SqlResultFormat, bytes: Buffer, cuts: readonly number[], options: SqlHeaderOptions) {
  const watch = new SqlBytesFormat(format, options);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const out = places.slice(1).flatMap((end, i) => watch.push(bytes.subarray(places[i], end)));
  return { watch, out: Buffer.concat(out) };
}

// Two columns, the first never empty: one-column CSV with empty values is the known exception.
const rows = fc.array(
  fc.tuple(
    fc.oneof(
      fc.constantFrom(']]', '}]', '\n\n', '"\n\n', '\\', '[{"'),
      fc.string({ minLength: 1 }).filter((s) => !s.includes('\r')),
    ),
    fc.option(fc.string()),
  ),
  { maxLength: 6 },
);

describe('sql.streamBytes', () => {
  it.each(formats)(
    'passes %s on untouched, counts its rows, and knows its end at no byte too early',
    (format) => {
      fc.assert(
        fc.property(rows, fc.array(fc.nat()), fc.boolean(), (content, cuts, header) => {
          const bytes = Buffer.from(write(format, content, header ? 1 : 0));
          const whole = read(format, bytes, cuts, { header });
          expect(whole.out.equals(bytes)).toBe(true);
          expect(whole.watch.isComplete).toBe(true);
          expect(whole.watch.rowCount).toBe(content.length);
          // The line break behind a closed array is not needed.
          const needed = format === 'object' || format === 'array' ? bytes.length - 1 : bytes.length;
          for (let length = 0; length < needed; length++) {
            const cut = read(format, bytes.subarray(0, length), cuts, { header }).watch;
            expect(cut.isComplete, `cut at ${length} of ${JSON.stringify(bytes.toString())}`).toBe(false);
            expect(cut.rowCount).toBeLessThanOrEqual(content.length);
          }
        }),
        { numRuns: 60 },
      );
    },
  );

  it('counts no header as a row', () => {
    const all = { header: true, typesHeader: true, sqlTypesHeader: true };
    for (const format of ['array', 'arrayLines', 'csv'] as const) {
      expect(read(format, Buffer.from(write(format, [['a']], 3)), [], all).watch.rowCount).toBe(1);
    }
    for (const format of ['object', 'objectLines'] as const) {
      expect(read(format, Buffer.from(write(format, [['a']], 1)), [], all).watch.rowCount).toBe(1);
    }
  });

  it('asks for the format and gives the bytes', async () => {
    const csv = 'page,n\na,1\n"b\n",2\n\n';
    const druid = await fakeDruid((_, response) => inPieces(response, csv, 3));
    const stream = druid.client().sql.streamBytes('SELECT', { resultFormat: 'csv', header: true });
    expect(Buffer.concat(await collect(stream)).toString()).toBe(csv);
    expect(druid.seen[0]?.body).toMatchObject({ resultFormat: 'csv', header: true, typesHeader: false });
  });

  it('ends in an error that tells the rows when the result breaks off', async () => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, 'page,n\na,1\n"b\n\n'),
    );
    const stream = druid.client().sql.streamBytes('SELECT', { resultFormat: 'csv', header: true });
    const error = await failure(collect(stream));
    expect(DruidTruncatedError.is(error) && error.rowsReceived).toBe(1);
  });
});
