import { describe, expectTypeOf, it } from 'vitest';
import {
  AsyncDataStream,
  AsyncRetryStrategies,
  StreamExecutionEnvironment,
  type AsyncFunction,
  type AsyncRetryStrategy,
  type AsyncRuntimeContext,
  type SingleOutputStreamOperator,
} from '../../src/index.js';

interface Order {
  readonly id: number;
}
interface Enriched {
  readonly id: number;
  readonly user: string | undefined;
}

const orders = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection<Order>([]);
const options = { timeoutMs: 1000 };
class Lookup implements AsyncFunction<Order, Enriched> {
  asyncInvoke = (order: Order): Promise<Enriched[]> => Promise.resolve([{ ...order, user: 'a' }]);
}
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('types of async I/O', () => {
  it('follow from the stream and from what the call resolves with', () => {
    const lengths = AsyncDataStream.orderedWait(
      orders,
      {
        asyncInvoke: async (order, context) => {
          expectTypeOf(order).toEqualTypeOf<Order>();
          expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
          expectTypeOf(context.attempt).toEqualTypeOf<number>();
          expectTypeOf(context.timestamp).toEqualTypeOf<number | undefined>();
          return Promise.resolve([`${order.id}`]);
        },
        timeout: (order) => {
          expectTypeOf(order).toEqualTypeOf<Order>();
          return [];
        },
      },
      options,
    );
    expectTypeOf(lengths).toEqualTypeOf<SingleOutputStreamOperator<string>>();
  });

  it('are the same for factories, classes and keyed streams', () => {
    const made = AsyncDataStream.unorderedWait(
      orders.keyBy((order) => order.id),
      (context) => {
        expectTypeOf(context).toEqualTypeOf<AsyncRuntimeContext>();
        return {
          asyncInvoke: (order) => {
            expectTypeOf(order).toEqualTypeOf<Order>();
            return Promise.resolve([order.id]);
          },
        };
      },
      options,
    );
    expectTypeOf(made).toEqualTypeOf<SingleOutputStreamOperator<number>>();
    expectTypeOf(AsyncDataStream.orderedWait(orders, new Lookup(), options)).toEqualTypeOf<
      SingleOutputStreamOperator<Enriched>
    >();
    expectTypeOf(AsyncDataStream.orderedWait(orders, () => new Lookup(), options)).toEqualTypeOf<
      SingleOutputStreamOperator<Enriched>
    >();
  });

  it('reach the retry strategy', () => {
    const retried = AsyncDataStream.orderedWait(orders, new Lookup(), {
      ...options,
      retry: AsyncRetryStrategies.fixedDelay({
        maxAttempts: 2,
        delayMs: 1,
        retryOnError: (error) => {
          expectTypeOf(error).toEqualTypeOf<unknown>();
          return true;
        },
        retryOnResult: (results) => {
          expectTypeOf(results).toEqualTypeOf<readonly Enriched[]>();
          return results.length === 0;
        },
      }),
    });
    expectTypeOf(retried).toEqualTypeOf<SingleOutputStreamOperator<Enriched>>();
    const anyResult: AsyncRetryStrategy<unknown> = AsyncRetryStrategies.exponentialBackoff({
      maxAttempts: 2,
      initialDelayMs: 1,
      maxDelayMs: 1,
    });
    never(() => AsyncDataStream.orderedWait(orders, new Lookup(), { ...options, retry: anyResult }));
  });

  it('refuse what does not fit', () => {
    const single = { asyncInvoke: (order: Order) => Promise.resolve(order.id) };
    const synchronous = { asyncInvoke: (order: Order) => [order.id] };
    const ofStrings = { asyncInvoke: (value: string) => Promise.resolve([value]) };
    const strings: AsyncRetryStrategy<string> = AsyncRetryStrategies.fixedDelay({
      maxAttempts: 2,
      delayMs: 1,
    });
    // @ts-expect-error one result is an array of one
    never(() => AsyncDataStream.orderedWait(orders, single, options));
    // @ts-expect-error a call answers later
    never(() => AsyncDataStream.orderedWait(orders, synchronous, options));
    // @ts-expect-error the stream has orders
    never(() => AsyncDataStream.orderedWait(orders, ofStrings, options));
    // @ts-expect-error there is no call without a time-out
    never(() => AsyncDataStream.orderedWait(orders, new Lookup(), {}));
    // @ts-expect-error the retry strategy looks at other results
    never(() => AsyncDataStream.orderedWait(orders, new Lookup(), { ...options, retry: strings }));
    const partly = (): AsyncFunction<Order, Enriched> => ({
      ...new Lookup(),
      // @ts-expect-error a time-out emits what the call would
      timeout: () => ['late'],
    });
    never(() => AsyncDataStream.orderedWait(orders, partly, options));
  });
});
