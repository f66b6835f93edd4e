/** Stops a scheduled call; calling it again, or after the call has run, does nothing. */
export type Cancel = () => void;

/** Where the engine gets time from. Nothing in it reads the system's clock directly, so that tests own the time. */
export interface Clock {
  /** Processing time in epoch milliseconds. */
  now(): number;
  /**
   * For durations: milliseconds, with fractions, from any origin; never goes back, whatever happens to the time of day. Where
   * it is left out, `now` is taken.
   */
  monotonicNow?(): number;
  /** Calls `callback` once, `delayMs` from now at the earliest. */
  schedule(delayMs: number, callback: () => void): Cancel;
}

/** The longest delay of a Node timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicNow: () => performance.now(),
  schedule(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, MAX_TIMER_MS);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : callback()), stepMs);
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs` of `clock`; rejects with the signal's reason when that is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
