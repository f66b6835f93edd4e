/**
 * When a request may be repeated, where, and how long to wait before that. Decisions only; waiting is done by the injected
 * sleep.
 *
 * A call makes attempts, with pauses between them. In one attempt each server is asked at most once: what may be repeated
 * at once elsewhere is.
 *
 * Invariant 1: a `once` request is not sent again once it may have arrived (a task POST without its own id may have run),
 * and makes one attempt.
 * Invariant 2: a query is never repeated after its first row; the caller of {@link withRetry} ends the operation there.
 * Invariant 3: 429 is the cluster's answer, not the server's: no other one is asked before the time is up.
 */
import {
  DruidConnectionError,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  DruidTimeoutError,
} from './errors.js';
import type { Runtime } from './options.js';
import { throwIfAborted } from './sleep.js';
import type { HookCaller } from './transport/hooks.js';
import type { ServerList } from './transport/server-list.js';

/** How often and how patiently to repeat. `maxAttempts` counts the first one; 1 turns repetition off. */
export interface RetryPolicy {
  /** In each attempt every server may be asked once. */
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

const all: ReadonlySet<RequestKind> = new Set(['read', 'query', 'identified']);
// A task that has its own id may have been taken: asking again says so, and changes nothing. A query would cost as much again.
const allButQueries: ReadonlySet<RequestKind> = new Set(['read', 'identified']);
const none: ReadonlySet<RequestKind> = new Set();

/** Who may repeat, by the status; gateways and old servers give nothing else. */
const byStatus: ReadonlyMap<number, ReadonlySet<RequestKind>> = new Map([
  [429, all],
  [500, allButQueries],
  [502, all],
  [503, all],
  [504, all],
]);

/** Who may repeat, by Druid's category, where it says more than the status. */
const byCategory: ReadonlyMap<string, ReadonlySet<RequestKind>> = new Map([
  // Druid's own query time-out would only be paid for again; a gateway's 504 carries no category.
  ['TIMEOUT', allButQueries],
  ['CANCELED', none],
  ['INVALID_INPUT', none],
  ['UNSUPPORTED', none],
  ['CAPACITY_EXCEEDED', all],
  ['SERVICE_UNAVAILABLE', all],
]);

/** Whether a request of `kind` that failed with `error` may be sent again after a pause. Pure. */
export function mayRepeat(kind: RequestKind, error: unknown): boolean {
  if (kind === 'once') return false; // invariant 1
  // An open circuit is there to fail a call at once.
  if (DruidConnectionError.is(error)) return error.retryable && !isCircuitOpen(error);
  if (DruidTimeoutError.is(error)) return allButQueries.has(kind);
  if (!DruidRemoteError.is(error) && !DruidThrottledError.is(error)) return false;
  const { status, druid, retryAfterMs = 0 } = error.details;
  if (retryAfterMs > maxRetryAfterMs) return false;
  const legacy =
    druid.error === 'Query timeout' || druid.errorCode === 'queryTimeout' ? 'TIMEOUT' : undefined;
  const kinds = byCategory.get(legacy ?? druid.category ?? '') ?? byStatus.get(status);
  return kinds?.has(kind) ?? false;
}

/** Whether it may be sent to another server at once. Pure. */
export function mayFailOver(kind: RequestKind, error: unknown): boolean {
  if (DruidConnectionError.is(error) && !error.details.mayHaveArrived) return true; // invariant 1
  return !DruidThrottledError.is(error) && mayRepeat(kind, error); // invariant 3
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

/** What {@link withRetry} needs to know. */
export interface RetryOptions {
  readonly kind: RequestKind;
  readonly policy: RetryPolicy;
  readonly runtime: Runtime;
  readonly servers: ServerList;
  readonly hooks: HookCaller;
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
}

/** Runs `send` until it succeeds, may not be repeated, or the attempts are used up; then the telling error is thrown. */
export async function withRetry<T>(options: RetryOptions, send: (server: string) => Promise<T>): Promise<T> {
  const { kind, operation, policy, runtime, servers, hooks, signal } = options;
  for (let attempt = 1; ; attempt++) {
    const failures: Failure[] = [];
    const order = servers.inOrder();
    for (const [i, server] of order.entries()) {
      throwIfAborted(operation, signal);
      try {
        return await send(server);
      } catch (error) {
        if (!DruidError.is(error)) throw error;
        failures.push({ server, error });
        if (!mayFailOver(kind, error)) break;
        servers.leave(server);
        const nextServer = order[i + 1];
        if (nextServer === undefined) break;
        runtime.logger.debug(`Druid: ${operation} failed, trying the next server`, {
          server,
          nextServer,
          error,
        });
        hooks.call('onRetry', () => ({ operation, attempt, error, server, nextServer, delayMs: 0 }));
      }
    }
    const { server, error } = tellingFailure(failures);
    // Who has begun before the circuit opened has tried in earnest, and outlasts a short outage.
    const isPatient = attempt > 1 && isCircuitOpen(error);
    if (attempt >= policy.maxAttempts || !(isPatient || mayRepeat(kind, error)))
      throw summary(operation, failures, error);
    const { retryAfterMs } = error.details as { readonly retryAfterMs?: number };
    const delayMs = delayBeforeRetryMs(policy, attempt, runtime.random(), retryAfterMs);
    runtime.logger.debug(`Druid: ${operation} failed, trying again`, { attempt, delayMs, error });
    hooks.call('onRetry', () => ({
      operation,
      attempt,
      error,
      server,
      nextServer: servers.current,
      delayMs,
    }));
    await runtime.sleep(delayMs, signal);
  }
}

interface Failure {
  readonly server: string;
  readonly error: DruidError;
}

/** The last one that says more than "left alone". */
function tellingFailure(failures: readonly Failure[]): Failure {
  return (failures.findLast(({ error }) => !isCircuitOpen(error)) ?? failures.at(-1)) as Failure;
}

function isCircuitOpen(error: DruidError): boolean {
  return DruidConnectionError.is(error) && error.details.circuit !== undefined;
}

/** One error for several servers of which none could be reached; otherwise the telling one. */
function summary(operation: string, failures: readonly Failure[], telling: DruidError): DruidError {
  const connections = failures.flatMap(({ error }) => (DruidConnectionError.is(error) ? [error] : []));
  if (!DruidConnectionError.is(telling) || failures.length === 1 || connections.length < failures.length) {
    return telling;
  }
  const each = failures.map(({ server }, i) => `${server} (${connections[i]?.details.reason})`).join(', ');
  return new DruidConnectionError({
    message: `The ${operation} reached none of ${failures.length} servers: ${each}. The last of them: ${telling.message}`,
    details: {
      ...telling.details,
      mayHaveArrived: connections.some(({ details }) => details.mayHaveArrived),
    },
    retryable: connections.some(({ retryable }) => retryable),
    cause: new AggregateError(connections, `${failures.length} servers failed`),
  });
}
