/**
 * Requests to Druid as the API files make them: addresses, redirects, retries, time limits, refusals as errors.
 *
 * Boundary: knows HTTP and Druid's error bodies, but no API. Nothing is buffered here but the bodies of refusals.
 *
 * Invariant 1: a redirect keeps method and body, and never leaves https.
 * Invariant 2: after `close()` no request starts, and those under way end in DruidAbortedError.
 */
import { setMaxListeners } from 'node:events';
import { bodyText, readAtMost, type DruidResponse } from './body-chunks.js';
import { resolveCredentials, type Credentials } from './credentials.js';
import { DruidAbortedError, DruidConfigError, DruidRemoteError, type DruidError } from './errors.js';
import { HttpExchange } from './http-exchange.js';
import { requirePositive, resolveRuntime, type DruidClientOptions, type Runtime } from './options.js';
import type { DruidRequest } from './request.js';
import { errorOfResponse } from './response-error.js';
import { defaultRetryPolicy, withRetry, type RetryPolicy } from './retry.js';

// A management call answers from memory or one metadata query.
const managementTimeoutMs = 60_000;
// Druid's default query time-out is 300 s; waiting a little longer lets its own, better error arrive.
const queryTimeoutMs = 305_000;
const maxRedirects = 5;
const maxErrorBodyBytes = 65_536;

/** A signal that stands for several; `release` it, or a long-lived source collects listeners. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  release(): void;
}

/** See the head of the file. */
export class Transport {
  readonly runtime: Runtime;
  private readonly retryPolicy: RetryPolicy;
  private readonly timeoutOptionMs: number | undefined;
  private readonly credentials: Credentials;
  private readonly exchange: HttpExchange;
  private readonly closing = new AbortController();

  constructor(options: DruidClientOptions) {
    requirePositive('timeoutMs', options.timeoutMs);
    for (const [name, value] of Object.entries(options.retry ?? {})) requirePositive(`retry.${name}`, value);
    this.timeoutOptionMs = options.timeoutMs;
    this.runtime = resolveRuntime(options);
    this.retryPolicy = { ...defaultRetryPolicy, ...options.retry };
    this.credentials = resolveCredentials(options);
    this.exchange = new HttpExchange(options, this.credentials);
    setMaxListeners(0, this.closing.signal); // one per request under way is expected, not a leak
  }

  /** The configured address without credentials. */
  get baseUrl(): string {
    return this.credentials.baseUrl;
  }

  /** Sends with retries by `request.kind` and returns the whole body as text. @throws DruidError */
  text(request: DruidRequest): Promise<{ response: DruidResponse; text: string }> {
    return this.retrying(request, () => this.textOnce(request));
  }

  /** One attempt of {@link Transport.text}. */
  async textOnce(request: DruidRequest): Promise<{ response: DruidResponse; text: string }> {
    const response = await this.send(request);
    const { operation } = request;
    const joined = this.signalOf(request);
    try {
      const limits = { operation, timeoutMs: this.timeoutMs(request), signal: joined.signal };
      return { response, text: await bodyText(response, limits) };
    } finally {
      joined.release();
    }
  }

  /** Runs `attempt` under the retry policy for this request's kind. */
  retrying<T>(request: DruidRequest, attempt: (n: number) => Promise<T>): Promise<T> {
    const { kind, operation, signal } = request;
    return withRetry({ kind, operation, signal, policy: this.retryPolicy, runtime: this.runtime }, attempt);
  }

  /** One attempt; the answer is 2xx and its body unread. The caller must read it to the end or destroy it. */
  async send(request: DruidRequest): Promise<DruidResponse> {
    const joined = this.signalOf(request);
    try {
      return await this.follow(request, joined.signal);
    } catch (error) {
      if (!this.credentials.canRefresh || !isUnauthorized(error)) throw error;
      // The token function is asked again: the old token may just have expired. A 401 has no effect, so this repeats nothing.
      return await this.follow(request, joined.signal);
    } finally {
      joined.release();
    }
  }

  /** Milliseconds that a request may wait for the server. */
  timeoutMs(request: DruidRequest): number {
    requirePositive('timeoutMs', request.timeoutMs);
    const fallback = request.kind === 'query' ? queryTimeoutMs : managementTimeoutMs;
    return request.timeoutMs ?? this.timeoutOptionMs ?? fallback;
  }

  /** The request's signal joined with the client's own. */
  signalOf(request: Pick<DruidRequest, 'signal' | 'survivesClose'>): JoinedSignal {
    const joined = new AbortController();
    const sources = [
      ...(request.survivesClose === true ? [] : [this.closing.signal]),
      ...(request.signal ? [request.signal] : []),
    ];
    const onAbort = () => joined.abort(sources.find((source) => source.aborted)?.reason);
    for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
    if (sources.some((source) => source.aborted)) onAbort();
    return {
      signal: joined.signal,
      release: () => sources.forEach((source) => source.removeEventListener('abort', onAbort)),
    };
  }

  /** Ends all requests under way and frees the connections (invariant 2). Safe to call again. */
  close(): void {
    const message = 'The Druid client was closed.';
    this.closing.abort(new DruidAbortedError({ message, details: { operation: 'request' } }));
    this.exchange.close();
  }

  private async follow(request: DruidRequest, signal: AbortSignal): Promise<DruidResponse> {
    let url = this.urlOf(request);
    for (let hop = 0; ; hop++) {
      const response = await this.exchange.send(request, url, this.timeoutMs(request), signal);
      const { status, headers } = response;
      if (status >= 200 && status < 300) return response;
      const isRedirect =
        status === 307 || status === 308 || (request.method === 'GET' && status >= 301 && status <= 303);
      if (!isRedirect || headers.location === undefined || hop >= maxRedirects) {
        throw await this.refusal(response, request);
      }
      response.body.destroy();
      url = redirectTarget(url, headers.location);
    }
  }

  private urlOf(request: DruidRequest): string {
    const pairs = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
    );
    return `${this.baseUrl}${request.path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
  }

  private async refusal(response: DruidResponse, request: DruidRequest): Promise<DruidError> {
    const { method, url, status, headers } = response;
    const body = await readAtMost(response.body, maxErrorBodyBytes, this.timeoutMs(request));
    return errorOfResponse(
      {
        method,
        url,
        status,
        contentType: headers['content-type'] ?? '',
        retryAfter: headers['retry-after'],
        body: this.credentials.redact(body),
      },
      this.runtime.now(),
    );
  }
}

function isUnauthorized(error: unknown): boolean {
  return DruidRemoteError.is(error) && error.details.status === 401;
}

function redirectTarget(from: string, location: string): string {
  const target = new URL(location, from);
  // A redirect must not put credentials into a URL that messages quote.
  target.username = '';
  target.password = '';
  if (new URL(from).protocol !== 'https:' || target.protocol === 'https:') return target.href;
  throw new DruidConfigError({
    message: `Refused the redirect from ${from} to ${target.origin}: it would leave https.`,
    details: { option: 'url' },
  });
}
