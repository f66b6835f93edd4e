import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { DruidConnectionError, DruidError, DruidTimeoutError, type RequestDetails } from './errors.js';
import { aborted } from './sleep.js';

/** An answer whose status is 2xx and whose body has not been read yet. */
export interface DruidResponse extends RequestDetails {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Filled once the body has been read to its end; the Router does not pass trailers on. */
  readonly trailers: () => NodeJS.Dict<string>;
  readonly body: Readable;
}

/**
 * The body's chunks, read no faster than they are asked for. Ends in an error when `signal` fires or the server is
 * silent for `timeoutMs` while a chunk is waited for. However it ends, early return included, the connection is freed.
 */
export async function* bodyChunks(
  response: DruidResponse,
  options: {
    readonly operation: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): AsyncGenerator<Buffer, void, undefined> {
  const { body, method, url } = response;
  const { operation, timeoutMs, signal } = options;
  const onAbort = () => body.destroy(aborted(operation, signal));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const onSilence = () =>
    body.destroy(
      new DruidTimeoutError({
        message: `${method} ${url} sent nothing for ${timeoutMs} ms during the ${operation}. Raise 'timeoutMs' if that is normal.`,
        details: { operation, timeoutMs },
        retryable: true,
      }),
    );
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      // The consumer's own pauses must not count, so the timer runs only while we wait.
      const timer = setTimeout(onSilence, timeoutMs);
      let next: IteratorResult<Buffer>;
      try {
        next = await chunks.next();
      } catch (error) {
        throw DruidError.is(error) ? error : brokenBody(error, response);
      } finally {
        clearTimeout(timer);
      }
      if (signal?.aborted) throw aborted(operation, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  }
}

/** Reads the whole body as text. */
export async function bodyText(
  response: DruidResponse,
  options: {
    readonly operation: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of bodyChunks(response, options)) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

/** Up to `maxBytes` of a refusal's body; what cannot be read is left out. */
export async function readAtMost(body: Readable, maxBytes: number, timeoutMs: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(new Error('timeout')), timeoutMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      parts.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch {
    // The status says enough; what arrived of its explanation is kept.
  } finally {
    clearTimeout(timer);
    body.destroy();
  }
  return Buffer.concat(parts).toString('utf8').slice(0, maxBytes);
}

function brokenBody(error: unknown, { method, url }: RequestDetails): DruidConnectionError {
  const { code, message } = error as { code?: string; message?: string };
  const reason = code ?? message ?? 'unknown';
  return new DruidConnectionError({
    message: `${method} ${url}: the connection broke while the answer was read (${reason}).`,
    details: { method, url, reason },
    retryable: true,
  });
}
