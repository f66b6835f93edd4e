import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartialRow } from '../../src/rollup/partial-rows.js';
import { foldsOf, PartialRows } from '../../src/rollup/partial-rows.js';
import { partialSchema, ROW_COUNT } from '../../src/rollup/pre-aggregation.js';
import { druidSchema, type DruidSchema } from '../../src/schema/druid-schema.js';
import type { EncodedRow } from '../../src/schema/encoded-row.js';
import { RowEncoder } from '../../src/schema/row-encoder.js';
import { druidRollup, type Values } from '../support/druid-rollup.js';

interface Visit {
  at: number;
  page: string | null;
  tags: string[] | null;
  n: number | bigint | null;
  x: number | null;
  f: number | null;
}

const metrics = {
  visits: { type: 'count' },
  n_sum: { type: 'longSum', field: 'n' },
  n_min: { type: 'longMin', field: 'n' },
  n_max: { type: 'longMax', field: 'n' },
  x_sum: { type: 'doubleSum', field: 'x' },
  x_min: { type: 'doubleMin', field: 'x' },
  x_max: { type: 'doubleMax', field: 'x' },
  f_sum: { type: 'floatSum', field: 'f' },
  f_min: { type: 'floatMin', field: 'f' },
  f_max: { type: 'floatMax', field: 'f' },
} as const;

const schemaOf = (queryGranularity: 'hour' | 'week' | 'none' | 'day', segmentGranularity: 'day' | 'week') =>
  druidSchema<Visit>()({
    dataSource: 'visits',
    timestamp: 'at',
    dimensions: { page: 'string', tags: 'string[]' },
    metrics,
    rollup: true,
    queryGranularity,
    segmentGranularity,
  });

const visit = (values: Partial<Visit>): Visit => ({
  at: 0,
  page: null,
  tags: null,
  n: null,
  x: null,
  f: null,
  ...values,
});

/** A partial row as the record that it is to Druid. */
function recordOf<T>(schema: DruidSchema<T>, row: PartialRow): Values {
  const { __time, ...dimensions } = JSON.parse(`${row.key}}`) as Record<string, unknown>;
  const folds = foldsOf(schema).map(({ name }, index) => [name, row.values[index] ?? null]);
  return { at: __time, ...dimensions, ...Object.fromEntries(folds) };
}

function rowsOf<T>(rows: PartialRows<T>): PartialRow[] {
  const taken: PartialRow[] = [];
  rows.takeAll((row) => taken.push(row));
  return taken;
}

const long = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
// Sums of these are the same in any order.
const dyadic = fc.integer({ min: -1000, max: 1000 }).map((value) => value / 8);
const visits = fc.array(
  fc.record({
    at: fc.integer({ min: Date.UTC(2001, 0, 25), max: Date.UTC(2001, 1, 8) }),
    page: fc.option(fc.constantFrom('a', 'b', '')),
    tags: fc.option(fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 })),
    n: fc.option(long),
    x: fc.option(dyadic),
    f: fc.option(dyadic),
  }),
  { maxLength: 60 },
);
const schemas = fc.constantFrom(
  schemaOf('hour', 'day'),
  schemaOf('day', 'day'),
  schemaOf('week', 'week'),
  schemaOf('none', 'day'),
);

describe('PartialRows', () => {
  it('are rolled up by Druid to what it makes of the records, wherever they were taken out (invariant 1)', () => {
    fc.assert(
      fc.property(schemas, visits, fc.integer({ min: 1, max: 20 }), (schema, records, takeEvery) => {
        const rows = new PartialRows(schema);
        const partial: PartialRow[] = [];
        for (const [index, record] of records.entries()) {
          expect(rows.add(record)).toBe(true);
          if (index % takeEvery === 0) partial.push(...rowsOf(rows));
        }
        partial.push(...rowsOf(rows));
        const merged = druidRollup(
          partialSchema(schema),
          partial.map((row) => recordOf(schema, row)),
        );
        expect(merged.map(({ [ROW_COUNT]: _, ...rest }) => rest)).toEqual(
          druidRollup(schema, records as never),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('take the records that are rows without a roll-up, and no others', () => {
    const anything = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.float(),
      fc.bigInt(),
      fc.string(),
      fc.constantFrom(null, undefined, true, -0),
    );
    const records = fc.record({
      at: fc.oneof(fc.integer(), anything),
      page: anything,
      n: anything,
      x: anything,
      f: anything,
    });
    const schema = druidSchema<Visit>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: { n: 'long', x: 'double' },
      metrics: {
        ...metrics,
        n_double: { type: 'doubleMax', field: 'n' },
        f_double: { type: 'doubleSum', field: 'f' },
      },
      rollup: true,
      segmentGranularity: 'day',
    });
    const encoder = new RowEncoder(schema);
    fc.assert(
      fc.property(records, (record) => {
        const isRow = encoder.encode(record as never, { text: '', time: 0 }) === undefined;
        expect(new PartialRows(schema).add(record as never)).toBe(isRow);
      }),
      { numRuns: 300 },
    );
  });

  it('are as few as the groups of records', () => {
    fc.assert(
      fc.property(schemas, visits, (schema, records) => {
        const rows = new PartialRows(schema);
        for (const record of records) rows.add(record);
        expect(rows.size).toBe(druidRollup(schema, records as never).length);
      }),
    );
  });

  it('wrap sums of integers at 64 bits, and leave sums beyond the range of doubles to Druid', () => {
    const schema = schemaOf('day', 'day');
    const rows = new PartialRows(schema);
    rows.add(visit({ n: 2n ** 63n - 1n, x: 1e308 }));
    rows.add(visit({ n: 1, x: 1e308 }));
    const taken = rowsOf(rows);
    expect(taken.map((row) => recordOf(schema, row))).toMatchObject([
      { visits: 2, n_sum: -(2n ** 63n), n_min: 1, n_max: 2n ** 63n - 1n, x_sum: 1e308 },
      { visits: null, n_sum: null, x_sum: 1e308, x_max: 1e308 },
    ]);
  });

  it('take for a sum of doubles what the column of its field takes', () => {
    const schema = druidSchema<Visit>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: { n: 'long' },
      metrics: { n_sum: { type: 'doubleSum', field: 'n' } },
      rollup: true,
      segmentGranularity: 'day',
    });
    const rows = new PartialRows(schema);
    expect(rows.add(visit({ n: 2n ** 60n }))).toBe(true);
    expect(rows.add(visit({ n: 1.5 }))).toBe(false);
    expect(rowsOf(rows).map(({ values }) => values)).toEqual([[2 ** 60]]);
  });

  it('do not know a record that is rejected (invariant 2)', () => {
    const rows = new PartialRows(schemaOf('day', 'day'));
    rows.add(visit({ n: 1 }));
    for (const bad of [{ n: 1.5 }, { x: Number.NaN }, { f: 0.1 }, { at: Number.NaN }, { page: 7 as never }])
      expect(rows.add(visit(bad))).toBe(false);
    expect(rowsOf(rows).map(({ values }) => values.slice(0, 2))).toEqual([[1, 1]]);
    expect(rows.size).toBe(0);
  });
});

describe('the schema of partial rows', () => {
  const row: EncodedRow = { text: '', time: 0 };
  const texts = <T extends object>(schema: DruidSchema<T>, records: T[]) => {
    const rows = new PartialRows(schema);
    for (const record of records) rows.add(record);
    const encoder = new RowEncoder(partialSchema(schema));
    return rowsOf(rows).map((partial) => {
      expect(encoder.encode(partial as never, row)).toBeUndefined();
      return `${row.text}}`;
    });
  };

  it('writes sums under the names of their metrics, and nothing where no record had a value', () => {
    const [text, ...rest] = texts(schemaOf('day', 'day'), [
      visit({ page: 'a', n: 2n ** 62n, x: -0 }),
      visit({ page: 'a', n: 2 }),
    ]);
    expect(rest).toEqual([]);
    expect(text).toBe(
      '{"__time":0,"page":"a","visits":2,"n_sum":4611686018427387906,"n_min":2,"n_max":4611686018427387904,"x_sum":-0.0,"x_min":-0.0,"x_max":-0.0}',
    );
  });

  it('keeps what a sketch reads as part of the row: each value once', () => {
    const schema = druidSchema<Visit>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: {},
      metrics: { visits: { type: 'count' }, pages: { type: 'thetaSketch', field: 'page' } },
      rollup: true,
      queryGranularity: 'day',
      segmentGranularity: 'day',
    });
    expect(texts(schema, [visit({ page: 'a' }), visit({ page: 'a', at: 5 }), visit({ page: 'b' })])).toEqual([
      '{"__time":0,"page":"a","visits":2}',
      '{"__time":0,"page":"b","visits":1}',
    ]);
    expect(partialSchema(schema).metrics).toEqual([
      { name: 'visits', spec: { type: 'longSum', field: 'visits' } },
      { name: 'pages', spec: { type: 'thetaSketch', field: 'page' } },
      { name: '__rows', spec: { type: 'count' } },
    ]);
  });

  it.each([
    [{ rollup: false }, 'it does not say rollup: true'],
    [
      { metrics: { q: { type: 'quantilesDoublesSketch', field: 'x' } } },
      "it has the metric 'q': a quantiles sketch needs every single value",
    ],
    [{ metrics: { __rows: { type: 'count' } } }, "it has a column '__rows', which the sink needs"],
    [
      { metrics: { page: { type: 'longSum', field: 'n' }, s: { type: 'thetaSketch', field: 'page' } } },
      "it has the metric 'page', and a sketch of the field 'page'",
    ],
    [
      { metrics: { a: { type: 'doubleSum', field: 'x' }, b: { type: 'longSum', field: 'x' } } },
      "it has the metric 'b' (longSum) of a field that is written as another type",
    ],
  ])('is refused for %o', (input, text) => {
    const schema = druidSchema<Visit>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: {},
      rollup: true,
      segmentGranularity: 'day',
      ...(input as object),
    });
    expect(() => partialSchema(schema)).toThrow(text);
  });
});
