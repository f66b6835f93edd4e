import { describe, expectTypeOf, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  OutputTag,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
  type KeyedStream,
  type SingleOutputStreamOperator,
} from '../../src/index.js';
import { CollectingSink, OperatorHarness } from '../../src/testing/index.js';

interface Order {
  readonly id: number;
  readonly user: string;
  readonly cents: number;
  readonly at: number;
  readonly coupon?: string;
}
interface Refund {
  readonly order: number;
  readonly user: string;
}
interface Total {
  readonly user: string;
  readonly cents: number;
}

const env = StreamExecutionEnvironment.getExecutionEnvironment();
const orders = env.fromCollection<Order>([]);
const refunds = env.fromCollection<Refund>([]);
const large = new OutputTag<Order>('large');
const late = new OutputTag<Total>('late');
const sumOfCents = {
  createAccumulator: () => 0,
  add: (total: Total, sum: number) => sum + total.cents,
  getResult: (sum: number) => ({ euros: sum / 100 }),
  merge: (a: number, b: number) => a + b,
};
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('types of a pipeline', () => {
  it('are inferred through ten steps, without an annotation', () => {
    never(() => {
      const timed = orders.assignTimestampsAndWatermarks(
        WatermarkStrategy.forBoundedOutOfOrderness<Order>(1_000).withTimestampAssigner((order) => order.at),
      );
      const withCoupon = timed.filter(
        (order): order is Order & { readonly coupon: string } => order.coupon !== undefined,
      );
      expectTypeOf(withCoupon.map((order) => order.coupon)).toEqualTypeOf<
        SingleOutputStreamOperator<string>
      >();
      const priced = withCoupon.map(({ user, cents, id }) => ({ user, cents, id, isPriced: true as const }));
      const rebalanced = priced.rebalance();
      const keyed = rebalanced.keyBy((order) => order.user);
      expectTypeOf(keyed).toEqualTypeOf<
        KeyedStream<{ user: string; cents: number; id: number; isPriced: true }, string>
      >();
      const totals = keyed.process<Total>((context) => {
        const sum = context.getState(new ValueStateDescriptor<number>('sum', { defaultValue: 0 }));
        return {
          processElement(order, { currentKey }, out) {
            expectTypeOf(order.isPriced).toEqualTypeOf<true>();
            expectTypeOf(sum.value()).toEqualTypeOf<number | undefined>();
            out.collect({ user: currentKey, cents: order.cents });
          },
        };
      });
      const joined = totals
        .keyBy((total) => total.user)
        .connect(refunds.keyBy((refund) => refund.user))
        .process<Total>(() => ({
          processElement1(total, { currentKey }, out) {
            expectTypeOf(total).toEqualTypeOf<Total>();
            expectTypeOf(currentKey).toEqualTypeOf<string>();
            out.collect(total);
          },
          processElement2: (refund) => expectTypeOf(refund).toEqualTypeOf<Refund>(),
        }));
      const windowed = joined
        .keyBy(({ user }) => user.length)
        .window(TumblingEventTimeWindows.of(1_000))
        .sideOutputLateData(late)
        .aggregate(sumOfCents);
      const flat = windowed.flatMap<readonly [string, number]>(({ euros }, out) =>
        out.collect(['euros', euros]),
      );
      const all = flat.union(flat.map(([name, euros]) => [name, -euros] as const));
      const result = all.map(([name, euros]) => ({ [name]: euros }));
      expectTypeOf(result).toEqualTypeOf<SingleOutputStreamOperator<Record<string, number>>>();
      return result.sinkTo(new CollectingSink<Record<string, number>>());
    });
  });

  it('refuse wrong keys', () => {
    // @ts-expect-error an order has no such field
    never(() => orders.keyBy((order) => order.customer));
    const byUser = orders.keyBy((order) => order.user);
    // @ts-expect-error one side has strings as keys, the other numbers
    never(() => byUser.connect(refunds.keyBy((refund) => refund.order)));
    // @ts-expect-error the same for a join
    never(() => byUser.intervalJoin(refunds.keyBy((refund) => refund.order)));
    never(() =>
      byUser.process<number>(() => ({
        processElement(_order, { currentKey }, out) {
          // @ts-expect-error the key is a string
          out.collect(currentKey);
        },
      })),
    );
  });

  it('refuse wrong types of state', () => {
    never(() =>
      orders
        .keyBy((order) => order.user)
        .process<Order>((context) => {
          const value = context.getState(new ValueStateDescriptor<number>('value'));
          const list = context.getListState(new ListStateDescriptor<Order>('list'));
          const map = context.getMapState(new MapStateDescriptor<number, Order>('map'));
          // @ts-expect-error a list is no value
          context.getState(new ListStateDescriptor<number>('value'));
          // @ts-expect-error the default is a number too
          new ValueStateDescriptor<number>('value', { defaultValue: 'none' });
          return {
            processElement(order, _context, out) {
              // @ts-expect-error the value is a number
              value.update(order.user);
              // @ts-expect-error the value may not be there
              value.value().toFixed();
              // @ts-expect-error the list has orders
              list.add(order.id);
              // @ts-expect-error keys are numbers
              map.put(order.user, order);
              // @ts-expect-error the entry may not be there
              out.collect(map.get(order.id));
            },
          };
        }),
    );
  });

  it('refuse wrong tags of side outputs, and wrong results', () => {
    never(() =>
      orders.process<Total>(() => ({
        processElement(order, context, out) {
          context.output(large, order);
          // @ts-expect-error the tag is one of orders
          context.output(large, order.id);
          // @ts-expect-error results are totals
          out.collect(order.id);
        },
      })),
    );
    expectTypeOf(orders.map((order) => order.id).getSideOutput(large)).toEqualTypeOf<DataStream<Order>>();
    const largeOrders = orders.map((order) => order.id).getSideOutput(large);
    // @ts-expect-error the side output has orders
    never(() => largeOrders.map((order) => order.total));
    const windows = orders.keyBy(({ id }) => id).window(TumblingEventTimeWindows.of(1));
    // @ts-expect-error late records are orders, the tag is one of totals
    never(() => windows.sideOutputLateData(late));
    // @ts-expect-error streams of different records
    never(() => orders.union(refunds));
  });

  it('are those of a harness, too', () => {
    never(async () => {
      const one = await OperatorHarness.of((input: DataStream<Order>) => input.map((order) => order.id));
      expectTypeOf(one.values()).toEqualTypeOf<number[]>();
      expectTypeOf(one.values(large)).toEqualTypeOf<Order[]>();
      // @ts-expect-error the input has orders
      one.push(1);
      const two = await OperatorHarness.ofTwo((left: DataStream<Order>, right: DataStream<Refund>) =>
        left.connect(right).map({ map1: ({ id }) => id, map2: ({ order }) => order }),
      );
      expectTypeOf(two.pushRight).parameter(0).toEqualTypeOf<Refund>();
      expectTypeOf(two.records()).items.toHaveProperty('value').toEqualTypeOf<number>();
    });
  });
});
