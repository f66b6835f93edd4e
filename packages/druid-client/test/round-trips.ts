/**
 * Values of every type on their way into a datasource and back: by declared columns, in every SQL result format, by
 * native scan in JSON and Smile, and as parameters.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DruidDecodeError } from '../src/errors.js';
import type { DruidClient, SqlParameter } from '../src/index.js';
import { sql } from '../src/sql-template.js';
import { collect, failure } from './fake-druid.js';
import { load, uniqueName } from './load.js';
import { Literal, readWire, wireFormats } from './wire.js';

/** A value as JSON for the way in, and as the client hands it out. */
interface Cell {
  readonly json: string;
  readonly value: unknown;
}

/** A column: values that have made trouble before, and any others. */
interface Column {
  readonly name: string;
  readonly dimension: unknown;
  readonly type: 'string' | 'long' | 'double';
  readonly edges: readonly Cell[];
  readonly any: fc.Arbitrary<Cell>;
}

const text = (value: string | null): Cell => ({ json: JSON.stringify(value), value });
const long = (value: bigint): Cell => ({ json: value.toString(), value });
const double = (value: number): Cell => {
  const json = Object.is(value, -0) ? '-0.0' : Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
  return { json, value };
};
const missing: Cell = { json: 'null', value: null };

const megabyte = 'Größe 𝒳 "\'\\\n'.repeat(80_000); // a little more than 10^6 characters

const strings = [
  '',
  ' ',
  'plain',
  'null',
  'NaN',
  '-0',
  '9007199254740993',
  '["a","b"]x',
  '{"a":1}x',
  'a,b;c\td',
  '"quoted"',
  "it's",
  'back\\slash\\n',
  'line\nbreak',
  'carriage\r\nreturn',
  '\n',
  '\n\n',
  ',',
  '"',
  '""',
  'zero\0byte',
  '\u0001\u001f\u007f',
  '\u2028\u2029',
  'é and e\u0301',
  'grün 𝒳 👩‍👩‍👧 \u{10ffff}',
  'inner\ufeffmark',
  '\ufffd\uffff',
  "x' OR 1=1 --",
  megabyte,
];

const longs = [
  0n,
  -1n,
  2n ** 31n,
  2n ** 53n - 1n,
  2n ** 53n,
  9007199254740993n,
  -9007199254740993n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

const doubles = [
  0,
  -0,
  0.1,
  -2.25,
  1e-7,
  123456789,
  1e21,
  2 ** 53,
  1e300,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  2.2250738585072014e-308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

const floats = [0, -0, 0.1, 16777216, 1.401298464324817e-45, 3.4028234663852886e38, Number.NaN, -Infinity];

const columns: readonly Column[] = [
  {
    name: 's',
    dimension: 's',
    type: 'string',
    edges: [missing, ...strings.map(text)],
    any: fc.string({ unit: 'binary', maxLength: 20 }).map(text),
  },
  {
    name: 'n',
    dimension: { type: 'long', name: 'n' },
    type: 'long',
    edges: [missing, ...longs.map(long)],
    any: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(long),
  },
  {
    name: 'd',
    dimension: { type: 'double', name: 'd' },
    type: 'double',
    edges: [missing, ...doubles.map(double)],
    any: fc.double().map(double),
  },
  {
    name: 'f',
    dimension: { type: 'float', name: 'f' },
    type: 'double',
    edges: [missing, ...floats.map((value) => double(Math.fround(value)))],
    any: fc.float().map(double),
  },
];

const times = [-62135596800000, -1, 0, 1, Date.UTC(2024, 1, 29, 23, 59, 59, 999), 253402300799999];
const anyTime = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2025, 0) - 1 });

/** A row by column name. */
export type Row = Readonly<Record<string, unknown>>;

/** The rows of one run, and the JSON lines that load them; `id` tells them apart. */
export function rowsOf(seed: number): { readonly rows: readonly Row[]; readonly lines: readonly string[] } {
  const height = Math.max(...columns.map(({ edges }) => edges.length)) + 60;
  const sampled = columns.map(({ any }) => fc.sample(any, { numRuns: height, seed }));
  const sampledTimes = fc.sample(anyTime, { numRuns: height, seed });
  const rows: Row[] = [];
  const lines: string[] = [];
  for (let id = 0; id < height; id++) {
    const time = times[id] ?? (sampledTimes[id] as number);
    const cells = columns.map(({ edges }, c) => edges[id] ?? (sampled[c]?.[id] as Cell));
    rows.push(
      Object.fromEntries([
        ['__time', time],
        ['id', BigInt(id)],
        ...columns.map(({ name }, c) => [name, cells[c]?.value]),
      ]),
    );
    const members = columns.map(({ name }, c) => `,"${name}":${cells[c]?.json}`).join('');
    lines.push(`{"t":${time},"id":${id}${members}}`);
  }
  return { rows, lines };
}

const names = ['__time', 'id', ...columns.map(({ name }) => name)];
const declared = {
  __time: 'timestamp not null',
  id: 'long not null',
  ...Object.fromEntries(columns.map(({ name, type }) => [name, type])),
} as const;

/** A cell of a result as the value that it stands for, by the rules of the format alone. */
function valueOfWire(name: string, cell: unknown, isCsv: boolean): unknown {
  if (cell === null || (isCsv && cell === '')) return null;
  const written = cell instanceof Literal ? cell.text : String(cell);
  if (name === '__time') return Date.parse(written);
  if (name === 'id' || name === 'n') return BigInt(written);
  if (name === 's') return written;
  return name === 'f' ? Math.fround(Number(written)) : Number(written);
}

const byId = (a: Row, b: Row): number => Number(a['id']) - Number(b['id']);
// The shortest decimal of a 32-bit number is another 64-bit number.
const withFloats = (row: Row): Row => {
  const { f } = row;
  return typeof f === 'number' ? { ...row, f: Math.fround(f) } : row;
};
/** Rows by `id`, with 32-bit numbers as such. */
export const inOrder = (rows: readonly Row[]): Row[] => rows.map(withFloats).sort(byId);

/** Registers the round trips of a server. */
export function describeRoundTrips(getClient: () => DruidClient): void {
  const seed = Math.floor(Math.random() * 2 ** 31);
  describe(`round trips (seed ${seed})`, () => {
    const table = uniqueName('types');
    const from = sql`FROM ${sql.identifier(table)}`;
    const select = sql`SELECT ${sql.join(names.map((name) => sql.identifier(name)))} ${from}`;
    const { rows, lines } = rowsOf(seed);

    beforeAll(async () => {
      await load(getClient(), {
        datasource: table,
        dimensions: [{ type: 'long', name: 'id' }, ...columns.map(({ dimension }) => dimension)],
        lines,
        segmentGranularity: 'YEAR',
        timestampFormat: 'millis',
      });
    });

    it('gives every value back by declared columns', async () => {
      const found = await getClient().sql.query(select, { columns: declared, int64: 'bigint' });
      expect(inOrder(found)).toEqual(rows);
      const dates = await getClient().sql.query(select, {
        columns: { __time: 'timestamp', id: 'long' },
        int64: 'string',
        timestamps: 'date',
      });
      expect(new Map(dates.map(({ id, __time }) => [id, __time?.getTime()]))).toEqual(
        new Map(rows.map((row) => [String(row['id']), row['__time']])),
      );
    });

    it('gives every value back without a declaration, but for times, which are text', async () => {
      const found = await getClient().sql.query(select, { int64: 'bigint' });
      const withTimes = found.map((row) => ({ ...row, __time: Date.parse(String(row['__time'])) }));
      expect(inOrder(withTimes)).toEqual(rows);
    });

    it('refuses an integer that a number cannot hold, rather than round it', async () => {
      const query = sql`SELECT n ${from}`;
      const undeclared = () => getClient().sql.query(query);
      const declaredLong = () => getClient().sql.query(query, { columns: { n: 'long' } });
      for (const run of [undeclared, declaredLong]) {
        const error = await failure(run());
        expect(DruidDecodeError.is(error) && error.details.column).toBe('n');
      }
    });

    it.each(wireFormats)('has the same rows as %s', async (resultFormat) => {
      const bytes = await collect(getClient().sql.streamBytes(select, { resultFormat, header: true }));
      const isCsv = resultFormat === 'csv';
      const found = readWire(resultFormat, Buffer.concat(bytes).toString(), names).map((cells) =>
        Object.fromEntries(names.map((name, i) => [name, valueOfWire(name, cells[i], isCsv)])),
      );
      // CSV has no NULL.
      const expected = isCsv ? rows.map((row) => (row['s'] === '' ? { ...row, s: null } : row)) : rows;
      expect(inOrder(found)).toEqual(expected);
    });

    it.each(['json', 'smile'] as const)('scans the same rows as %s', async (format) => {
      const found: Row[] = [];
      const scan = {
        dataSource: table,
        intervals: ['0001-01-01/9999-12-31T23:59:59.999Z', lastMoment],
        columns: names,
      };
      for await (const batch of getClient().native.scan(scan, { int64: 'bigint', format })) {
        found.push(
          ...batch.rows.map((row) => Object.fromEntries(batch.columns.map((name, i) => [name, row[i]]))),
        );
      }
      expect(inOrder(found)).toEqual(rows);
    });

    it('finds every value by itself as a parameter', async () => {
      const idsWhere = async (name: string, value: unknown): Promise<bigint[]> => {
        // A whole double is a BIGINT unless its type is given.
        const parameter = typeof value === 'number' ? { type: 'DOUBLE', value } : value;
        const condition = sql`${sql.identifier(name)} = ${parameter as SqlParameter}`;
        const found = await getClient().sql.query(sql`SELECT id ${from} WHERE ${condition}`, {
          columns: { id: 'long not null' },
          int64: 'bigint',
        });
        return found.map(({ id }) => id).sort((a, b) => Number(a - b));
      };
      for (const { name, edges } of columns) {
        if (name === 'f') continue; // compared as 64-bit numbers, which they are not
        for (const { value } of edges) {
          // Druid's filters find no -0, not even by itself, and EmbeddedDruid's find it by 0, too.
          if (value === null || value === 0 || (typeof value === 'number' && !Number.isFinite(value)))
            continue;
          const same = rows.filter((row) => row[name] === value).map((row) => row['id']);
          expect([name, value, await idsWhere(name, value)]).toEqual([name, value, same]);
        }
      }
      for (const time of times) {
        const same = rows.filter((row) => row['__time'] === time).map((row) => row['id']);
        expect(await idsWhere('__time', new Date(time))).toEqual(same);
      }
    });
  });
}

const lastMoment = '9999-12-31T23:59:59.999Z/P1Y';
