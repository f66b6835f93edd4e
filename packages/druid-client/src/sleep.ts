import { DruidAbortedError } from './errors.js';

/** Resolves after `ms` milliseconds, or rejects with {@link DruidAbortedError} as soon as `signal` fires. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** The real {@link Sleep}. Its timer keeps the process alive: somebody is waiting for it. */
export const sleep: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted('wait', signal));
    const onAbort = () => {
      clearTimeout(timer);
      reject(aborted('wait', signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });

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
