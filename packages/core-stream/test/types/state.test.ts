import { describe, expectTypeOf, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  type AggregatingState,
  type ListState,
  type MapState,
  type ReducingState,
  type SingleOutputStreamOperator,
  type ValueState,
} from '../../src/index.js';

interface Sale {
  readonly shop: string;
  readonly price: number;
  readonly stock: bigint;
  readonly at: Date;
  readonly isPaid: boolean;
  readonly discount?: number;
  readonly code: number | string;
}
interface Refund {
  readonly shop: string;
  readonly price: string;
  readonly stock: bigint;
}

const env = StreamExecutionEnvironment.getExecutionEnvironment();
const sales = env.fromCollection<Sale>([]).keyBy((sale) => sale.shop);
const either = env.fromCollection<Sale | Refund>([]).keyBy((record) => record.shop);
const pairs = env.fromCollection<[string, number]>([]).keyBy(([key]) => key);
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

const mean = new AggregatingStateDescriptor('mean', {
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (sale: Sale, acc) => ({ sum: acc.sum + sale.price, count: acc.count + 1 }),
  getResult: (acc) => String(acc.sum / acc.count),
  merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
});

describe('types of state', () => {
  it('come from the descriptors', () => {
    sales.process<string>((context) => {
      const ttl = { ttlMs: 1000, timeDomain: 'event-time', updateType: 'on-read-and-write' } as const;
      const last = context.getState(new ValueStateDescriptor<Sale>('last', { ttl }));
      expectTypeOf(last).toEqualTypeOf<ValueState<Sale>>();
      const all = context.getListState(new ListStateDescriptor<Sale>('all', { ttl }));
      expectTypeOf(all).toEqualTypeOf<ListState<Sale>>();
      const byCode = context.getMapState(new MapStateDescriptor<number, Sale>('byCode', { ttl }));
      expectTypeOf(byCode).toEqualTypeOf<MapState<number, Sale>>();
      expectTypeOf(byCode.keys()).toEqualTypeOf<Iterable<number>>();
      expectTypeOf(byCode.values()).toEqualTypeOf<Iterable<Sale>>();
      const best = context.getReducingState(new ReducingStateDescriptor<Sale>('best', (a) => a));
      expectTypeOf(best).toEqualTypeOf<ReducingState<Sale>>();
      expectTypeOf(best.get()).toEqualTypeOf<Sale | undefined>();
      const average = context.getAggregatingState(mean);
      expectTypeOf(average).toEqualTypeOf<AggregatingState<Sale, string>>();
      expectTypeOf(context.getOperatorListState(new ListStateDescriptor<number>('n'))).toEqualTypeOf<
        ListState<number>
      >();
      expectTypeOf(context.getUnionListState(new ListStateDescriptor<string>('s'))).toEqualTypeOf<
        ListState<string>
      >();
      // @ts-expect-error what is added is a sale
      never(() => average.add(1));
      // @ts-expect-error a list descriptor is not one of a map
      never(() => context.getMapState(new ListStateDescriptor<Sale>('all')));
      // @ts-expect-error a reduce gives back what it takes
      never(() => new ReducingStateDescriptor<Sale>('best', (a) => a.price));
      // @ts-expect-error no such time
      never(() => new ValueStateDescriptor<Sale>('x', { ttl: { ttlMs: 1, timeDomain: 'ingestion-time' } }));
      return {
        processElement: (sale) => average.add(sale),
        snapshotState: (checkpointId) => expectTypeOf(checkpointId).toEqualTypeOf<number>(),
      };
    });
  });

  it('also of a stream without keys, which has no keyed state', () => {
    env.fromCollection<Sale>([]).process<string>((context) => {
      const offsets = context.getOperatorListState(new ListStateDescriptor<number>('offsets'));
      expectTypeOf(offsets).toEqualTypeOf<ListState<number>>();
      // @ts-expect-error state of keys needs keys
      never(() => context.getState(new ValueStateDescriptor<number>('v')));
      return { processElement: () => undefined, snapshotState: () => offsets.clear() };
    });
  });
});

describe('types of rolling operations', () => {
  it('give the records of the stream', () => {
    expectTypeOf(sales.reduce((a) => a)).toEqualTypeOf<SingleOutputStreamOperator<Sale>>();
    expectTypeOf(sales.sum('price')).toEqualTypeOf<SingleOutputStreamOperator<Sale>>();
    expectTypeOf(pairs.reduce(([key, a], [, b]) => [key, a + b])).toEqualTypeOf<
      SingleOutputStreamOperator<[string, number]>
    >();
  });

  it('take the fields that fit', () => {
    expectTypeOf(sales.sum).parameter(0).toEqualTypeOf<'price' | 'stock'>();
    expectTypeOf(sales.min).parameter(0).toEqualTypeOf<'shop' | 'price' | 'stock' | 'at'>();
    expectTypeOf(either.sum).parameter(0).toEqualTypeOf<'stock'>();
    expectTypeOf(either.maxBy).parameter(0).toEqualTypeOf<'shop' | 'stock'>();
    // @ts-expect-error text cannot be added up
    never(() => sales.sum('shop'));
    // @ts-expect-error it may be missing
    never(() => sales.sum('discount'));
    // @ts-expect-error numbers and text have no order between them
    never(() => sales.max('code'));
    // @ts-expect-error no such field
    never(() => sales.minBy('prise'));
    // @ts-expect-error a tuple has no named fields
    never(() => pairs.sum('1'));
    // @ts-expect-error a reduce gives back what it takes
    never(() => sales.reduce((a) => a.price));
  });
});
