import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import {
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidTimeoutError,
  type RequestDetails,
} from './errors.js';
import { encodeJson } from './json-encode.js';
import { requestSuffix } from './request.js';
import { aborted } from './sleep.js';
import { decodeSmile, smileStart } from './smile-decode.js';

/** An answer whose status is 2xx and whose body has not been read yet. */
export interface DruidResponse extends RequestDetails {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Filled once the body has been read to its end; the Router does not pass trailers on. */
  readonly trailers: () => NodeJS.Dict<string>;
  readonly body: Readable;
  /** The bytes that arrived so far of a body that was compressed; undefined for one that was not. */
  readonly packedBytes?: () => number;
  /** What was read of the body so far, unpacked. */
  readonly received: { bytes: number };
}

/**
 * The body's chunks, read no faster than they are asked for. Ends in an error when `signal` fires or the server is
 * silent for `timeoutMs` while a chunk is waited for. However it ends, early return included, the connection is freed.
 *
 * @throws DruidDecodeError before the first chunk, for a body that cannot be Druid's: a web page, or one compressed
 */
export async function* bodyChunks(
  response: DruidResponse,
  options: {
    readonly operation: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): AsyncGenerator<Buffer, void, undefined> {
  const { body, method, url, requestId } = response;
  const { operation, timeoutMs, signal } = options;
  const foreign = foreignBody(response, operation);
  if (foreign !== undefined) {
    body.destroy();
    throw foreign;
  }
  const onAbort = () => body.destroy(aborted(operation, signal));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const onSilence = () =>
    body.destroy(
      new DruidTimeoutError({
        message: `${method} ${url} sent nothing for ${timeoutMs} ms during the ${operation}. Raise 'timeoutMs' if that is normal.${requestSuffix(requestId)}`,
        details: { operation, timeoutMs, ...(requestId === undefined ? {} : { requestId }) },
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
        throw DruidError.is(error) ? error : brokenBody(error, response, operation);
      } finally {
        clearTimeout(timer);
      }
      if (signal?.aborted) throw aborted(operation, signal);
      if (next.done === true) return;
      response.received.bytes += next.value.length;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  }
}

/** A log-in page with 200 would pass for a success wherever the answer's body does not matter. */
function foreignBody(
  { method, url, headers }: DruidResponse,
  operation: string,
): DruidDecodeError | undefined {
  const what = /html/i.test(headers['content-type'] ?? '')
    ? 'a web page. Does this URL point to a Druid Router?'
    : encodingProblem(headers['content-encoding']);
  if (what === undefined) return undefined;
  return new DruidDecodeError({
    message: `The ${operation} (${method} ${url}) was answered with ${what}`,
    details: { operation },
  });
}

function encodingProblem(encoding: string | undefined): string | undefined {
  if (encoding === undefined || /^\s*(identity)?\s*$/i.test(encoding)) return undefined;
  return `the content encoding '${encoding}', which was not asked for. Turn it off in the proxy before Druid.`;
}

/**
 * What the trailers say against a result that was read to its end; undefined if they do not. `serverMessage` is Druid's
 * reason, if it gave one.
 */
export function trailerDenial(response: DruidResponse): { readonly serverMessage?: string } | undefined {
  const trailers = response.trailers();
  const serverMessage = trailers['x-error-message'];
  if (serverMessage !== undefined) return { serverMessage };
  // Only who announces the trailer sends it: old servers and the Router do neither.
  const isAnnounced = /x-druid-response-complete/i.test(String(response.headers.trailer ?? ''));
  return isAnnounced && trailers['x-druid-response-complete'] !== 'true' ? {} : undefined;
}

/** Reads the whole body. */
export async function wholeBody(
  response: DruidResponse,
  options: {
    readonly operation: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of bodyChunks(response, options)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Up to `maxBytes` of a refusal's body, until `signal` fires; what cannot be read is left out. */
export async function readAtMost(
  { body, received }: DruidResponse,
  limits: { readonly maxBytes: number; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string> {
  const { maxBytes, timeoutMs, signal } = limits;
  const parts: Buffer[] = [];
  let bytes = 0;
  const leave = () => body.destroy(new Error('left'));
  const timer = setTimeout(leave, timeoutMs);
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      parts.push(chunk);
      bytes += chunk.length;
      received.bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch {
    // The status says enough; what arrived of its explanation is kept.
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
    body.destroy();
  }
  return refusalText(Buffer.concat(parts)).slice(0, maxBytes);
}

/** Who asks for Smile is refused in Smile; it is turned into the JSON that it would be otherwise. */
function refusalText(bytes: Buffer): string {
  try {
    if (bytes[0] === smileStart) return encodeJson(decodeSmile(bytes));
  } catch {
    // Not Smile after all, or cut short: quoted as it came.
  }
  return bytes.toString('utf8');
}

function brokenBody(
  error: unknown,
  { method, url, requestId }: RequestDetails,
  operation: string,
): DruidConnectionError | DruidDecodeError {
  const { code, message } = error as { code?: string; message?: string };
  const reason = code ?? message ?? 'unknown';
  // zlib's errors; Z_BUF_ERROR is compressed data that ends too early.
  if (reason.startsWith('Z_') && reason !== 'Z_BUF_ERROR') {
    return new DruidDecodeError({
      message: `${method} ${url}: the answer to the ${operation} is no gzip, or is damaged (${message}, ${reason}). Look at what is between this program and Druid, or call without 'gzip'.${requestSuffix(requestId)}`,
      details: { operation },
      cause: error,
    });
  }
  return new DruidConnectionError({
    message: `${method} ${url}: the connection broke while the answer was read (${reason}).${requestSuffix(requestId)}`,
    details: { method, url, reason, mayHaveArrived: true, ...(requestId === undefined ? {} : { requestId }) },
    retryable: true,
  });
}
