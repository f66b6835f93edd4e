import { constants } from 'node:os';
import { StreamConfigError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import type { JobClient, StopOptions } from './job-client.js';

/** What happens when the process is told to end. */
export interface StopOnSignalsOptions extends StopOptions {
  /** `SIGTERM` and `SIGINT` unless told. */
  readonly signals?: readonly string[];
  /** Told of each signal, and of a stop that failed. */
  readonly logger?: Logger;
}

/**
 * Ends a job in good order when the process gets a signal. The first one stops the job, as `client.stop(options)` does; where
 * that fails, for want of checkpoints for example, and at a second one, the job is cancelled.
 *
 * The handlers are there until the job has ended. The process then ends by itself when nothing else keeps it; its exit code is
 * the program's business: look at the outcome of `client.result`.
 *
 * @returns removes the handlers before that
 * @throws StreamConfigError `MILLRACE_CONFIG` for a signal that there is not, or that no process can handle
 * @example
 * const client = env.executeAsync('orders');
 * stopOnSignals(client, { savepoint: 'savepoints/orders' });
 * const { status } = await client.result;
 */
export function stopOnSignals(client: JobClient, options: StopOnSignalsOptions = {}): () => void {
  const { signals = ['SIGTERM', 'SIGINT'], logger = silentLogger, ...stop } = options;
  signals.forEach(requireHandleable);
  let count = 0;
  const onSignal = (signal: string) => {
    count++;
    const isFirst = count === 1;
    logger.info(isFirst ? 'stopping' : 'cancelling', { signal });
    if (!isFirst) {
      client.cancel(`the process got ${count} signals, the last one ${signal}`);
      return;
    }
    client.stop(stop).catch((error: unknown) => {
      if (count > 1) return; // it was cancelled meanwhile
      logger.warn('stopping failed, cancelling', { signal, error: messageOf(error) });
      client.cancel(error);
    });
  };
  const remove = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  client.result.then(remove, remove);
  return remove;
}

/** Node would wait for a signal that does not exist for ever. */
function requireHandleable(signal: string): void {
  if (signal in constants.signals && signal !== 'SIGKILL' && signal !== 'SIGSTOP') return;
  throw new StreamConfigError(
    `A process cannot handle the signal '${signal}'. Choose others, such as SIGTERM and SIGINT.`,
  );
}
