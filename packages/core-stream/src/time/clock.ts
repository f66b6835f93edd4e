/** Stops a scheduled call; calling it again, or after the call has run, does nothing. */
export type Cancel = () => void;

/** Where the engine gets time from. Nothing in it reads the system's clock directly, so that tests own the time. */
export interface Clock {
  /** Processing time in epoch milliseconds. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now at the earliest. */
  schedule(delayMs: number, callback: () => void): Cancel;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
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
