import { DruidError, DruidRemoteError } from '@millrace/druid-client';
import { sleep, type Clock, type Logger } from '@millrace/core-stream';
import { DruidSinkConnectionError } from '../errors.js';

/** What waiting for Druid needs: time, patience and a way out. */
export interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long an outage of Druid is waited out. */
  readonly unavailableTimeoutMs: number;
  /** Told when an outage begins and when it is over. */
  readonly logger?: Logger;
  /** Called once for each call that Druid does not answer at first. */
  readonly onOutage?: () => void;
}

/** Milliseconds for durations: somebody who sets the machine's clock neither ends a wait nor prolongs it. */
export function monotonicNow(clock: Clock): number {
  return clock.monotonicNow?.() ?? clock.now();
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
  const { clock, signal, unavailableTimeoutMs, logger } = patience;
  const startedMs = monotonicNow(clock);
  for (let tries = 1, delayMs = 500; ; tries++, delayMs = Math.min(delayMs * 2, 10_000)) {
    try {
      const answer = await call();
      if (tries > 1) {
        logger?.info('Druid answers again', { call: what, waitedMs: monotonicNow(clock) - startedMs });
      }
      return answer;
    } catch (cause) {
      signal.throwIfAborted();
      if (!DruidError.is(cause)) throw cause;
      const waitedMs = monotonicNow(clock) - startedMs;
      if (!isOutage(cause)) throw connectionError(what, cause, waitedMs);
      if (waitedMs >= unavailableTimeoutMs) throw connectionError(what, cause, waitedMs);
      if (tries === 1) {
        patience.onOutage?.();
        logger?.warn('Druid does not answer; the sink waits for it', {
          call: what,
          reason: cause.message,
          unavailableTimeoutMs,
        });
      }
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
    `Druid did not answer ${what} (tried for ${Math.round(waitedMs)} ms): ${cause.message} ${next}.`,
    {
      details: { call: what, waitedMs, status },
      cause,
      retryable: isOutage(cause),
    },
  );
}
