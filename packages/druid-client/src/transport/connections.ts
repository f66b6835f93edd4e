/**
 * The connections to Druid: kept ones, TLS, and the way through a proxy.
 *
 * Boundary: knows sockets and agents, but neither credentials of HTTP nor Druid.
 *
 * Invariant 1: the client's certificate is shown to trusted hosts only.
 * Invariant 2: a request that is given up while it connects has not been sent.
 */
import { X509Certificate } from 'node:crypto';
import {
  Agent as HttpAgent,
  request as httpRequest,
  type AgentOptions,
  type ClientRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { AxiosRequestConfig } from 'axios';
import { getProxyForUrl } from 'proxy-from-env';
import { decodedUserInfo } from '../credentials.js';
import { DruidConfigError } from '../errors.js';
import { requirePositive, timerMs, type DruidClientOptions, type DruidTlsOptions } from '../options.js';
import { connectFailure, TunnelAgent } from './tunnel-agent.js';

const defaultConnectTimeoutMs = 10_000;
const defaultIdleTimeoutMs = 50_000;
const defaultMaxIdle = 32;

/** How one request gets to its server. */
export interface Route {
  /** For the HTTP library. */
  readonly config: Pick<AxiosRequestConfig, 'httpAgent' | 'httpsAgent' | 'proxy' | 'transport'>;
  /** The proxy's origin, if there is one. */
  readonly proxy: string | undefined;
  /** Whether a connection was made, so that the server may have got the request. */
  isConnected(): boolean;
  /** Whether it went over a connection that an earlier request had made. */
  isKept(): boolean;
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** See the head of the file. */
export class Connections {
  readonly #agentOptions: AgentOptions;
  readonly #connectTimeoutMs: number;
  readonly #proxy: string | undefined;
  readonly #usesEnvironment: boolean;
  readonly #verification: { readonly rejectUnauthorized?: boolean };
  /** Undefined: Node's own. */
  readonly #ownContext: SecureContext | undefined;
  readonly #foreignContext: SecureContext | undefined;
  readonly #kept = new Map<string, Agents>();

  /** @throws DruidConfigError for certificates or keys that cannot be read, and for a proxy that is no http address */
  constructor(options: DruidClientOptions) {
    const { pool = {}, tls } = options;
    for (const [name, value] of Object.entries(pool)) requirePositive(`pool.${name}`, value as number);
    requirePositive('connectTimeoutMs', options.connectTimeoutMs);
    this.#agentOptions = {
      keepAlive: true,
      maxFreeSockets: pool.maxIdleConnections ?? defaultMaxIdle,
      timeout: timerMs(pool.idleTimeoutMs ?? defaultIdleTimeoutMs),
    };
    this.#connectTimeoutMs = timerMs(options.connectTimeoutMs ?? defaultConnectTimeoutMs);
    this.#proxy = options.proxy === undefined ? undefined : checkedProxy(options.proxy);
    this.#usesEnvironment = options.proxyFromEnvironment === true;
    this.#verification =
      tls?.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized };
    this.#ownContext = tls && secureContext(tls);
    this.#foreignContext = tls?.ca === undefined ? undefined : secureContext({ ca: tls.ca });
  }

  /**
   * The way to `url`. `isFresh`: over a connection of its own, since a server may close a kept one just as it is used.
   * `connectTimeoutMs`: instead of the option.
   */
  route(
    url: string,
    {
      isFresh,
      isTrusted,
      connectTimeoutMs = this.#connectTimeoutMs,
    }: {
      readonly isFresh: boolean;
      readonly isTrusted: boolean;
      readonly connectTimeoutMs?: number | undefined;
    },
  ): Route {
    const proxy = this.#proxyFor(url);
    const { http, https } = isFresh ? this.#newAgents(proxy, {}) : this.#keptAgents(proxy);
    const secure = {
      secureContext: isTrusted ? this.#ownContext : this.#foreignContext, // invariant 1
      ...this.#verification,
    };
    let isConnected = false;
    const onConnected = () => (isConnected = true);
    let sent: ClientRequest | undefined;
    const request = (options: RequestOptions, onResponse: never): ClientRequest => {
      sent =
        options.protocol === 'https:'
          ? httpsRequest({ ...options, ...secure }, onResponse)
          : httpRequest(options, onResponse);
      watchConnecting(sent, connectTimeoutMs, onConnected);
      return sent;
    };
    const isTunnel = url.startsWith('https:');
    return {
      config: {
        httpAgent: http,
        httpsAgent: https,
        // A tunnel is the agent's work. Plain requests name their whole address, which the HTTP library does.
        proxy: proxy === undefined || isTunnel ? false : plainProxy(proxy),
        transport: { request },
      },
      proxy: proxy === undefined ? undefined : new URL(proxy).origin,
      isConnected: () => isConnected,
      isKept: () => sent?.reusedSocket === true,
    };
  }

  /** Closes the kept connections. */
  close(): void {
    for (const { http, https } of this.#kept.values()) {
      http.destroy();
      https.destroy();
    }
  }

  #proxyFor(url: string): string | undefined {
    if (this.#proxy !== undefined) return this.#proxy;
    const found = this.#usesEnvironment ? getProxyForUrl(url) : '';
    return found === '' ? undefined : checkedProxy(found);
  }

  #keptAgents(proxy: string | undefined): Agents {
    const key = proxy ?? '';
    const agents = this.#kept.get(key) ?? this.#newAgents(proxy, this.#agentOptions);
    this.#kept.set(key, agents);
    return agents;
  }

  #newAgents(proxy: string | undefined, options: AgentOptions): Agents {
    const https =
      proxy === undefined ? new HttpsAgent(options) : new TunnelAgent(proxy, this.#connectTimeoutMs, options);
    return { http: new HttpAgent(options), https };
  }
}

/** Ends `request` if it does not get its connection in time (invariant 2). A tunnel's agent sees to its own part. */
function watchConnecting(request: ClientRequest, limitMs: number, onConnected: () => void): void {
  const timer = setTimeout(() => {
    request.destroy(connectFailure('ETIMEDOUT', `no connection within ${limitMs} ms`));
  }, limitMs);
  const connected = () => {
    clearTimeout(timer);
    if (!request.destroyed) onConnected();
  };
  request.once('close', () => clearTimeout(timer));
  request.once('socket', (socket: Socket) => {
    if (request.reusedSocket) return connected();
    if (socket instanceof TLSSocket) return void socket.once('secureConnect', connected);
    if (socket.connecting) socket.once('connect', connected);
    else connected();
  });
}

function plainProxy(proxy: string): NonNullable<AxiosRequestConfig['proxy']> {
  const { hostname, port, username, password } = new URL(proxy);
  const auth = { username: decodedUserInfo(username), password: decodedUserInfo(password) };
  return {
    protocol: 'http',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 80 : Number(port),
    ...(username === '' && password === '' ? {} : { auth }),
  };
}

function checkedProxy(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:') return url.href;
  throw new DruidConfigError({
    // Not echoed: it may hold a password.
    message: "The proxy is not an http: address; give one such as http://proxy:3128 in option 'proxy'.",
    details: { option: 'proxy' },
  });
}

function secureContext(options: DruidTlsOptions): SecureContext {
  try {
    // Node passes over authorities that it cannot read, and the server would get the blame.
    for (const pem of [options.ca ?? []].flat()) new X509Certificate(pem);
    return createSecureContext(options);
  } catch (error) {
    throw new DruidConfigError({
      // OpenSSL's words name the problem and never quote the material.
      message: `Option 'tls' cannot be used: ${(error as Error).message}. Check 'ca', 'cert', 'key' and 'passphrase'; texts must be PEM.`,
      details: { option: 'tls' },
    });
  }
}
