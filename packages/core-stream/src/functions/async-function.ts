import type { AsyncRetryStrategy } from './async-retry.js';
import type { OperatorStateStore } from '../state/operator-state.js';
import type { RuntimeContext } from './functions.js';

/** About the subtask that an async function runs in. It has no state: an answer comes after its record's turn is over. */
export type AsyncRuntimeContext = Omit<RuntimeContext, keyof OperatorStateStore>;

/** About the call for one record. Each record has its own: it may be read at any time. */
export interface AsyncContext {
  /** Aborted when the record's time is up and when the job ends. Hand it to whatever the call waits for. */
  readonly signal: AbortSignal;
  /** 1 for the first call for this record, one more for each retry. */
  readonly attempt: number;
  /** The record's event time in epoch milliseconds; `undefined` where it has none. */
  readonly timestamp: number | undefined;
}

/**
 * Asks something outside of the job about each record. Results have the timestamp of their record.
 *
 * After a failure of the job the records that were in flight at its last checkpoint are asked about again: a call has to
 * bear being made more than once.
 */
export interface AsyncFunction<T, R> {
  /** Resolves with what is emitted for the record: any number of results. A rejection fails the job unless it is retried. */
  asyncInvoke(value: T, context: AsyncContext): Promise<readonly R[]>;
  /** What is emitted for a record whose time is up. Without it a time-out fails the job. */
  timeout?(value: T): readonly R[];
  /** Called once per subtask, before the first record. */
  open?(context: AsyncRuntimeContext): void | Promise<void>;
  /** Called once per subtask, also after a failure. */
  close?(): void | Promise<void>;
}

/** Makes the function of one subtask: for functions that keep a connection or a cache of their own. */
export type AsyncFunctionFactory<T, R> = (context: AsyncRuntimeContext) => AsyncFunction<T, R>;

/** How long, how many at a time and how often an async function is called. */
export interface AsyncWaitOptions<R> {
  /** Time for a record from its first call on, with all retries and the waits between them; `Infinity` for no limit. */
  readonly timeoutMs: number;
  /** Records per subtask whose calls have begun and whose results have not left; 100 unless told. */
  readonly capacity?: number;
  /** Which calls are made again, and when; none unless told. */
  readonly retry?: AsyncRetryStrategy<R>;
}
