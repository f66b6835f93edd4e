/**
 * The error hierarchy of the client. Every failure the client raises is one of the classes below, so a caller can
 * decide by class (`DruidThrottledError.is(error)`), by `code`, or by `retryable` alone.
 *
 * Invariant 1: no message, detail or cause holds a credential. Callers of these constructors pass redacted text and
 * never an HTTP library's own error object, because that one carries the request's headers.
 */

/** The closed set of codes, one per class. */
export type DruidErrorCode =
  | 'DRUID_CONFIG'
  | 'DRUID_CONNECTION'
  | 'DRUID_TIMEOUT'
  | 'DRUID_THROTTLED'
  | 'DRUID_REMOTE'
  | 'DRUID_TRUNCATED'
  | 'DRUID_DECODE'
  | 'DRUID_ABORTED';

interface DruidErrorInit<D> {
  readonly message: string;
  readonly details: D;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

// A registered symbol rather than `instanceof`: two copies of this package in one program still recognise each other.
const brand = Symbol.for('@millrace/druid-client/error');

/** Base of every error of this package. `retryable` says whether the same call may succeed later, unchanged. */
export abstract class DruidError<D = unknown> extends Error {
  abstract readonly code: DruidErrorCode;
  readonly retryable: boolean;
  readonly details: D;

  constructor(init: DruidErrorInit<D>) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.retryable = init.retryable ?? false;
    this.details = init.details;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `error` was raised by this package (any copy of it). */
  static is(error: unknown): error is DruidError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

function hasCode(error: unknown, code: DruidErrorCode): boolean {
  return DruidError.is(error) && error.code === code;
}

/** The request a failure belongs to. `url` carries no credentials; `requestId` is what was sent as `x-request-id`. */
export interface RequestDetails {
  readonly method: string;
  readonly url: string;
  readonly requestId?: string;
}

/** Details of {@link DruidConfigError}: the option at fault. */
export interface ConfigDetails {
  readonly option: string;
}

/** The client was constructed or called with something that can never work. */
export class DruidConfigError extends DruidError<ConfigDetails> {
  readonly code = 'DRUID_CONFIG' as const;
  static override is(error: unknown): error is DruidConfigError {
    return hasCode(error, 'DRUID_CONFIG');
  }
}

/** Details of {@link DruidConnectionError}: `reason` is the system's code, such as `ECONNREFUSED`. */
export interface ConnectionDetails extends RequestDetails {
  readonly reason: string;
  /** False only if the server cannot have got the request: sending it again, there or elsewhere, repeats nothing. */
  readonly mayHaveArrived: boolean;
  /** Set with the reason `CIRCUIT_OPEN`: nothing was sent, since the server has left many requests unanswered. */
  readonly circuit?: OpenCircuit;
}

/** Why a server is left alone, and for how long. */
export interface OpenCircuit {
  /** Requests in a row without an answer. */
  readonly failures: number;
  /** Epoch milliseconds: the first of them, and when the server is tried again. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The last one's, such as `ECONNREFUSED`. */
  readonly reason: string;
}

/** No answer, or the connection broke before the first row. */
export class DruidConnectionError extends DruidError<ConnectionDetails> {
  readonly code = 'DRUID_CONNECTION' as const;
  static override is(error: unknown): error is DruidConnectionError {
    return hasCode(error, 'DRUID_CONNECTION');
  }
}

/** Details of {@link DruidTimeoutError}. `lastSeen` is the last state a waiting call saw. */
export interface TimeoutDetails {
  readonly operation: string;
  readonly timeoutMs: number;
  readonly requestId?: string;
  readonly lastSeen?: unknown;
}

/** A time limit of this client passed (Druid's own query time-out is a {@link DruidRemoteError}). */
export class DruidTimeoutError extends DruidError<TimeoutDetails> {
  readonly code = 'DRUID_TIMEOUT' as const;
  static override is(error: unknown): error is DruidTimeoutError {
    return hasCode(error, 'DRUID_TIMEOUT');
  }
}

/** What Druid said in its error body; every field is present only if Druid sent it. */
export interface DruidErrorBody {
  readonly error?: string;
  readonly errorCode?: string;
  readonly category?: string;
  readonly persona?: string;
  readonly errorMessage?: string;
  readonly errorClass?: string;
  readonly host?: string;
  readonly context?: Readonly<Record<string, unknown>>;
}

/** Where in a statement Druid found an error; lines and columns count from 1, the end is inclusive. */
export interface SqlErrorPosition {
  readonly line: number;
  readonly column: number;
  readonly endLine?: number;
  readonly endColumn?: number;
  /** The line, and a caret below it. */
  readonly excerpt: string;
}

/** Details of {@link DruidRemoteError}. `bodyExcerpt` is set when the body was not Druid's JSON. */
export interface RemoteDetails extends RequestDetails {
  readonly status: number;
  readonly druid: DruidErrorBody;
  readonly bodyExcerpt?: string;
  /** Milliseconds after which the server wants to be asked again, if it said so. */
  readonly retryAfterMs?: number | undefined;
  /** Set for an error in an SQL statement whose place Druid tells. */
  readonly sqlPosition?: SqlErrorPosition;
}

/** Druid (or something in front of it) refused or failed the request. */
export class DruidRemoteError extends DruidError<RemoteDetails> {
  readonly code = 'DRUID_REMOTE' as const;
  static override is(error: unknown): error is DruidRemoteError {
    return hasCode(error, 'DRUID_REMOTE');
  }
}

/** Details of {@link DruidThrottledError}. `retryAfterMs` is what the server asked for, if it did. */
export interface ThrottledDetails extends RemoteDetails {
  readonly retryAfterMs: number | undefined;
}

/** HTTP 429: the query lanes or the task queue are full. Wait `retryAfterMs`, then repeat. */
export class DruidThrottledError extends DruidError<ThrottledDetails> {
  readonly code = 'DRUID_THROTTLED' as const;
  static override is(error: unknown): error is DruidThrottledError {
    return hasCode(error, 'DRUID_THROTTLED');
  }
  get retryAfterMs(): number | undefined {
    return this.details.retryAfterMs;
  }
}

/** Details of {@link DruidTruncatedError}. `serverMessage` is Druid's trailer `X-Error-Message`, if it arrived. */
export interface TruncatedDetails extends RequestDetails {
  readonly rowsReceived: number;
  readonly queryId: string;
  readonly serverMessage?: string;
}

/** A result that began with HTTP 200 broke off. The rows delivered so far are genuine, but not all there are. */
export class DruidTruncatedError extends DruidError<TruncatedDetails> {
  readonly code = 'DRUID_TRUNCATED' as const;
  static override is(error: unknown): error is DruidTruncatedError {
    return hasCode(error, 'DRUID_TRUNCATED');
  }
  get rowsReceived(): number {
    return this.details.rowsReceived;
  }
}

/** Details of {@link DruidDecodeError}. `row` counts from 0 within the result. */
export interface DecodeDetails {
  readonly operation: string;
  readonly column?: string;
  readonly row?: number;
  readonly value?: string;
}

/** The server's answer is not what was expected: not JSON, another shape, or an integer that would lose digits. */
export class DruidDecodeError extends DruidError<DecodeDetails> {
  readonly code = 'DRUID_DECODE' as const;
  static override is(error: unknown): error is DruidDecodeError {
    return hasCode(error, 'DRUID_DECODE');
  }
}

/** Details of {@link DruidAbortedError}. */
export interface AbortedDetails {
  readonly operation: string;
}

/** The caller's `AbortSignal` fired, or the client was closed. */
export class DruidAbortedError extends DruidError<AbortedDetails> {
  readonly code = 'DRUID_ABORTED' as const;
  static override is(error: unknown): error is DruidAbortedError {
    return hasCode(error, 'DRUID_ABORTED');
  }
}
