import { StreamRecordError } from '../errors.js';

/**
 * Takes what a user's function returned, which is to be nothing: refuses a promise, as an `async` function gives one. What it
 * emits later would belong to no checkpoint, and its rejection to nobody.
 */
export function synchronous(returned: unknown): void {
  if (returned !== undefined && isPromise(returned)) refuse(returned);
}

function isPromise(returned: unknown): returned is PromiseLike<unknown> {
  return typeof (returned as { readonly then?: unknown } | null)?.then === 'function';
}

function refuse(promise: PromiseLike<unknown>): never {
  promise.then(undefined, () => undefined); // the job fails already, with this
  throw new StreamRecordError(
    'The function returned a promise. Functions are synchronous: for results that come later use AsyncDataStream.',
  );
}
