import { setMaxListeners } from 'node:events';
import { DruidAbortedError } from './errors.js';

/** Resolves after `ms` milliseconds, or rejects with {@link DruidAbortedError} as soon as `signal` fires. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** The real {@link Sleep}. Its timer keeps the process alive: somebody is waiting for it. */
export const sleep: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted('wait', signal));
    const timer = setTimeout(() => {
      release?.();
      resolve();
    }, ms);
    const release =
      signal &&
      onAbort(signal, () => {
        clearTimeout(timer);
        reject(aborted('wait', signal));
      });
  });

/** Calls `listener` when `signal` fires, until the returned function is called. For signals that callers give. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  try {
    // One signal for many calls is no leak, but Node prints a warning at the eleventh.
    setMaxListeners(0, signal);
  } catch {
    // A signal that is not Node's own does not count its listeners.
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** The error for an aborted `operation`; the signal's reason becomes its cause. */
export function aborted(operation: string, signal: AbortSignal | undefined): DruidAbortedError {
  const reason: unknown = signal?.reason;
  if (DruidAbortedError.is(reason)) return reason;
  return new DruidAbortedError({
    message: `The ${operation} was aborted by its caller.`,
    details: { operation },
    cause: reason,
  });
}

/** Throws {@link DruidAbortedError} if `signal` has fired. */
export function throwIfAborted(operation: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(operation, signal);
}
