import { DruidTimeoutError } from './errors.js';
import { requirePositive } from './options.js';
import { throwIfAborted } from './sleep.js';
import type { Transport } from './transport.js';

/** How a call waits for a condition on the server. */
export interface WaitOptions {
  /** Milliseconds between looks at the server. */
  readonly pollIntervalMs?: number;
  /** Milliseconds after which the wait ends in a {@link DruidTimeoutError}. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Calls `check` until it returns `done`. The last look happens after the time is up, never before.
 * @throws DruidTimeoutError with what was last seen, DruidAbortedError
 */
export async function poll<T>(
  transport: Transport,
  operation: string,
  options: Required<Pick<WaitOptions, 'pollIntervalMs' | 'timeoutMs'>> & Pick<WaitOptions, 'signal'>,
  check: () => Promise<{ readonly done: T } | { readonly pending: unknown }>,
): Promise<T> {
  const { pollIntervalMs, timeoutMs } = options;
  requirePositive('pollIntervalMs', pollIntervalMs);
  if (timeoutMs !== Infinity) requirePositive('timeoutMs', timeoutMs);
  const { now, sleep } = transport.runtime;
  const deadlineMs = now() + timeoutMs;
  const { signal, release } = transport.signalOf(options); // closing the client ends the pauses, too
  try {
    for (;;) {
      throwIfAborted(operation, signal);
      const startedMs = now();
      const outcome = await check();
      if ('done' in outcome) return outcome.done;
      if (startedMs >= deadlineMs) {
        throw new DruidTimeoutError({
          message: `The ${operation} was not over after ${timeoutMs} ms; last seen: ${JSON.stringify(outcome.pending)}.`,
          details: { operation, timeoutMs, lastSeen: outcome.pending },
          retryable: true,
        });
      }
      await sleep(Math.max(1, Math.min(pollIntervalMs, deadlineMs - now())), signal);
    }
  } finally {
    release();
  }
}
