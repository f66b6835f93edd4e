import { describe, expect, expectTypeOf, it } from 'vitest';
import type {
  CheckDimensions,
  CheckTimestamp,
  CheckUnit,
  DimensionTypeOf,
} from '../src/schema/column-types.js';
import { druidSchema, type DruidSchema } from '../src/schema/druid-schema.js';

interface Flight {
  date: number;
  scheduled: Date;
  iso: string;
  origin: string;
  carrier: 'AA' | 'UA';
  delay: number | null;
  distance?: number;
  id: bigint;
  tags: readonly string[];
  cancelled: boolean;
  nested: { a: number };
  maybeDate: number | null;
  nanos: bigint;
  words: (string | null)[];
  counts: (number | bigint)[];
  values: readonly number[] | null;
  items?: { sku: string; n: number | null; bag: unknown }[];
  free: Readonly<Record<string, unknown>>;
  tree: Tree;
  mixed: (string | number)[];
  dates: { at: Date };
}

interface Tree {
  name: string;
  children: Tree[];
}

const flight = druidSchema<Flight>();
const rest = { dataSource: 'flights', segmentGranularity: 'day' } as const;

describe('druidSchema, when compiled', () => {
  it('takes columns whose type holds the field', () => {
    const schema = flight({
      ...rest,
      timestamp: 'date',
      dimensions: {
        origin: 'string',
        carrier: 'string',
        delay: 'long',
        distance: 'double',
        id: 'long',
        tags: 'string[]',
        iso: 'string',
        words: 'array<string>',
        counts: 'array<long>',
        values: 'array<double>',
        items: 'json',
        free: 'json',
        tree: 'json',
        nested: 'json',
      },
      metrics: {
        flights: { type: 'count' },
        sum_delay: { type: 'longSum', field: 'delay' },
        origins: { type: 'thetaSketch', field: 'origin' },
      },
    });
    expectTypeOf(schema).toEqualTypeOf<DruidSchema<Flight>>();
    expectTypeOf<DimensionTypeOf<string | null>>().toEqualTypeOf<'string'>();
    expectTypeOf<DimensionTypeOf<number | undefined>>().toEqualTypeOf<'long' | 'double' | 'float'>();
    expectTypeOf<DimensionTypeOf<bigint>>().toEqualTypeOf<'long'>();
    expectTypeOf<DimensionTypeOf<boolean>>().toEqualTypeOf<never>();
    expectTypeOf<DimensionTypeOf<string[]>>().toEqualTypeOf<'string[]' | 'array<string>'>();
    expectTypeOf<DimensionTypeOf<number[]>>().toEqualTypeOf<'array<long>' | 'array<double>'>();
    expectTypeOf<DimensionTypeOf<(number | null)[]>>().toEqualTypeOf<'array<long>' | 'array<double>'>();
    expectTypeOf<DimensionTypeOf<{ a: Date }>>().toEqualTypeOf<never>();
    expectTypeOf<DimensionTypeOf<Map<string, string>>>().toEqualTypeOf<never>();
  });

  it('makes texts of what is wrong, so that the compiler prints them', () => {
    expectTypeOf<CheckDimensions<Flight, { readonly origin: 'long' }>>().toEqualTypeOf<{
      readonly origin: "'origin' holds string: use 'string'";
    }>();
    expectTypeOf<CheckDimensions<Flight, { readonly orign: 'string' }>>().toEqualTypeOf<{
      readonly orign: "'orign' is not a field of the record";
    }>();
    expectTypeOf<
      CheckTimestamp<Flight, 'maybeDate'>
    >().toEqualTypeOf<"'maybeDate' may be null: a timestamp is never missing">();
    expectTypeOf<
      CheckTimestamp<Flight, 'cancelled'>
    >().toEqualTypeOf<"'cancelled' holds boolean: a timestamp is a number (epoch ms), a Date or an ISO string">();
  });

  it('takes timestamps of every unit that the field can hold', () => {
    const schema = flight({
      ...rest,
      timestamp: { field: 'nanos', unit: 'nanos', truncate: true },
      dimensions: {},
    });
    expect(schema).toMatchObject({
      timestampField: 'nanos',
      timestampFormat: { unit: 'nanos', truncate: true },
    });
    flight({ ...rest, timestamp: { field: 'date', unit: 'seconds' }, dimensions: {} });
    flight({ ...rest, timestamp: { field: 'iso', unit: 'iso' }, dimensions: {} });
    expectTypeOf<
      CheckUnit<Flight, 'iso', 'nanos'>
    >().toEqualTypeOf<"'iso' holds string: unit 'nanos' needs number or bigint">();
    // @ts-expect-error '"'date' holds number: unit 'iso' needs string"'
    flight({ ...rest, timestamp: { field: 'date', unit: 'iso' }, dimensions: {} });
    // @ts-expect-error a timestamp is never missing
    flight({ ...rest, timestamp: { field: 'maybeDate', unit: 'millis' }, dimensions: {} });
    // @ts-expect-error '"'when' is not a field of the record"'
    flight({ ...rest, timestamp: { field: 'when', unit: 'millis' }, dimensions: {} });
  });

  it('takes numbers, dates and texts as timestamps', () => {
    for (const timestamp of ['date', 'scheduled', 'iso'] as const) {
      expect(flight({ ...rest, timestamp, dimensions: {} }).timestampField).toBe(timestamp);
    }
  });

  it('refuses what is wrong, with a text that says why', () => {
    // @ts-expect-error Type '"string"' is not assignable to type '"'orign' is not a field of the record"'
    flight({ ...rest, timestamp: 'date', dimensions: { orign: 'string' } });
    // @ts-expect-error Type '"long"' is not assignable to type '"'origin' holds string: use 'string'"'
    flight({ ...rest, timestamp: 'date', dimensions: { origin: 'long' } });
    // @ts-expect-error a nullable number is no string
    flight({ ...rest, timestamp: 'date', dimensions: { delay: 'string' } });
    // @ts-expect-error a bigint is not exact in a double
    flight({ ...rest, timestamp: 'date', dimensions: { id: 'double' } });
    // @ts-expect-error several values need a multi-value column
    flight({ ...rest, timestamp: 'date', dimensions: { tags: 'string' } });
    // @ts-expect-error no column holds a boolean
    flight({ ...rest, timestamp: 'date', dimensions: { cancelled: 'long' } });
    // @ts-expect-error no column holds an object
    flight({ ...rest, timestamp: 'date', dimensions: { nested: 'string' } });
    // @ts-expect-error elements of several types have no column of their own
    flight({ ...rest, timestamp: 'date', dimensions: { mixed: 'json' } });
    // @ts-expect-error JSON has no dates
    flight({ ...rest, timestamp: 'date', dimensions: { dates: 'json' } });
    // @ts-expect-error nulls need an array column
    flight({ ...rest, timestamp: 'date', dimensions: { words: 'string[]' } });
    // @ts-expect-error a bigint is not exact in a double
    flight({ ...rest, timestamp: 'date', dimensions: { counts: 'array<double>' } });
    // @ts-expect-error not a type of Druid's
    flight({ ...rest, timestamp: 'date', dimensions: { origin: 'text' } });
    // @ts-expect-error '"'when' is not a field of the record"'
    flight({ ...rest, timestamp: 'when', dimensions: {} });
    // @ts-expect-error a timestamp is never missing
    flight({ ...rest, timestamp: 'maybeDate', dimensions: {} });
    // @ts-expect-error a timestamp is a number, a Date or an ISO string
    flight({ ...rest, timestamp: 'cancelled', dimensions: {} });
    flight({
      ...rest,
      timestamp: 'date',
      dimensions: {},
      // @ts-expect-error a sum needs a number
      metrics: { s: { type: 'longSum', field: 'origin' } },
    });
    flight({
      ...rest,
      timestamp: 'date',
      dimensions: {},
      // @ts-expect-error a metric's field must exist
      metrics: { s: { type: 'longSum', field: 'dely' } },
    });
    flight({
      ...rest,
      timestamp: 'date',
      dimensions: {},
      // @ts-expect-error a sketch reads text or numbers
      metrics: { s: { type: 'thetaSketch', field: 'nested' } },
    });
    // @ts-expect-error not an aggregator
    flight({ ...rest, timestamp: 'date', dimensions: {}, metrics: { s: { type: 'sum', field: 'delay' } } });
  });
});

describe('druidSchema, when called', () => {
  const error = (input: object) => {
    try {
      // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what JavaScript may pass
      flight({ ...rest, timestamp: 'date', dimensions: {}, ...input } as any);
      return 'no error';
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };

  it.each([
    [{ dataSource: 'a/b' }, 'Option \'dataSource\' is "a/b"'],
    [{ dataSource: '' }, 'Option \'dataSource\' is ""'],
    [{ dataSource: '.a' }, "leading '.'"],
    [{ timestamp: { field: 'date', unit: 'ms' } }, "Option 'timestamp.unit' is 'ms'. Use one of: seconds,"],
    [{ segmentGranularity: 'daily' }, "Option 'segmentGranularity' is 'daily'. Use one of: second,"],
    [
      { queryGranularity: 'month' },
      "'queryGranularity' is 'month', which is not a part of 'segmentGranularity' ('day')",
    ],
    [
      { queryGranularity: 'week', segmentGranularity: 'month' },
      "'queryGranularity' is 'week', which is not a part of 'segmentGranularity' ('month')",
    ],
    [{ dimensions: { __time: 'long' } }, "Column '__time' cannot be part of the schema"],
    [
      { dimensions: { delay: 'long' }, metrics: { delay: { type: 'count' } } },
      'both a dimension and a metric',
    ],
  ])('refuses %o', (input, text) => {
    expect(error(input)).toContain(text);
  });
});
