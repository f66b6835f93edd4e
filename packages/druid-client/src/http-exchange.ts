/**
 * One HTTP exchange: authentication, time limit, abort, and network failures as the package's own errors.
 *
 * Boundary: the only file that knows the HTTP library. Answers come back as unread streams, whatever their status.
 *
 * Invariant 1: the HTTP library's error objects, which hold the request's headers, never leave this file.
 * Invariant 2: credentials go to the configured hosts and to `trustedHosts` only.
 * Invariant 3: `details.mayHaveArrived` of an error is false only if no connection to send on was made.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import type { Readable } from 'node:stream';
import axios, { isAxiosError, type AxiosInstance, type AxiosResponse } from 'axios';
import type { DruidResponse } from './body-chunks.js';
import type { AuthHeaders, Credentials } from './credentials.js';
import { DruidConfigError, DruidConnectionError, DruidError, DruidTimeoutError } from './errors.js';
import { unpacked } from './gzip-body.js';
import { encodeJson } from './json-encode.js';
import { requirePositive, type DruidClientOptions, type Runtime, type ServerChange } from './options.js';
import { requestSuffix, type DruidRequest } from './request.js';
import { aborted, throwIfAborted } from './sleep.js';
import { defaultCircuitPolicy } from './transport/circuit.js';
import { Circuits } from './transport/circuits.js';
import { connectionHint, neverMends } from './transport/connection-hint.js';
import { ConnectionSlots } from './transport/connection-slots.js';
import { Connections, type Route } from './transport/connections.js';
import { HookCaller, type DruidRequestInfo } from './transport/hooks.js';

const defaultMaxConnections = 128;

/** What to send, and where. */
export interface ExchangeCall {
  readonly request: DruidRequest;
  readonly url: string;
  readonly requestId: string;
  readonly timeoutMs: number;
  /** The caller's and the client's in one. */
  readonly signal: AbortSignal;
  /** The server has refused the credentials of the try before. */
  readonly isRefresh: boolean;
  /** Who named this address as the leader's. */
  readonly redirectedFrom: string | undefined;
}

/** An answer, and the credentials that it was given to; undefined if none were sent. */
export interface ExchangeAnswer {
  readonly response: DruidResponse;
  readonly auth: AuthHeaders | undefined;
}

interface Answered {
  readonly info: DruidRequestInfo;
  readonly startedMs: number;
  readonly isComplete: () => boolean;
  readonly release: () => void;
}

/** See the head of the file. */
export class HttpExchange {
  readonly hooks: HookCaller;
  readonly circuits: Circuits;
  private readonly credentials: Credentials;
  private readonly runtime: Runtime;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly requestIdHeader: string | false;
  private readonly trustedHosts: ReadonlySet<string>;
  private readonly connections: Connections;
  private readonly slots: ConnectionSlots;
  private readonly maxConnections: number;
  private readonly connectTimeoutMs: number | undefined;
  private readonly isLent: boolean;
  private readonly http: AxiosInstance;

  /** With a `lender`: over its connections, within its limits, which stay its to close. */
  constructor(
    options: DruidClientOptions,
    credentials: Credentials,
    runtime: Runtime,
    lender?: { readonly exchange: HttpExchange; readonly change: ServerChange },
  ) {
    this.credentials = credentials;
    this.runtime = runtime;
    this.headers = lowerCased(options.headers);
    const { requestIdHeader = 'x-request-id' } = options;
    this.requestIdHeader = requestIdHeader === false ? false : requestIdHeader.toLowerCase();
    const hosts = credentials.baseUrls.map((url) => new URL(url).hostname);
    this.trustedHosts = new Set([...hosts, ...(options.trustedHosts ?? []).map(trustedHost)]);
    const { exchange, change } = lender ?? {};
    this.isLent = exchange !== undefined;
    this.connections = exchange?.connections ?? new Connections(options);
    requirePositive('connectTimeoutMs', change?.connectTimeoutMs);
    this.connectTimeoutMs = change?.connectTimeoutMs;
    this.maxConnections = options.pool?.maxConnections ?? defaultMaxConnections;
    this.slots = exchange?.slots ?? new ConnectionSlots(this.maxConnections);
    this.hooks = exchange?.hooks ?? new HookCaller(options.hooks, runtime.logger);
    const known = change?.circuit === undefined ? exchange?.circuits : undefined;
    this.circuits = known ?? this.circuitsOf(options);
    this.http = exchange?.http ?? createHttp();
  }

  private circuitsOf(options: DruidClientOptions): Circuits {
    const { minOutageMs, ...others } = options.circuit || {};
    if (minOutageMs !== 0) requirePositive('circuit.minOutageMs', minOutageMs);
    for (const [name, value] of Object.entries(others)) requirePositive(`circuit.${name}`, value);
    const policy = options.circuit === false ? undefined : { ...defaultCircuitPolicy, ...options.circuit };
    return new Circuits(policy, this.runtime.now, (server, state) => {
      const { failures = 0, sinceMs } = state.trouble ?? {};
      const untilMs = state.name === 'closed' ? undefined : state.untilMs;
      this.hooks.call('onCircuit', () => ({ server, state: state.name, failures, sinceMs, untilMs }));
    });
  }

  /** Sends once, over one connection; over a new one where the server has just closed a kept one. @throws DruidError */
  async send(call: ExchangeCall): Promise<ExchangeAnswer> {
    const { request, url, requestId, timeoutMs, signal } = call;
    const { operation, method } = request;
    throwIfAborted(operation, signal);
    const body = bodyOf(request, url);
    const pass = this.circuits.enter({ ...request, url, requestId });
    const limit = new AbortController();
    const onAbort = () => limit.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(onAbort, timeoutMs);
    let release = () => {};
    const routes: Route[] = [];
    let startedMs = this.runtime.now();
    try {
      const { headers, auth } = await untilAborted(this.headersFor(call, body), limit.signal);
      // A cancellation frees connections: it does not wait for one.
      if (request.survivesClose !== true) release = await this.slots.take(new URL(url).origin, limit.signal);
      const info = { requestId, operation, method, url };
      this.hooks.call('onRequest', () => ({
        ...info,
        headers: this.credentials.redactHeaders(headers),
        ...(body !== undefined && this.hooks.hooks.includeBody
          ? { body: this.credentials.redact(body) }
          : {}),
      }));
      startedMs = this.runtime.now();
      const sendOver = (isFresh: boolean) => {
        const { connectTimeoutMs } = this;
        const isTrusted = auth !== undefined;
        const route = this.connections.route(url, { isFresh, isTrusted, connectTimeoutMs });
        routes.push(route);
        return this.http.request<Readable>({
          url,
          method,
          headers,
          signal: limit.signal,
          ...(body === undefined ? {} : { data: body }),
          ...route.config,
        });
      };
      // What must not be repeated gets a new connection.
      const answer = await sendOver(request.kind === 'once').catch((error: unknown) => {
        if (!wasClosedIdle(error, routes[0])) throw error;
        this.runtime.logger.debug('Druid: the server has closed a kept connection, trying a new one', info);
        return sendOver(true);
      });
      pass.answered();
      const packed = toDruidResponse(answer, info);
      const response = request.gzip === true ? unpacked(packed) : packed;
      const isComplete = () => (packed.body as IncomingMessage).complete;
      this.watch(response, { info, startedMs, isComplete, release });
      return { response, auth };
    } catch (cause) {
      release();
      const error = this.failure(cause, call, limit.signal, routes);
      if (DruidConnectionError.is(error)) pass.unanswered(error.details.reason);
      else if (DruidTimeoutError.is(error) && routes.length > 0) pass.unanswered('time-out');
      else pass.givenUp();
      const durationMs = this.runtime.now() - startedMs;
      this.hooks.call('onFailure', () => ({ requestId, operation, method, url, durationMs, error }));
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Closes the kept connections, unless they are lent. */
  close(): void {
    if (!this.isLent) this.connections.close();
  }

  private async headersFor(
    { request, url, requestId, isRefresh }: ExchangeCall,
    body: string | undefined,
  ): Promise<{ headers: Record<string, string>; auth: AuthHeaders | undefined }> {
    const headers: Record<string, string> = {
      accept: 'application/json, text/plain;q=0.9',
      'accept-encoding': request.gzip === true ? 'gzip' : 'identity',
      'user-agent': 'millrace-druid-client',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(this.requestIdHeader === false ? {} : { [this.requestIdHeader]: requestId }),
    };
    const ofRequest = lowerCased(request.headers);
    if (!this.trustedHosts.has(new URL(url).hostname)) {
      return { headers: { ...headers, ...ofRequest }, auth: undefined }; // invariant 2
    }
    const auth = await this.credentials.headersFor({ method: request.method, url, body, isRefresh });
    return { headers: { ...headers, ...this.headers, ...ofRequest, ...auth.headers }, auth };
  }

  /** Reports the answer, and its end, which frees its slot. */
  private watch({ status, body, received }: DruidResponse, answer: Answered): void {
    const { info, startedMs, isComplete, release } = answer;
    const event = () => ({ ...info, status, durationMs: this.runtime.now() - startedMs });
    this.hooks.call('onResponse', event);
    body.once('close', () => {
      release();
      this.hooks.call('onEnd', () => ({ ...event(), bytes: received.bytes, isComplete: isComplete() }));
    });
  }

  private failure(
    error: unknown,
    call: ExchangeCall,
    limit: AbortSignal,
    routes: readonly Route[],
  ): DruidError {
    const { request, url, requestId, timeoutMs, signal } = call;
    const { operation, method } = request;
    if (signal.aborted) return aborted(operation, signal);
    if (DruidError.is(error)) return error;
    const route = routes.at(-1);
    const isWaiting = route === undefined;
    if (limit.aborted) {
      const what = isWaiting
        ? `was not sent within ${timeoutMs} ms: no token came, or all ${this.maxConnections} connections are in use. Read results to their end or leave them, or raise 'pool.maxConnections'`
        : `did not answer within ${timeoutMs} ms. Is Druid overloaded? Otherwise raise 'timeoutMs'`;
      return new DruidTimeoutError({
        message: `${method} ${url} ${what}.${requestSuffix(requestId)}`,
        details: { operation, timeoutMs, requestId },
        retryable: true,
      });
    }
    const { code, message } = error as { code?: string; message?: string };
    const words = this.credentials.redact(message === undefined || message === '' ? String(code) : message);
    if (isWaiting || !isAxiosError(error)) {
      // Not the network: the caller's function, or a header value that HTTP does not allow.
      return new DruidConfigError({
        message: `${method} ${url} could not be prepared: ${words}. Look at the function in option 'auth', and at 'headers'.`,
        details: { option: 'auth or headers' },
        retryable: isWaiting,
      });
    }
    const reason = code ?? 'unknown';
    const via = route.proxy === undefined ? '' : ` via the proxy ${route.proxy}`;
    const mayHaveArrived = routes.some((each) => each.isConnected()); // invariant 3
    const { redirectedFrom } = call;
    const hint = connectionHint(reason, { url, proxy: route.proxy, redirectedFrom });
    const doubt =
      mayHaveArrived && request.kind === 'once'
        ? ' It may have had its effect: look before you send it again.'
        : '';
    return new DruidConnectionError({
      message: `${method} ${url}${via} failed: ${words} (${reason}).${hint}${doubt}${requestSuffix(requestId)}`,
      details: { method, url, requestId, reason, mayHaveArrived },
      retryable: !neverMends(reason),
      cause: Object.assign(new Error(words), { code: reason }), // invariant 1
    });
  }
}

/** Servers close connections that idle; who sends just then hears of it. Only what may be repeated is sent over a kept one. */
function wasClosedIdle(error: unknown, route: Route | undefined): boolean {
  const { code } = error as { readonly code?: string };
  return route?.isKept() === true && (code === 'ECONNRESET' || code === 'EPIPE');
}

function createHttp(): AxiosInstance {
  return axios.create({
    responseType: 'stream', // so the library parses nothing and cannot swallow a parse error
    maxRedirects: 0, // followed by the transport: a 307 must keep its method, its body and, if trusted, its credentials
    maxBodyLength: Infinity, // an inline task spec may be tens of megabytes
    // Not Infinity: any limit wraps the answer in a second stream, which cannot be destroyed while the server is silent.
    maxContentLength: -1,
    decompress: false,
    validateStatus: () => true,
    transformRequest: [(data: unknown) => data],
  });
}

function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function trustedHost(text: string): string {
  const address = `http://${isIPv6(text) ? `[${text}]` : text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && url.href === `http://${url.hostname}/`) return url.hostname;
  throw new DruidConfigError({
    // Not echoed: an address may hold a password.
    message:
      "Option 'trustedHosts' holds what is no host name; give names such as 'overlord.example', without scheme and port.",
    details: { option: 'trustedHosts' },
  });
}

function bodyOf({ method, body }: DruidRequest, url: string): string | undefined {
  try {
    return body === undefined ? undefined : encodeJson(body);
  } catch (error) {
    throw new DruidConfigError({
      message: `The body of ${method} ${url} cannot be written as JSON: ${(error as Error).message}`,
      details: { option: 'body' },
    });
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, abort]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function toDruidResponse(response: AxiosResponse<Readable>, info: DruidRequestInfo): DruidResponse {
  const incoming = (response.request as { res?: IncomingMessage } | undefined)?.res;
  const { method, url, requestId } = info;
  return {
    method,
    url,
    requestId,
    status: response.status,
    headers: { ...response.headers } as IncomingHttpHeaders,
    trailers: () => incoming?.trailers ?? {},
    body: response.data,
    received: { bytes: 0 },
  };
}
