import type { WatermarkStrategy } from '../time/watermark-strategy.js';
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { StreamConfigError } from '../errors.js';
import { AsyncIterableFeed } from './async-iterable-feed.js';
import { FeedSource } from './feed-source.js';
import { iterateWebStream, ReadableFeed } from './readable-feed.js';
import type { Boundedness } from './source.js';

/** Options of `env.fromAsyncIterable` and `env.fromReadable`. */
export interface FeedOptions<T> {
  /** What a person reads in plans and metrics. */
  readonly name?: string;
  /** None unless given. */
  readonly watermarks?: WatermarkStrategy<T>;
  /** `bounded` promises an end, which batch mode needs. `unbounded` unless told; it may still end. */
  readonly boundedness?: Boundedness;
  /** Records that are read ahead at most; 256 unless told. Of a Node stream, its `highWaterMark` is the bound instead. */
  readonly prefetch?: number;
}

/** Options of `env.fromAsyncIterable`. */
export interface AsyncIterableOptions<T, P> extends FeedOptions<T> {
  /**
   * Where a record is in the feed, as plain data: what the function that opens the iterable gets after a restart, to go
   * on with the record behind it. With it, every record is read exactly once.
   */
  readonly positionOf?: (record: T) => P;
}

/**
 * An iterable, which can be read once; or a function that opens one, after `position` where there is one.
 * `signal` is aborted when the job ends.
 */
export type AsyncIterableInput<T, P> =
  AsyncIterable<T> | ((position: P | undefined, signal: AbortSignal) => AsyncIterable<T>);

/** A Node or web stream, which can be read once; or a function that opens one. */
export type ReadableInput<T> = Readable | ReadableStream<T> | (() => Readable | ReadableStream<T>);

export function asyncIterableSource<T, P>(
  input: AsyncIterableInput<T, P>,
  options: AsyncIterableOptions<T, P>,
): FeedSource<T, P> {
  const { boundedness = 'unbounded', positionOf } = options;
  if (positionOf !== undefined && typeof input !== 'function') {
    throw new StreamConfigError(
      "'positionOf' of fromAsyncIterable needs a function that opens the iterable at a position, got an iterable. " +
        'Give (position) => iterable, or leave positionOf out.',
    );
  }
  const prefetch = prefetchOf('fromAsyncIterable', options.prefetch);
  const open = typeof input === 'function' ? input : once('fromAsyncIterable', input);
  return new FeedSource<T, P>({
    open: (position, signal) => new AsyncIterableFeed(open(position, signal), prefetch),
    boundedness,
    positionOf,
  });
}

export function readableSource<T>(input: ReadableInput<T>, options: FeedOptions<T>): FeedSource<T, never> {
  const { boundedness = 'unbounded' } = options;
  const prefetch = prefetchOf('fromReadable', options.prefetch);
  const open = typeof input === 'function' ? input : once('fromReadable', input);
  return new FeedSource<T, never>({
    open: () => {
      const stream = open();
      return 'getReader' in stream
        ? new AsyncIterableFeed(iterateWebStream(stream), prefetch)
        : new ReadableFeed<T>(stream);
    },
    boundedness,
    positionOf: undefined,
  });
}

function prefetchOf(method: string, prefetch = 256): number {
  if (Number.isSafeInteger(prefetch) && prefetch > 0) return prefetch;
  throw new StreamConfigError(`'prefetch' of ${method} must be a whole number above 0, got ${prefetch}`);
}

/** What was read half before must not be read on as if it were whole. */
function once<I>(method: string, input: I): () => I {
  let isOpen = false;
  return () => {
    if (isOpen) {
      throw new StreamConfigError(
        `What ${method} was given has been read before, by an earlier run of this job, and can be read only once. ` +
          'Give a function that opens a new one.',
      );
    }
    isOpen = true;
    return input;
  };
}
