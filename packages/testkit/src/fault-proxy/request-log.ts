import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ProxyFault } from './proxy-fault.js';

/**
 * How a request ended: `answered` to its last byte, `broken` by the proxy or by the upstream server, `client-gone`
 * before the answer was complete, or still `pending`.
 */
export type ProxiedOutcome = 'pending' | 'answered' | 'broken' | 'client-gone';

/** A request as the proxy saw it. It goes on changing until `outcome` is no longer `pending`. */
export interface ProxiedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With its question mark; '' without a query. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as far as it has arrived, at most the first `maxLoggedBodyBytes` of it. */
  readonly body: string;
  /** Bytes of the body that have arrived. */
  readonly bodyBytes: number;
  readonly fault: ProxyFault | undefined;
  /** Whether the request was passed on to the upstream server. */
  readonly forwarded: boolean;
  /** The status that the client was sent. */
  readonly status: number | undefined;
  /** Bytes of body that were handed to the client's connection. */
  readonly sentBytes: number;
  readonly outcome: ProxiedOutcome;
  /** What broke, if it was neither the fault nor the client: the upstream server, or a `tick` that threw. */
  readonly error: unknown;
}

/** See {@link ProxiedRequest}. */
export class LoggedRequest implements ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly fault: ProxyFault | undefined;
  bodyBytes = 0;
  forwarded = false;
  status: number | undefined;
  sentBytes = 0;
  outcome: ProxiedOutcome = 'pending';
  error: unknown;
  readonly #parts: Buffer[] = [];
  readonly #maxBodyBytes: number;
  readonly #onChange: () => void;
  #keptBytes = 0;

  constructor(
    request: IncomingMessage,
    options: {
      readonly maxBodyBytes: number;
      readonly faultFor: (method: string, path: string) => ProxyFault | undefined;
      readonly onChange: () => void;
    },
  ) {
    const { method = 'GET', url = '/', headers } = request;
    const mark = url.indexOf('?');
    this.method = method;
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? '' : url.slice(mark);
    this.headers = headers;
    this.fault = options.faultFor(this.method, this.path);
    this.#maxBodyBytes = options.maxBodyBytes;
    this.#onChange = options.onChange;
  }

  get body(): string {
    return Buffer.concat(this.#parts).toString('utf8');
  }

  /** Notes a piece of the request's body. */
  received(part: Buffer): void {
    this.bodyBytes += part.length;
    const room = this.#maxBodyBytes - this.#keptBytes;
    if (room > 0) {
      const kept = part.subarray(0, room);
      this.#keptBytes += kept.length;
      this.#parts.push(kept);
    }
    this.#onChange();
  }

  /** Notes the head of the answer. */
  began(status: number): void {
    this.status = status;
    this.#onChange();
  }

  /** Notes bytes of body that are on their way to the client. */
  sent(bytes: number): void {
    this.sentBytes += bytes;
    this.#onChange();
  }

  /** Notes how the request ended; the first word counts. */
  ended(outcome: Exclude<ProxiedOutcome, 'pending'>, error?: unknown): void {
    if (this.outcome !== 'pending') return;
    this.outcome = outcome;
    this.error = error;
    this.#onChange();
  }
}
