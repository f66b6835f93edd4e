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
  readonly kind: RequestKind;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** Sent even while the client closes: cancelling a query is part of closing. */
  readonly survivesClose?: boolean;
}

/** Percent-encodes the values between literal parts: path\`/druid/indexer/v1/task/${id}/status\`. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.reduce((whole, part, i) => `${whole}${encodeURIComponent(values[i - 1] ?? '')}${part}`);
}
