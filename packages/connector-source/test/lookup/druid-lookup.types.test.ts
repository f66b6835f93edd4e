import {
  AsyncDataStream,
  type AsyncFunctionFactory,
  type DataStream,
  type ProcessFunctionFactory,
} from '@millrace/core-stream';
import { expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { DruidLookup, loadLookup, type LookupKeyOf } from '../../src/index.js';

const druid = { url: 'http://localhost:8888' };
const from = 'airports';
const key = { iata: 'string' } as const;
const columns = { city: 'string', id: 'long not null' } as const;

interface Flight {
  readonly origin: string;
}
const keyOf = (flight: Flight) => ({ iata: flight.origin });

it('infers rows from columns, with undefined in a left join alone', () => {
  const lookup = new DruidLookup({ druid, from, key, columns });
  type Row = Readonly<{ city: string | null; id: number }>;
  const left = lookup.leftJoin({
    key: keyOf,
    join: (flight, row) => {
      expectTypeOf(flight).toEqualTypeOf<Flight>();
      expectTypeOf(row).toEqualTypeOf<Row | undefined>();
      return row;
    },
  });
  expectTypeOf(left).toEqualTypeOf<AsyncFunctionFactory<Flight, Row | undefined>>();
  lookup.innerJoin({ key: keyOf, join: (_, row) => expectTypeOf(row).toEqualTypeOf<Row>() });
});

it('infers all rows of a key, the form of integers, and rows of a schema', () => {
  const all = new DruidLookup({ druid, from, key, columns, int64: 'bigint', match: 'all' });
  all.leftJoin({
    key: keyOf,
    join: (_, rows) =>
      expectTypeOf(rows).toEqualTypeOf<readonly Readonly<{ city: string | null; id: bigint }>[]>(),
  });
  const schema = z.object({ city: z.string().transform((text) => text.length) });
  const versions = new DruidLookup({ druid, from, key, schema, match: 'version' });
  versions.leftJoin({
    key: keyOf,
    join: (_, row) => expectTypeOf(row).toEqualTypeOf<Readonly<{ city: number }> | undefined>(),
  });
});

it('knows the key', () => {
  expectTypeOf<LookupKeyOf<{ iata: 'string'; id: 'long' }>>().toEqualTypeOf<{
    readonly iata: string | null | undefined;
    readonly id: number | bigint | null | undefined;
  }>();
  const check = (): void => {
    const lookup = new DruidLookup({ druid, from, key, columns });
    // @ts-expect-error another column
    lookup.leftJoin({ key: (flight: Flight) => ({ icao: flight.origin }), join: () => 1 });
    // @ts-expect-error a number for a string
    lookup.leftJoin({ key: () => ({ iata: 7 }), join: () => 1 });
    // @ts-expect-error there is no such type of key
    new DruidLookup({ druid, from, key: { iata: 'double' }, columns });
    // @ts-expect-error one or the other
    new DruidLookup({ druid, from, key, columns, schema: z.object({}) });
  };
  expectTypeOf(check).toBeFunction();
});

it('infers the record from the stream', () => {
  const check = (flights: DataStream<Flight>): void => {
    const lookup = new DruidLookup({ druid, from, key, columns });
    const joined = AsyncDataStream.unorderedWait(
      flights,
      lookup.leftJoin({
        key: (flight: Flight) => ({ iata: flight.origin }),
        join: (flight, row) => ({ ...flight, city: row?.city ?? 'unknown' }),
      }),
      { timeoutMs: 1000 },
    );
    expectTypeOf(joined).toExtend<DataStream<{ origin: string; city: string }>>();
  };
  expectTypeOf(check).toBeFunction();
});

it('gives a whole lookup as a map', () => {
  const countries = loadLookup({ druid, name: 'countries' });
  const join = countries.map((code: string, names) => {
    expectTypeOf(names).toEqualTypeOf<ReadonlyMap<string, string>>();
    return names.get(code);
  });
  expectTypeOf(join).toEqualTypeOf<ProcessFunctionFactory<string, string | undefined>>();
});
