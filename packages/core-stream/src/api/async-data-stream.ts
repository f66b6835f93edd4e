import { StreamConfigError } from '../errors.js';
import type { AsyncFunction, AsyncFunctionFactory, AsyncWaitOptions } from '../functions/async-function.js';
import { asyncWaitOperator } from '../operators/async-wait.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { KeyedStream } from './keyed-stream.js';

const DEFAULT_CAPACITY = 100;

/**
 * Asks something outside of the job about each record; results leave in the order of the records. One slow call keeps the
 * results behind it waiting.
 *
 * @throws StreamConfigError where an option cannot be right
 */
function orderedWait<T, R>(
  stream: DataStream<T> | KeyedStream<T, unknown>,
  asyncFunction: AsyncFunction<T, R> | AsyncFunctionFactory<T, R>,
  options: AsyncWaitOptions<NoInfer<R>>,
): SingleOutputStreamOperator<R> {
  return asyncWait('OrderedAsyncWait', true, stream, asyncFunction, options);
}

/**
 * Asks something outside of the job about each record; results leave as they come, but never pass a watermark: event time
 * stays right.
 *
 * @throws StreamConfigError where an option cannot be right
 */
function unorderedWait<T, R>(
  stream: DataStream<T> | KeyedStream<T, unknown>,
  asyncFunction: AsyncFunction<T, R> | AsyncFunctionFactory<T, R>,
  options: AsyncWaitOptions<NoInfer<R>>,
): SingleOutputStreamOperator<R> {
  return asyncWait('UnorderedAsyncWait', false, stream, asyncFunction, options);
}

/**
 * Async I/O: many calls in flight at once, with time-outs, retries and exactly-once results.
 *
 * @example
 * const enriched = AsyncDataStream.unorderedWait(
 *   orders,
 *   {
 *     asyncInvoke: async (order, { signal }) => [{ ...order, user: await users.get(order.userId, { signal }) }],
 *     timeout: (order) => [{ ...order, user: undefined }],
 *   },
 *   { timeoutMs: 5_000, retry: AsyncRetryStrategies.fixedDelay({ maxAttempts: 3, delayMs: 100 }) },
 * );
 */
export const AsyncDataStream = { orderedWait, unorderedWait };

function asyncWait<T, R>(
  type: string,
  isOrdered: boolean,
  stream: DataStream<T> | KeyedStream<T, unknown>,
  asyncFunction: AsyncFunction<T, R> | AsyncFunctionFactory<T, R>,
  options: AsyncWaitOptions<R>,
): SingleOutputStreamOperator<R> {
  const { timeoutMs, capacity = DEFAULT_CAPACITY, retry } = options;
  if (!(timeoutMs > 0)) {
    throw new StreamConfigError(
      `timeoutMs of ${type} has to be above 0, got ${timeoutMs}. Use Infinity to wait without a limit.`,
    );
  }
  checkCount(`capacity of ${type}`, capacity);
  if (retry !== undefined) checkCount(`maxAttempts of the retry strategy of ${type}`, retry.maxAttempts);
  const create = typeof asyncFunction === 'function' ? asyncFunction : () => asyncFunction;
  const factory = asyncWaitOperator({
    create: create as AsyncFunctionFactory<unknown, unknown>,
    isOrdered,
    timeoutMs,
    capacity,
    retry,
  });
  // Keys only say which subtask asks: answers come by the clock, which stands still for keyed operators in batch mode.
  const input = 'keySelector' in stream ? stream.stream.partitionedBy(stream.keySelector) : stream;
  return input.transform<R>(type, factory);
}

function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new StreamConfigError(`${name} has to be a whole number of at least 1, got ${value}.`);
}
