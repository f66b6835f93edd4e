import { DruidRemoteError } from './errors.js';
import type { Transport } from './transport.js';

// A cancel may overtake its query: until the Broker has read the query, the id is unknown.
const cancelDelaysMs = [0, 50, 200, 800] as const;
const cancelTimeoutMs = 5_000;
// Who leaves because the server hangs must not be kept by it.
const patienceMs = 1_000;

/** A query to stop. */
export interface Cancellation {
  readonly transport: Transport;
  readonly path: string;
  readonly queryId: string;
  /** Who was asked to run it: another Broker does not know it. */
  readonly server: string;
  /** Whether the answer had begun, in which case an unknown id means that the query is over. */
  readonly hasStarted: boolean;
  /** Whether the query may be sent again under this id, which a late cancellation would hit. */
  readonly isRepeated?: boolean;
}

/**
 * Asks Druid to stop a query, and waits a second for that at most: then it goes on behind the caller's back. Best effort and
 * never throws: the caller is already leaving, with a better error.
 */
export async function cancelQuery(cancellation: Cancellation): Promise<void> {
  if (cancellation.isRepeated === true) return cancel(cancellation);
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
  await Promise.race([cancel(cancellation), patience]);
  clearTimeout(timer);
}

async function cancel({ transport, path, queryId, server, hasStarted }: Cancellation): Promise<void> {
  // The native API answers 202 to unknown ids too, so a cancel that may have come too early is simply sent twice.
  let blindRepeats = hasStarted || path.startsWith('/druid/v2/sql/') ? 0 : 1;
  const { logger, sleep } = transport.runtime;
  for (const delayMs of cancelDelaysMs) {
    if (delayMs > 0) await sleep(delayMs);
    try {
      const request = {
        operation: 'cancellation',
        method: 'DELETE',
        path,
        kind: 'once',
        survivesClose: true,
        ignoresCircuit: true,
        server,
      } as const;
      const response = await transport.send({ ...request, timeoutMs: cancelTimeoutMs });
      response.body.destroy();
      logger.debug('Druid: query cancelled', { queryId });
      if (blindRepeats-- <= 0) return;
    } catch (error) {
      const isUnknown = DruidRemoteError.is(error) && error.details.status === 404;
      if (isUnknown && hasStarted) return;
      if (!isUnknown) {
        logger.warn('Druid: the query could not be cancelled; it ends by its own time-out', {
          queryId,
          error,
        });
        return;
      }
    }
  }
}
