/**
 * One HTTP exchange: authentication, time limit, abort, and network failures as the package's own errors.
 *
 * Boundary: the only file that knows the HTTP library. Answers come back as unread streams, whatever their status.
 *
 * Invariant 1: the HTTP library's error objects, which hold the request's headers, never leave this file.
 * Invariant 2: credentials go to the configured host and to `trustedHosts` only.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import axios, { isAxiosError, type AxiosInstance, type AxiosResponse } from 'axios';
import type { DruidResponse } from './body-chunks.js';
import type { Credentials } from './credentials.js';
import { DruidConfigError, DruidConnectionError, DruidError, DruidTimeoutError } from './errors.js';
import { encodeJson } from './json-encode.js';
import type { DruidClientOptions } from './options.js';
import type { DruidRequest } from './request.js';
import { aborted, throwIfAborted } from './sleep.js';

const unreachable: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH']);

/** See the head of the file. */
export class HttpExchange {
  private readonly credentials: Credentials;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly trustedHosts: ReadonlySet<string>;
  private readonly http: AxiosInstance;
  private readonly kept = {
    httpAgent: new HttpAgent({ keepAlive: true }),
    httpsAgent: new HttpsAgent({ keepAlive: true }),
  };
  private readonly fresh = { httpAgent: new HttpAgent(), httpsAgent: new HttpsAgent() };

  constructor(options: DruidClientOptions, credentials: Credentials) {
    this.credentials = credentials;
    const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
    this.headers = Object.fromEntries(headers) as Record<string, string>;
    this.trustedHosts = new Set([new URL(credentials.baseUrl).hostname, ...(options.trustedHosts ?? [])]);
    this.http = axios.create({
      responseType: 'stream', // so the library parses nothing and cannot swallow a parse error
      maxRedirects: 0, // followed by the transport: a 307 must keep its method, its body and, if trusted, its credentials
      maxBodyLength: Infinity, // an inline task spec may be tens of megabytes
      // Not Infinity: any limit wraps the answer in a second stream, which cannot be destroyed while the server is silent.
      maxContentLength: -1,
      decompress: false,
      validateStatus: () => true,
      transformRequest: [(data: unknown) => data],
      ...(options.proxyFromEnvironment === true ? {} : { proxy: false as const }),
    });
  }

  /** Sends `request` to `url`. `signal` is the caller's and the client's in one. */
  async send(
    request: DruidRequest,
    url: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<DruidResponse> {
    const { operation, method } = request;
    const limit = new AbortController();
    const onAbort = () => limit.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(onAbort, timeoutMs);
    try {
      throwIfAborted(operation, signal);
      const response = await this.http.request<Readable>({
        url,
        method,
        headers: await this.headersFor(request, url),
        signal: limit.signal,
        ...(request.body === undefined ? {} : { data: encodeJson(request.body) }),
        // A server may close a kept connection just as we write to it. What must not be repeated gets a new one.
        ...(request.kind === 'once' ? this.fresh : this.kept),
      });
      return toDruidResponse(response, method, url);
    } catch (error) {
      if (signal.aborted) throw aborted(operation, signal);
      if (!limit.signal.aborted) throw this.connectionError(error, method, url);
      throw new DruidTimeoutError({
        message: `${method} ${url} did not answer within ${timeoutMs} ms. Is Druid overloaded? Otherwise raise 'timeoutMs'.`,
        details: { operation, timeoutMs },
        retryable: true,
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Closes the kept connections. */
  close(): void {
    this.kept.httpAgent.destroy();
    this.kept.httpsAgent.destroy();
  }

  private async headersFor(request: DruidRequest, url: string): Promise<Record<string, string>> {
    const headers: Record<string, string> = {
      accept: 'application/json, text/plain;q=0.9',
      'accept-encoding': 'identity',
      'user-agent': 'millrace-druid-client',
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...request.headers,
    };
    if (!this.trustedHosts.has(new URL(url).hostname)) return headers; // invariant 2
    const authorization = await this.credentials.authorization();
    return { ...headers, ...this.headers, ...(authorization === undefined ? {} : { authorization }) };
  }

  private connectionError(error: unknown, method: string, url: string): DruidError {
    if (DruidError.is(error)) return error;
    const { code, message } = error as { code?: string; message?: string };
    const words = this.credentials.redact(message === undefined || message === '' ? String(code) : message);
    if (!isAxiosError(error)) {
      // Not the network: the caller's token function, or a header value that HTTP does not allow.
      return new DruidConfigError({
        message: `${method} ${url} could not be prepared: ${words}`,
        details: { option: 'auth or headers' },
      });
    }
    const reason = code ?? 'unknown';
    const hint = unreachable.has(reason) ? ` Is Druid's Router running at ${new URL(url).origin}?` : '';
    return new DruidConnectionError({
      message: `${method} ${url} failed: ${words} (${reason}).${hint}`,
      details: { method, url, reason },
      retryable: true,
      cause: Object.assign(new Error(words), { code: reason }), // invariant 1
    });
  }
}

function toDruidResponse(response: AxiosResponse<Readable>, method: string, url: string): DruidResponse {
  const incoming = (response.request as { res?: IncomingMessage } | undefined)?.res;
  return {
    method,
    url,
    status: response.status,
    headers: { ...response.headers } as IncomingHttpHeaders,
    trailers: () => incoming?.trailers ?? {},
    body: response.data,
  };
}
