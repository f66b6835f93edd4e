/**
 * The life of one streamed query: open with retries, read, detect truncation, cancel.
 *
 * Boundary: knows nothing of the result's format; a {@link ResultFormat} turns chunks into items.
 *
 * Invariant 1: attempts are repeated only until the first chunk; after that every failure is final.
 * Invariant 2: the stream ends without an error only if the format saw the result's end and no trailer denies it.
 * Invariant 3: a stream that ends early, for whatever reason on our side, cancels the query on the server.
 * Invariant 4: every attempt has a query id of its own, since Druid cancels all queries that share one.
 */
import { bodyChunks, trailerDenial, type DruidResponse } from './body-chunks.js';
import { cancelQuery } from './cancel.js';
import {
  DruidAbortedError,
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidTimeoutError,
  DruidTruncatedError,
} from './errors.js';
import type { DruidRequest } from './request.js';
import type { Transport } from './transport.js';

/** Turns the bytes of one result into items. */
export interface ResultFormat<T> {
  /** The items that `chunk` completes. @throws SyntaxError | DruidDecodeError */
  push(chunk: Buffer): T[];
  /** Whether the result's own end mark has been seen. */
  readonly isComplete: boolean;
  /** Rows handed out so far. */
  readonly rowCount: number;
}

/** How much of an answer's body has been read. */
export interface TransferredBytes {
  /** As it was read, decompressed if need be. */
  readonly bytes: number;
  /** As it came over the network; the same unless it was compressed. */
  readonly networkBytes: number;
}

/** What to run. */
export interface ResultStreamOptions<T> {
  readonly transport: Transport;
  readonly operation: string;
  /** The request for an attempt with this id; its kind is `query`. */
  readonly request: (queryId: string) => DruidRequest;
  readonly cancelPath: (queryId: string) => string;
  readonly createFormat: () => ResultFormat<T>;
  /** The caller's own query id, which then serves all attempts. */
  readonly queryId: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called once per successful attempt, before the first item. */
  readonly onResponse?: (response: DruidResponse, queryId: string) => void;
  /** Called once when the answer is over, broken off or not; not if there was none. */
  readonly onTransfer?: (transfer: TransferredBytes) => void;
}

interface Attempt<T> {
  /** Only the server that was asked is sure to know the query. */
  readonly server: string;
  readonly queryId: string;
  readonly response: DruidResponse;
  readonly format: ResultFormat<T>;
  readonly chunks: AsyncGenerator<Buffer, void, undefined>;
  readonly first: Buffer | undefined;
}

/** The items of a streamed result, in batches as they arrive. @throws DruidError */
export async function* streamResult<T>(
  options: ResultStreamOptions<T>,
): AsyncGenerator<T[], void, undefined> {
  const joined = options.transport.signalOf({ signal: options.signal });
  let attempt: Attempt<T> | undefined;
  let isOver = false;
  try {
    attempt = await open(options, joined.signal);
    const { format, chunks } = attempt;
    let chunk = attempt.first;
    while (chunk !== undefined) {
      const items = format.push(chunk);
      if (items.length > 0) yield items;
      const next = await chunks.next();
      chunk = next.done === true ? undefined : next.value;
    }
    isOver = true;
    requireComplete(attempt, options.operation); // invariant 2
  } catch (error) {
    if (attempt === undefined) throw error;
    // A broken connection has no query left to cancel on it, but the Broker may not have noticed.
    throw mapFailure(error, attempt, options.operation);
  } finally {
    if (attempt !== undefined) {
      await attempt.chunks.return();
      if (!isOver) await cancelAttempt(options, attempt, true); // invariant 3
    }
    joined.release();
    if (attempt !== undefined) options.onTransfer?.(transferred(attempt.response));
  }
}

/** How much of the answer's body has been read so far. */
export function transferred({ received: { bytes }, packedBytes }: DruidResponse): TransferredBytes {
  return { bytes, networkBytes: packedBytes?.() ?? bytes };
}

async function open<T>(options: ResultStreamOptions<T>, signal: AbortSignal): Promise<Attempt<T>> {
  const { transport, operation } = options;
  return transport.retrying({ ...options.request(''), signal }, async (server) => {
    const queryId = options.queryId ?? transport.runtime.createId(); // invariant 4
    const request = { ...options.request(queryId), signal, server, requestId: queryId };
    let response: DruidResponse | undefined;
    try {
      response = await transport.send(request);
      const chunks = bodyChunks(response, { operation, timeoutMs: transport.timeoutMs(request), signal });
      const { value } = await chunks.next(); // invariant 1: up to here a failure may be retried
      options.onResponse?.(response, queryId);
      return { server, queryId, response, format: options.createFormat(), chunks, first: value ?? undefined };
    } catch (error) {
      response?.body.destroy();
      // Refused means that nothing runs; in all other cases something may (invariant 3).
      if (response !== undefined || DruidAbortedError.is(error) || DruidTimeoutError.is(error)) {
        const isRepeated = DruidConnectionError.is(error);
        await cancelAttempt(options, { server, queryId }, response !== undefined, isRepeated);
      }
      throw error;
    }
  });
}

function cancelAttempt(
  { transport, cancelPath }: ResultStreamOptions<unknown>,
  { server, queryId }: Pick<Attempt<unknown>, 'server' | 'queryId'>,
  hasStarted: boolean,
  isRepeated = false,
): Promise<void> {
  return cancelQuery({ transport, path: cancelPath(queryId), server, queryId, hasStarted, isRepeated });
}

function requireComplete<T>({ format, response, queryId }: Attempt<T>, operation: string): void {
  const denial = trailerDenial(response);
  if (format.isComplete && denial === undefined) return;
  throw truncatedResult(operation, response, queryId, format.rowCount, denial?.serverMessage);
}

/** The error for a result that is not whole. */
export function truncatedResult(
  operation: string,
  { method, url }: DruidResponse,
  queryId: string,
  rowsReceived: number,
  serverMessage: string | undefined,
  cause?: unknown,
): DruidTruncatedError {
  const reason =
    serverMessage ?? (cause instanceof Error ? cause.message : 'the result ended without its end mark');
  return new DruidTruncatedError({
    message:
      `The ${operation} '${queryId}' broke off after ${rowsReceived} rows: ${reason}. ` +
      `These rows are not the whole result; look at the Broker's log for the query id, or raise Druid's query time-out.`,
    details: {
      method,
      url,
      queryId,
      rowsReceived,
      ...(serverMessage === undefined ? {} : { serverMessage }),
    },
    retryable: true,
    cause,
  });
}

function mapFailure<T>(
  error: unknown,
  { response, queryId, format }: Attempt<T>,
  operation: string,
): unknown {
  if (DruidConnectionError.is(error)) {
    return truncatedResult(operation, response, queryId, format.rowCount, undefined, error);
  }
  if (DruidError.is(error) || !(error instanceof SyntaxError)) return error;
  return new DruidDecodeError({
    message: `The ${operation} '${queryId}' got malformed data after ${format.rowCount} rows: ${error.message}.`,
    details: { operation, row: format.rowCount },
    cause: error,
  });
}
