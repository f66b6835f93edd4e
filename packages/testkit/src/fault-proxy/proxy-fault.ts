/**
 * The faults that a {@link FaultProxy} injects, as plain data: a test can list, print and compare them.
 *
 * Sizes are bytes of the body as it travels (after compression, before chunking).
 */
import { FaultProxyError } from './fault-proxy-error.js';

/** Whether the upstream server gets the request first, and its answer is thrown away. */
interface Handled {
  /**
   * Default false: the upstream server never hears of the request. True: the request takes effect, its answer is read
   * to the end and thrown away, and only then the fault happens. This is how an answer gets lost.
   */
  readonly handled?: boolean;
}

/** The server breaks the connection (TCP RST) without an answer. */
export interface ResetFault extends Handled {
  readonly type: 'reset';
}

/** The answer begins, and after `afterBytes` of its body the connection is reset. */
export interface ResetMidBodyFault {
  readonly type: 'reset-mid-body';
  readonly afterBytes: number;
}

/** The server dies: this connection is reset, and all later ones are refused until {@link FaultProxy.accept}. */
export interface GoDownFault extends Handled {
  readonly type: 'go-down';
}

/**
 * The body is cut after `afterBytes`, but HTTP says that it is complete: the last chunk is sent. This is what Druid's
 * Broker does when a query fails while its result is streamed. A body that had a `Content-Length` becomes chunked.
 */
export interface TruncateFault {
  readonly type: 'truncate';
  readonly afterBytes: number;
  /** Trailers to announce and to send instead of the upstream's, such as `X-Error-Message`; default none at all. */
  readonly trailers?: Readonly<Record<string, string>>;
}

/** The body comes in pieces of `bytesPerTick`, each after `tick()` has resolved: a clock that the test owns. */
export interface DripFault {
  readonly type: 'drip';
  readonly bytesPerTick: number;
  readonly tick: () => Promise<unknown>;
}

/** The server takes the request and says nothing. With `afterBytes` it falls silent inside the body instead. */
export interface SilenceFault extends Handled {
  readonly type: 'silence';
  readonly afterBytes?: number;
}

/** Any answer, in place of the upstream's. Without a body it is empty. */
export interface AnswerFault extends Handled {
  readonly type: 'answer';
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** An error page for humans, as gateways and servlet containers send it. */
export interface HtmlPageFault extends Handled {
  readonly type: 'html-page';
  readonly status: number;
}

/** 429. `retryAfter` in seconds, or as a `Date`, which is sent as an HTTP date; default without the header. */
export interface ThrottledFault extends Handled {
  readonly type: 'throttled';
  readonly retryAfter?: number | Date;
}

/** The upstream's answer under another `Content-Type`; `undefined` leaves the header out. */
export interface ContentTypeFault {
  readonly type: 'content-type';
  readonly value: string | undefined;
}

/** The upstream's whole body, chunked, with these trailers instead of its own; `{}` sends none. */
export interface TrailersFault {
  readonly type: 'trailers';
  readonly trailers: Readonly<Record<string, string>>;
  /** Names in the `Trailer` header; default those of `trailers`. Names that then do not come are a fault of their own. */
  readonly announce?: readonly string[];
}

/**
 * A redirect that keeps path and query. `to: 'dead'` is an address of this machine where nothing listens, as that of a
 * leader that has just died; otherwise an origin, such as another proxy's `url`.
 */
export interface RedirectFault {
  readonly type: 'redirect';
  readonly to: string;
  /** Default 307, which keeps method and body. */
  readonly status?: 301 | 302 | 303 | 307 | 308;
}

/**
 * 401 as long as the `Authorization` header has the expired value (or is missing); any other value passes.
 * `expired` is the header's whole value, such as `Bearer old`; default the first one that this rule sees.
 */
export interface ExpiredTokenFault {
  readonly type: 'expired-token';
  readonly expired?: string;
}

/** The body compressed with gzip, cut after `afterBytes` with a clean end; without `afterBytes` it is whole. */
export interface GzipFault {
  readonly type: 'gzip';
  readonly afterBytes?: number;
}

/**
 * A `Content-Length` that is `difference` bytes too long (positive) or too short (negative). Too long ends with the
 * connection being closed. The whole answer is held in memory.
 */
export interface ContentLengthFault {
  readonly type: 'content-length';
  readonly difference: number;
}

/** What can go wrong with a request. */
export type ProxyFault =
  | ResetFault
  | ResetMidBodyFault
  | GoDownFault
  | TruncateFault
  | DripFault
  | SilenceFault
  | AnswerFault
  | HtmlPageFault
  | ThrottledFault
  | ContentTypeFault
  | TrailersFault
  | RedirectFault
  | ExpiredTokenFault
  | GzipFault
  | ContentLengthFault;

/** @throws FaultProxyError `bad-fault` for sizes and statuses that can never happen */
export function checkFault(fault: ProxyFault): void {
  if ('afterBytes' in fault && fault.afterBytes !== undefined) whole(fault, 'afterBytes', 0);
  if ('bytesPerTick' in fault) whole(fault, 'bytesPerTick', 1);
  if (fault.type === 'content-length') whole(fault, 'difference', -Infinity);
  if (fault.type === 'silence' && fault.handled === true && fault.afterBytes !== undefined) {
    throw bad(fault, "has both 'handled' and 'afterBytes'; with 'afterBytes' the request is always handled");
  }
  if ('status' in fault && fault.status !== undefined && !(fault.status >= 200 && fault.status <= 599)) {
    throw bad(fault, `has the status ${fault.status}; give one from 200 to 599`);
  }
  if (fault.type === 'redirect' && fault.to !== 'dead' && !URL.canParse(fault.to)) {
    throw bad(fault, `goes to '${fault.to}'; give 'dead' or an origin such as http://127.0.0.1:8081`);
  }
}

function whole<K extends string>(
  fault: ProxyFault & Readonly<Partial<Record<K, number>>>,
  name: K,
  min: number,
): void {
  const value: number | undefined = fault[name];
  if (Number.isSafeInteger(value) && value! >= min) return;
  const range = min === -Infinity ? '' : ` of at least ${min}`;
  throw bad(fault, `has ${name} ${value}; give a whole number${range}`);
}

function bad(fault: ProxyFault, problem: string): FaultProxyError {
  return new FaultProxyError('bad-fault', `The fault '${fault.type}' ${problem}`, {
    details: { fault: fault.type },
  });
}
