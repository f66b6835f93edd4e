import { StreamConfigError } from '../errors.js';

/** Which outcomes of a call make it worth another attempt. */
export interface AsyncRetryPredicates<R> {
  /** Every error unless told. */
  retryOnError?(error: unknown): boolean;
  /** No result unless told. Results that are still not right after the last attempt are emitted. */
  retryOnResult?(results: readonly R[]): boolean;
}

/** Says whether and when the call for a record is made again. One object serves all records: it keeps nothing. */
export interface AsyncRetryStrategy<R> extends AsyncRetryPredicates<R> {
  /** Calls per record at most, the first one included (Flink does not count the first). */
  readonly maxAttempts: number;
  /** The wait after attempt `attempt` (1 is the first) and before the next, in milliseconds. */
  delayMs(attempt: number): number;
}

/** The same wait before each further attempt. */
export interface FixedDelayRetryOptions<R> extends AsyncRetryPredicates<R> {
  /** Calls per record at most, the first one included. */
  readonly maxAttempts: number;
  readonly delayMs: number;
}

/** Waits that grow from attempt to attempt. */
export interface ExponentialBackoffRetryOptions<R> extends AsyncRetryPredicates<R> {
  /** Calls per record at most, the first one included. */
  readonly maxAttempts: number;
  /** The wait before the second attempt; 1 at least. */
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** Each wait is this many times the one before; 2 unless told. */
  readonly multiplier?: number;
}

function fixedDelay<R>(options: FixedDelayRetryOptions<R>): AsyncRetryStrategy<R> {
  const { delayMs, ...strategy } = options;
  checkNumber('delayMs', delayMs, 0);
  return { ...strategy, delayMs: () => delayMs };
}

function exponentialBackoff<R>(options: ExponentialBackoffRetryOptions<R>): AsyncRetryStrategy<R> {
  const { initialDelayMs, maxDelayMs, multiplier = 2, ...strategy } = options;
  checkNumber('initialDelayMs', initialDelayMs, 1);
  checkNumber('maxDelayMs', maxDelayMs, initialDelayMs);
  checkNumber('multiplier', multiplier, 1);
  return {
    ...strategy,
    delayMs: (attempt) => Math.min(maxDelayMs, initialDelayMs * multiplier ** (attempt - 1)),
  };
}

function checkNumber(name: string, value: number, minimum: number): void {
  if (Number.isFinite(value) && value >= minimum) return;
  throw new StreamConfigError(
    `${name} of a retry strategy has to be a finite number of at least ${minimum}, got ${value}.`,
  );
}

/** The usual retry strategies for async functions. */
export const AsyncRetryStrategies = { fixedDelay, exponentialBackoff };
