/** Arrays, multi-value strings and JSON columns on their way into a datasource and back. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DruidClient } from '../src/index.js';
import { sql } from '../src/sql-template.js';
import { encodeJson } from '../src/json-encode.js';
import { collect } from './fake-druid.js';
import { load, uniqueName } from './load.js';
import type { Row } from './round-trips.js';
import { Literal, readJson, readWire, wireFormats } from './wire.js';

const text = fc.string({ unit: 'binary', maxLength: 8 });
const arrayOf = (item: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.option(fc.array(fc.option(item), { maxLength: 4 }), { freq: 8 });

/** Whether JSON text gives the same back: whole numbers beyond 2^53 come as the bigint that was written. */
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact);
}

const anyRow = fc.record({
  t: arrayOf(text),
  n: arrayOf(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  d: arrayOf(fc.double({ noNaN: true, noDefaultInfinity: true })),
  // A single value that looks like several cannot be told from them (nor '' from NULL in CSV), and no values are NULL.
  m: fc.option(
    fc.oneof(
      fc.array(text, { minLength: 2, maxLength: 4 }),
      fc.tuple(text.filter((value) => value !== '' && !value.startsWith('['))),
    ),
  ),
  j: fc.option(fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 2 })).filter(isExact)),
});

const edges: readonly Row[] = [
  { t: ['p', null, 'q'], n: [1n, 9007199254740993n, null], d: [1.5, null, -0], m: ['x', 'y'], j: { a: [] } },
  { t: [], n: [], d: [], m: ['z'], j: {} },
  { t: null, n: null, d: null, m: null, j: null },
  { t: ['', null], n: [-1n], d: [1e300], m: ['', 'u', 'u'], j: { a: { b: ['x', null, 1.5, true] } } },
  { t: ['"', '\\', '\n', '𝒳', '\0', ','], n: [2n ** 63n - 1n], d: [0.1, 5e-324], m: ['["a"]', '"'], j: null },
];

const names = ['id', 't', 'n', 'd', 'm', 'j'];
const columns = {
  id: 'long not null',
  t: 'array<string>',
  n: 'array<long>',
  d: 'array<double>',
  m: 'multi-value',
  j: 'json',
} as const;

const inOrder = (rows: readonly Row[]): Row[] => [...rows].sort((a, b) => Number(a['id']) - Number(b['id']));

/** Registers the round trips of a server that has arrays. */
export function describeArrayRoundTrips(getClient: () => DruidClient): void {
  const seed = Math.floor(Math.random() * 2 ** 31);
  describe(`round trips of arrays (seed ${seed})`, () => {
    const table = uniqueName('arrays');
    const select = sql`SELECT ${sql.join(names.map((name) => sql.identifier(name)))} FROM ${sql.identifier(table)}`;
    const rows: Row[] = [...edges, ...fc.sample(anyRow, { numRuns: 60, seed })].map((row, id) => ({
      id: BigInt(id),
      ...row,
    }));

    beforeAll(async () => {
      await load(getClient(), {
        datasource: table,
        dimensions: [
          { type: 'long', name: 'id' },
          ...['t', 'n', 'd'].map((name) => ({ type: 'auto', name })),
          { type: 'string', name: 'm', multiValueHandling: 'ARRAY' },
          { type: 'json', name: 'j' },
        ],
        lines: rows.map((row) => encodeJson({ time: 0, ...row })),
        timestampColumn: 'time',
        timestampFormat: 'millis',
      });
    });

    it('gives every value back by declared columns', async () => {
      const found = await getClient().sql.query(select, { columns, int64: 'bigint' });
      expect(inOrder(found)).toEqual(rows);
    });

    it('gives them back by declared columns, too, where the server writes arrays as text', async () => {
      const context = { sqlStringifyArrays: true };
      const found = await getClient().sql.query(select, { columns, int64: 'bigint', context });
      expect(inOrder(found)).toEqual(rows);
    });

    it.each(wireFormats)('has the same values as %s, each as JSON text', async (resultFormat) => {
      const bytes = await collect(getClient().sql.streamBytes(select, { resultFormat, header: true }));
      const found = readWire(resultFormat, Buffer.concat(bytes).toString(), names).map((cells) =>
        Object.fromEntries(names.map((name, i) => [name, valueOfWire(name, cells[i])])),
      );
      expect(inOrder(found)).toEqual(rows);
    });

    it.each(['json', 'smile'] as const)('scans the same values as %s', async (format) => {
      const found: Row[] = [];
      const scan = { dataSource: table, intervals: ['1970/1971'], columns: names };
      for await (const batch of getClient().native.scan(scan, { int64: 'bigint', format })) {
        for (const row of batch.rows) {
          const { m, ...others } = Object.fromEntries(batch.columns.map((name, i) => [name, row[i]]));
          found.push({ ...others, m: typeof m === 'string' ? [m] : m });
        }
      }
      expect(inOrder(found)).toEqual(rows);
    });
  });
}

function valueOfWire(name: string, cell: unknown): unknown {
  if (cell === null || cell === '') return null;
  const written = cell instanceof Literal ? cell.text : String(cell);
  if (name === 'id') return BigInt(written);
  if (name === 'm' && !written.startsWith('[')) return [written];
  return numbersOf(readJson(written), name === 'n' ? BigInt : Number);
}

/** The same with numbers in place of literals. */
function numbersOf(value: unknown, convert: (literal: string) => unknown): unknown {
  if (value instanceof Literal) return convert(value.text);
  if (Array.isArray(value)) return value.map((item) => numbersOf(item, convert));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, numbersOf(item, convert)]));
}
