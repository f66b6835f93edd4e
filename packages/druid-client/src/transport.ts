/**
 * Requests to Druid as the API files make them: addresses, fail-over, redirects, retries, time limits, refusals as errors.
 *
 * Boundary: knows HTTP and Druid's error bodies, but no API. Nothing is buffered here but the bodies of refusals.
 *
 * Invariant 1: a redirect keeps method and body, and never leaves https.
 * Invariant 2: after `close()`, its own or that of the transport it comes from, no request starts, and those under way end in
 *   DruidAbortedError.
 * Invariant 3: refused credentials are asked for once more per request, and only where they were sent at all.
 */
import { readAtMost, wholeBody, type DruidResponse } from './body-chunks.js';
import { credentialsAt, resolveCredentials, type Credentials } from './credentials.js';
import { DruidAbortedError, DruidConfigError, type DruidError } from './errors.js';
import { HttpExchange } from './http-exchange.js';
import {
  requirePositive,
  resolveRuntime,
  timerMs,
  type DruidClientOptions,
  type Runtime,
  type ServerChange,
} from './options.js';
import type { DruidRequest } from './request.js';
import { errorOfResponse } from './response-error.js';
import { defaultRetryPolicy, withRetry, type RetryPolicy } from './retry.js';
import { onAbort, throwIfAborted } from './sleep.js';
import type { CircuitState } from './transport/circuit.js';
import { ServerList } from './transport/server-list.js';

// A management call answers from memory or one metadata query.
const managementTimeoutMs = 60_000;
// Druid's default query time-out is 300 s; waiting a little longer lets its own, better error arrive.
const queryTimeoutMs = 305_000;
const maxRedirects = 5;
const maxErrorBodyBytes = 65_536;
// What may stand in a header: ids of queries are the caller's.
const headerId = /^[\x21-\x7e]{1,200}$/;

/** A signal that stands for several; `release` it, or a long-lived source collects listeners. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  release(): void;
}

/** A server as the client sees it. */
export interface DruidServerState {
  /** Without credentials. */
  readonly url: string;
  /** Whether calls go to it at present. */
  readonly isCurrent: boolean;
  /** `closed`: it is asked; `open`: it has not answered of late, and is left alone; `half-open`: it is tried just now. */
  readonly circuit: CircuitState['name'];
}

/** See the head of the file. */
export class Transport {
  readonly runtime: Runtime;
  private readonly retryPolicy: RetryPolicy;
  private readonly timeoutOptionMs: number | undefined;
  private readonly credentials: Credentials;
  private readonly servers: ServerList;
  private readonly exchange: HttpExchange;
  /** Holds secrets: not to be seen when a client is printed. */
  readonly #options: DruidClientOptions;
  private readonly closing = new AbortController();
  /** That end its requests: its own closing, and that of those it comes from. */
  private readonly endings: readonly AbortSignal[];

  /** With a `lender`: for other servers, as {@link Transport.withUrl} says. */
  constructor(
    options: DruidClientOptions,
    lender?: { readonly transport: Transport; readonly change: ServerChange },
  ) {
    requirePositive('timeoutMs', options.timeoutMs);
    for (const [name, value] of Object.entries(options.retry ?? {})) requirePositive(`retry.${name}`, value);
    this.timeoutOptionMs = options.timeoutMs;
    this.runtime = resolveRuntime(options);
    this.retryPolicy = { ...defaultRetryPolicy, ...options.retry };
    this.#options = options;
    const { transport, change = {} } = lender ?? {};
    this.endings = [...(transport?.endings ?? []), this.closing.signal];
    this.credentials =
      transport === undefined
        ? resolveCredentials(options, this.runtime.now)
        : credentialsAt(options.url, transport.credentials);
    this.servers = new ServerList(this.credentials.baseUrls);
    const exchange = transport && { exchange: transport.exchange, change };
    this.exchange = new HttpExchange(options, this.credentials, this.runtime, exchange);
  }

  /** To other servers, over the connections and with the credentials of this one. @throws DruidConfigError */
  withUrl(url: string | readonly string[], change: ServerChange): Transport {
    return new Transport({ ...this.#options, ...change, url }, { transport: this, change });
  }

  /** The address of the server that calls go to at present, without credentials. */
  get baseUrl(): string {
    return this.servers.current;
  }

  /** All servers, in the order of the option `url`. */
  serverStates(): DruidServerState[] {
    return this.servers.urls.map((url) => ({
      url,
      isCurrent: url === this.servers.current,
      circuit: this.exchange.circuits.stateOf(new URL(url).origin).name,
    }));
  }

  /** Sends with retries by `request.kind` and returns the whole body as text. @throws DruidError */
  text(request: DruidRequest): Promise<{ response: DruidResponse; text: string }> {
    return this.retrying(request, (server) => this.textOnce({ ...request, server }));
  }

  /** One attempt of {@link Transport.text}. */
  async textOnce(request: DruidRequest): Promise<{ response: DruidResponse; text: string }> {
    const { response, body } = await this.bodyOnce(request);
    return { response, text: body.toString('utf8') };
  }

  /** As {@link Transport.text}, undecoded. */
  async bytes(request: DruidRequest): Promise<Buffer> {
    return (await this.retrying(request, (server) => this.bodyOnce({ ...request, server }))).body;
  }

  private async bodyOnce(request: DruidRequest): Promise<{ response: DruidResponse; body: Buffer }> {
    const response = await this.send(request);
    const { operation } = request;
    const joined = this.signalOf(request);
    try {
      const limits = { operation, timeoutMs: this.timeoutMs(request), signal: joined.signal };
      return { response, body: await wholeBody(response, limits) };
    } finally {
      joined.release();
    }
  }

  /** Runs `attempt` under the retry policy for this request's kind, with the server that it shall ask. */
  async retrying<T>(request: DruidRequest, attempt: (server: string) => Promise<T>): Promise<T> {
    const { kind, operation } = request;
    const { retryPolicy: policy, runtime, servers } = this;
    const { hooks } = this.exchange;
    const { signal, release } = this.signalOf(request); // invariant 2, for the pauses as well
    try {
      return await withRetry({ kind, operation, signal, policy, runtime, servers, hooks }, attempt);
    } finally {
      release();
    }
  }

  /** One attempt; the answer is 2xx and its body unread. The caller must read it to the end or destroy it. */
  async send(request: DruidRequest): Promise<DruidResponse> {
    const joined = this.signalOf(request);
    try {
      return await this.follow(request, joined.signal);
    } finally {
      joined.release();
    }
  }

  /** Milliseconds that a request may wait for the server. */
  timeoutMs(request: DruidRequest): number {
    requirePositive('timeoutMs', request.timeoutMs);
    const fallback = request.kind === 'query' ? queryTimeoutMs : managementTimeoutMs;
    return timerMs(request.timeoutMs ?? this.timeoutOptionMs ?? fallback);
  }

  /** The request's signal joined with the client's own. */
  signalOf(request: Pick<DruidRequest, 'signal' | 'survivesClose'>): JoinedSignal {
    const joined = new AbortController();
    const sources = [
      ...(request.survivesClose === true ? [] : this.endings),
      ...(request.signal ? [request.signal] : []),
    ];
    const abort = () => joined.abort(sources.find((source) => source.aborted)?.reason);
    const releases = sources.map((source) => onAbort(source, abort));
    if (sources.some((source) => source.aborted)) abort();
    return { signal: joined.signal, release: () => releases.forEach((release) => release()) };
  }

  /** Ends all requests under way and frees the connections (invariant 2). Safe to call again. */
  close(): void {
    const message = 'The Druid client was closed.';
    this.closing.abort(new DruidAbortedError({ message, details: { operation: 'request' } }));
    this.exchange.close();
  }

  private async follow(request: DruidRequest, signal: AbortSignal): Promise<DruidResponse> {
    const requestId = headerId.test(request.requestId ?? '')
      ? (request.requestId as string)
      : this.runtime.createRequestId();
    const call = { request, requestId, timeoutMs: this.timeoutMs(request), signal };
    let url = this.urlOf(request);
    let redirectedFrom: string | undefined;
    let isRefresh = false;
    for (let hop = 0; ; hop++) {
      const { response, auth } = await this.exchange.send({ ...call, url, redirectedFrom, isRefresh });
      const { status, headers } = response;
      if (status >= 200 && status < 300) return response;
      // A 401 has no effect, so sending again with new credentials repeats nothing.
      if (status === 401 && !isRefresh && auth !== undefined && this.credentials.refused(auth)) {
        response.body.destroy();
        isRefresh = true; // invariant 3
        continue;
      }
      const isRedirect =
        status === 307 || status === 308 || (request.method === 'GET' && status >= 301 && status <= 303);
      const isEndlessRedirect = isRedirect && hop >= maxRedirects;
      const target = isRedirect && !isEndlessRedirect ? redirectTarget(url, headers.location) : undefined;
      if (target === undefined) throw await this.refusal(response, request, { signal, isEndlessRedirect });
      response.body.destroy();
      requireSecure(url, target); // invariant 1
      redirectedFrom = new URL(url).origin;
      url = target;
    }
  }

  private urlOf(request: DruidRequest): string {
    const pairs = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
    );
    const server = request.server ?? this.baseUrl;
    return `${server}${request.path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
  }

  private async refusal(
    response: DruidResponse,
    request: DruidRequest,
    { signal, isEndlessRedirect }: { readonly signal: AbortSignal; readonly isEndlessRedirect: boolean },
  ): Promise<DruidError> {
    const { method, url, requestId, status, headers } = response;
    const limits = { maxBytes: maxErrorBodyBytes, timeoutMs: this.timeoutMs(request), signal };
    const body = await readAtMost(response, limits);
    throwIfAborted(request.operation, signal);
    return errorOfResponse(
      {
        method,
        url,
        ...(requestId === undefined ? {} : { requestId }),
        status,
        contentType: headers['content-type'] ?? '',
        retryAfter: headers['retry-after'],
        isEndlessRedirect,
        body: this.credentials.redact(body),
      },
      this.runtime.now(),
    );
  }
}

/** Where a redirect leads; undefined where that is no address. */
function redirectTarget(from: string, location = ''): string | undefined {
  if (location === '' || !URL.canParse(location, from)) return undefined;
  const target = new URL(location, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') return undefined;
  // A redirect must not put credentials into a URL that messages quote.
  target.username = '';
  target.password = '';
  return target.href;
}

function requireSecure(from: string, to: string): void {
  if (!from.startsWith('https:') || to.startsWith('https:')) return;
  throw new DruidConfigError({
    message: `Refused the redirect from ${from} to ${new URL(to).origin}: it would leave https. Give the leader's address in 'url', or mend what redirects.`,
    details: { option: 'url' },
  });
}
