import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { druidSchema } from '../src/schema/druid-schema.js';
import { RowEncoder, type EncodedRow } from '../src/schema/row-encoder.js';

interface Reading {
  at: number | string | Date;
  'the "name"': string | null;
  tags: string[] | null;
  count: number | bigint | null;
  value: number | null;
  ratio: number | null;
  visitor: string | number | null;
}

const schema = druidSchema<Reading>()({
  dataSource: 'readings',
  timestamp: 'at',
  dimensions: { 'the "name"': 'string', tags: 'string[]', count: 'long', value: 'double', ratio: 'float' },
  metrics: { rows: { type: 'count' }, sum: { type: 'doubleSum', field: 'value' } },
  segmentGranularity: 'day',
});

const empty: Reading = {
  at: 0,
  'the "name"': null,
  tags: null,
  count: null,
  value: null,
  ratio: null,
  visitor: null,
};
const generated = new RowEncoder(schema);
const interpreted = new RowEncoder(schema, { generateCode: false });

/** The row's text as one JSON object, or the rejection. */
function encode(encoder: RowEncoder<Reading>, record: unknown) {
  const row: EncodedRow = { text: '', time: Number.NaN };
  const rejected = encoder.encode(record as Reading, row);
  return rejected === undefined
    ? { json: `${row.text}}`, time: row.time }
    : { column: rejected.column, reason: rejected.reason };
}

function rejection(record: object) {
  const result = encode(generated, { ...empty, ...record });
  return 'reason' in result ? `${result.column}: ${result.reason}` : result.json;
}

const anyString = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.string());
const anyValue = fc.oneof(
  anyString,
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.array(anyString),
  fc.date(),
  fc.object(),
);

describe('RowEncoder', () => {
  it('writes rows that JSON.parse reads back as the record, without its nulls', () => {
    const wellFormed = anyString.filter((text) => Buffer.from(text, 'utf8').toString('utf8') === text);
    const records = fc.record({
      at: fc.integer({ min: -8.64e15, max: 8.64e15 }),
      'the "name"': fc.option(wellFormed),
      tags: fc.option(fc.array(wellFormed)),
      count: fc.option(fc.maxSafeInteger()),
      value: fc.option(fc.double({ noDefaultInfinity: true, noNaN: true })),
      ratio: fc.option(fc.float({ noDefaultInfinity: true, noNaN: true })),
    });
    fc.assert(
      fc.property(records, (record) => {
        const { at, ...columns } = record;
        const result = encode(generated, record);
        const parsed = JSON.parse('json' in result ? result.json : JSON.stringify(result)) as object;
        const present = Object.entries(columns).filter(([, value]) => value !== null);
        expect(parsed).toEqual(
          Object.fromEntries([
            ['__time', at === 0 ? 0 : at],
            ...present.map(([k, v]) => [k, v === 0 && k === 'count' ? 0 : v]),
          ]),
        );
        expect('json' in result && result.json).not.toContain('\n');
      }),
    );
  });

  it('gives the same rows and the same rejections with and without generated code (invariant 2)', () => {
    const records = fc.record({
      at: anyValue,
      'the "name"': anyValue,
      tags: anyValue,
      count: anyValue,
      value: anyValue,
      ratio: anyValue,
    });
    fc.assert(
      fc.property(records, (record) => {
        expect(encode(generated, record)).toEqual(encode(interpreted, record));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps 64-bit integers of bigints to the last digit', () => {
    expect(rejection({ count: 9223372036854775807n })).toBe('{"__time":0,"count":9223372036854775807}');
    expect(rejection({ count: -9223372036854775808n })).toBe('{"__time":0,"count":-9223372036854775808}');
  });

  it.each([
    [
      { count: 2 ** 53 },
      'count: 9007199254740992 is beyond 2^53 - 1, where a number is not exact; use a bigint',
    ],
    [{ count: 2n ** 63n }, 'count: 9223372036854775808n does not fit 64 bits'],
    [{ count: 1.5 }, 'count: 1.5 is not an integer'],
    [{ count: Number.NaN }, 'count: NaN is not an integer'],
    [{ count: '1' }, 'count: it is "1", not a number or bigint'],
    [{ value: Number.NaN }, 'value: NaN has no place in JSON; use null for "unknown"'],
    [{ value: -Infinity }, 'value: -Infinity has no place in JSON; use null for "unknown"'],
    [{ ratio: 0.1 }, 'ratio: 0.1 is not exact in 32 bits; use a double column or round it yourself'],
    [{ tags: ['a', null] }, 'tags: element 1: it is null, not a string'],
    [{ tags: 'a' }, 'tags: it is "a", not an array of strings'],
    [{ 'the "name"': 'a\ud800' }, 'the "name": "a\\ud800" has a lone surrogate, which UTF-8 cannot hold'],
    [{ 'the "name"': true }, 'the "name": it is true, not a string'],
    [{ at: undefined }, 'at: the timestamp is missing'],
    [{ at: 1.5 }, 'at: 1.5 is not a whole number of epoch milliseconds that a date can hold'],
    [
      { at: new Date(Number.NaN) },
      'at: an invalid Date is not a whole number of epoch milliseconds that a date can hold',
    ],
    [
      { at: 'yesterday' },
      'at: "yesterday" is not an ISO 8601 time of whole milliseconds, such as 2001-02-03T04:05:06.789Z',
    ],
  ])('rejects %o instead of changing it (invariant 1)', (record, reason) => {
    expect(rejection(record)).toBe(reason);
  });

  it('keeps the sign of a negative zero in a double column', () => {
    expect(rejection({ value: -0 })).toBe('{"__time":0,"value":-0.0}');
  });

  it('writes fields that only a metric reads, and text or numbers for sketches', () => {
    const encoder = new RowEncoder(
      druidSchema<Reading>()({
        dataSource: 'readings',
        timestamp: 'at',
        dimensions: {},
        metrics: {
          sum: { type: 'doubleSum', field: 'value' },
          visitors: { type: 'HLLSketchBuild', field: 'the "name"' },
        },
        segmentGranularity: 'day',
      }),
    );
    expect(encode(encoder, { ...empty, value: 1.5, 'the "name"': 'x' })).toMatchObject({
      json: '{"__time":0,"value":1.5,"the \\"name\\"":"x"}',
    });
  });

  it('takes times as numbers, dates and ISO texts', () => {
    for (const at of [981173106789, new Date(981173106789), '2001-02-03T04:05:06.789Z']) {
      expect(encode(generated, { ...empty, at })).toEqual({
        json: '{"__time":981173106789}',
        time: 981173106789,
      });
    }
  });
});
