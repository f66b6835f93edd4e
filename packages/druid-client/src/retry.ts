/**
 * When a request may be repeated, and how long to wait before that. Decisions only; waiting is done by the injected sleep.
 *
 * Invariant 1: a `once` request is sent once, whatever happens (a task POST without its own id may have run).
 * Invariant 2: a query is never repeated after its first row; the caller of {@link withRetry} ends the operation there.
 */
import { DruidConnectionError, DruidRemoteError, DruidThrottledError, DruidTimeoutError } from './errors.js';
import type { Runtime } from './options.js';
import { throwIfAborted } from './sleep.js';

/** How often and how patiently to repeat. `maxAttempts` counts the first one; 1 turns repetition off. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

/** Six attempts in about 6 s: enough for a restarted process or a new leader, as Druid's own clients do. */
export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 6, initialDelayMs: 200, maxDelayMs: 10_000 };

/**
 * What repeating would mean: `read` has no effect on the server, `query` costs it a query,
 * `identified` is a write that the server recognises by its id, `once` must not be repeated.
 */
export type RequestKind = 'read' | 'query' | 'identified' | 'once';

// A server that asks for more than this is not hiccuping: the caller should know, and decide.
const maxRetryAfterMs = 60_000;

const gatewayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/** Whether a request of `kind` that failed with `error` may be sent again. Pure. */
export function mayRepeat(kind: RequestKind, error: unknown): boolean {
  if (kind === 'once') return false; // invariant 1
  if (DruidConnectionError.is(error)) return error.retryable;
  if (DruidThrottledError.is(error)) return (error.retryAfterMs ?? 0) <= maxRetryAfterMs;
  if (DruidTimeoutError.is(error)) return kind !== 'query';
  if (!DruidRemoteError.is(error)) return false;
  const { status, druid } = error.details;
  // A task that has its own id may have been taken: asking again says so, and changes nothing.
  if (status === 500) return kind === 'read' || kind === 'identified';
  // Druid's own query time-out would only be paid for again; a gateway's 504 carries no category.
  if (status === 504 && kind === 'query' && isQueryTimeout(druid.category, druid.errorCode, druid.error))
    return false;
  return gatewayStatuses.has(status);
}

function isQueryTimeout(...words: readonly (string | undefined)[]): boolean {
  return words.some((word) => word === 'TIMEOUT' || word === 'Query timeout' || word === 'queryTimeout');
}

/**
 * Milliseconds before attempt `attempt + 1` (attempts count from 1): exponential, capped, and drawn from the upper half
 * so that clients who failed together do not return together. Never less than the server asked for. Pure.
 */
export function delayBeforeRetryMs(
  policy: RetryPolicy,
  attempt: number,
  random: number,
  retryAfterMs: number | undefined,
): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.initialDelayMs * 2 ** (attempt - 1));
  return Math.max(Math.round(ceiling * (0.5 + random / 2)), retryAfterMs ?? 0);
}

/** Runs `operation` until it succeeds, may not be repeated, or the attempts are used up; then the last error is thrown. */
export async function withRetry<T>(
  options: {
    readonly kind: RequestKind;
    readonly policy: RetryPolicy;
    readonly runtime: Runtime;
    readonly operation: string;
    readonly signal: AbortSignal | undefined;
  },
  operation: (attempt: number) => Promise<T>,
): Promise<T> {
  const { policy, runtime, signal } = options;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(options.operation, signal);
    try {
      return await operation(attempt);
    } catch (error) {
      if (attempt >= policy.maxAttempts || !mayRepeat(options.kind, error)) throw error;
      const retryAfterMs = DruidThrottledError.is(error) ? error.retryAfterMs : undefined;
      const delayMs = delayBeforeRetryMs(policy, attempt, runtime.random(), retryAfterMs);
      runtime.logger.debug(`Druid: ${options.operation} failed, trying again`, { attempt, delayMs, error });
      await runtime.sleep(delayMs, signal);
    }
  }
}
