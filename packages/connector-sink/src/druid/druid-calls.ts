import { DruidError, DruidRemoteError } from '@millrace/druid-client';
import { sleep, type Clock } from '@millrace/core-stream';
import { DruidSinkConnectionError } from '../errors.js';

/** What waiting for Druid needs: time, patience and a way out. */
export interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long an outage of Druid is waited out. */
  readonly unavailableTimeoutMs: number;
}

/** Whether Druid may answer this later: connection errors, time-outs, 429 and 5xx, not what it refuses. */
export function isOutage(error: unknown): boolean {
  if (!DruidError.is(error)) return false;
  return error.retryable || (DruidRemoteError.is(error) && error.details.status >= 500);
}

/** Whether Druid answered and said no: its authentication, or the request itself. */
export function isRefusal(error: unknown): error is DruidRemoteError {
  return DruidRemoteError.is(error) && error.details.status >= 400 && error.details.status < 500;
}

/**
 * Calls Druid until it answers, through outages of up to `unavailableTimeoutMs`. For calls that can be repeated.
 * @throws DruidSinkConnectionError (`DRUID_SINK_CONNECTION`) when the time is up or Druid refuses
 */
export async function callDruid<T>(patience: Patience, what: string, call: () => Promise<T>): Promise<T> {
  const { clock, signal, unavailableTimeoutMs } = patience;
  const startedMs = clock.now();
  for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, 10_000)) {
    try {
      return await call();
    } catch (cause) {
      signal.throwIfAborted();
      if (!DruidError.is(cause)) throw cause;
      const waitedMs = clock.now() - startedMs;
      if (!isOutage(cause)) throw connectionError(what, cause, waitedMs);
      if (waitedMs >= unavailableTimeoutMs) throw connectionError(what, cause, waitedMs);
      await sleep(clock, delayMs, signal);
    }
  }
}

function connectionError(what: string, cause: DruidError, waitedMs: number): DruidSinkConnectionError {
  const status = DruidRemoteError.is(cause) ? cause.details.status : undefined;
  const next =
    status === 401 || status === 403
      ? "Check the credentials in option 'druid' and what they may do"
      : isOutage(cause)
        ? 'Check that Druid runs and is reachable; the job continues from its last checkpoint'
        : 'See the cause';
  return new DruidSinkConnectionError(
    `Druid did not answer ${what} (tried for ${waitedMs} ms): ${cause.message} ${next}.`,
    {
      details: { call: what, waitedMs, status },
      cause,
      retryable: isOutage(cause),
    },
  );
}
