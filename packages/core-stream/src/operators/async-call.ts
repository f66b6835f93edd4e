import type { AsyncContext } from '../functions/async-function.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { QueuedRecord } from './async-queue.js';

/** A record on its way through an async function: place in the queue and context of the function in one object. */
export class AsyncCall extends QueuedRecord implements AsyncContext {
  attempt = 0;
  /** By the clock, for all attempts. */
  deadline = Infinity;
  /** How the current attempt's promise was settled, until the subtask looks at it. */
  settlement: unknown = undefined;
  isRejected = false;
  cancelRetry: (() => void) | undefined = undefined;
  /** Few functions ask for the signal: it is made when one does. */
  #controller: AbortController | undefined;

  get timestamp(): number | undefined {
    return this.eventTime === MIN_TIMESTAMP ? undefined : this.eventTime;
  }

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  abort(reason: unknown): void {
    this.cancelRetry?.();
    (this.#controller ??= new AbortController()).abort(reason);
  }
}
