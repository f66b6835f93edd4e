import type { RequestKind } from './retry.js';

/** A request to one of Druid's paths. */
export interface DruidRequest {
  /** Names the request in messages, such as `SQL query`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Begins with a slash; ids inside are percent-encoded by {@link path}. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON; bigint is allowed. */
  readonly body?: unknown;
  /** Headers of this request alone, such as Druid's audit headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether the server may compress its answer. */
  readonly gzip?: boolean | undefined;
  readonly kind: RequestKind;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** Sent even while the client closes, and without waiting for a free connection: cancelling a query is part of closing. */
  readonly survivesClose?: boolean;
  /** Sent to a server that has not answered of late, too: the request asks just that, or concerns nobody else. */
  readonly ignoresCircuit?: boolean;
  /** The server to ask, as one of the client's base addresses; default the one that answers at present. */
  readonly server?: string | undefined;
  /** Default: a new one for each attempt. */
  readonly requestId?: string | undefined;
}

/** Percent-encodes the values between literal parts: path\`/druid/indexer/v1/task/${id}/status\`. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.reduce((whole, part, i) => `${whole}${encodeURIComponent(values[i - 1] ?? '')}${part}`);
}

/** How messages name a request. */
export function requestSuffix(requestId: string | undefined): string {
  return requestId === undefined ? '' : ` [request ${requestId}]`;
}
