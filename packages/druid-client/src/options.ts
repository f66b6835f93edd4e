import { randomBytes, randomUUID } from 'node:crypto';
import { DruidConfigError } from './errors.js';
import type { RetryPolicy } from './retry.js';
import { sleep, type Sleep } from './sleep.js';
import type { CircuitPolicy } from './transport/circuit.js';
import type { DruidHooks } from './transport/hooks.js';

/** Gives a bearer token. `isRefresh`: the server has just refused the one before. */
export type TokenFunction = (context: { readonly isRefresh: boolean }) => string | Promise<string>;

/** The request that custom authentication has headers for. */
export interface AuthRequest {
  readonly method: string;
  /** The whole address, with the query. */
  readonly url: string;
  /** The JSON text that will be sent; undefined without a body. */
  readonly body: string | undefined;
  /** The server has just refused the headers given for this request. */
  readonly isRefresh: boolean;
}

/**
 * How the client proves who it is. After a 401 everything but fixed credentials is asked once more.
 *
 * A token function is asked when the first token is needed, and again when the server has refused a token or the function has
 * been silent for 30 s; calls that are under way at the same time share one answer. `headers` of `custom` is called for every request, for signatures and the like.
 */
export type DruidAuth =
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  | { readonly type: 'bearer'; readonly token: string | TokenFunction }
  | {
      readonly type: 'custom';
      readonly headers: (
        request: AuthRequest,
      ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
    };

/** Whom to trust, and who we are, by Node's names; texts are PEM. */
export interface DruidTlsOptions {
  /** Certificate authorities to trust instead of those that Node knows. */
  readonly ca?: string | Buffer | (string | Buffer)[];
  /** The client's certificate, with its chain, and its key. Shown to the hosts of `url` and to `trustedHosts` only. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Certificate and key in one file (PKCS #12), instead of `cert` and `key`. */
  readonly pfx?: Buffer;
  /** Of `key` or `pfx`. */
  readonly passphrase?: string;
  /** Default: Node's, TLS 1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** `false` accepts any certificate: whoever sits on the way can read the credentials. Default true. */
  readonly rejectUnauthorized?: boolean;
}

/** Limits of the connections to each server (each origin). */
export interface PoolOptions {
  /** Requests at once; others wait for their turn, within their `timeoutMs`. A stream counts until it ends. Default 128. */
  readonly maxConnections?: number;
  /** Connections kept for later. Default 32. */
  readonly maxIdleConnections?: number;
  /** Milliseconds that they are kept. Default 50,000: many load balancers forget a silent connection after 60 s. */
  readonly idleTimeoutMs?: number;
}

/** Where the client reports what it does. The client itself never prints. */
export interface DruidLogger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Options of {@link DruidClient}. Only `url` is required. */
export interface DruidClientOptions {
  /**
   * The Router, such as `http://localhost:8888`, or several of one cluster (Routers, or Brokers for queries alone); a path
   * prefix is kept. The client stays with the first until it fails, then with the next.
   */
  readonly url: string | readonly string[];
  readonly auth?: DruidAuth;
  /**
   * Milliseconds to wait for an answer. For streamed results it bounds the wait for the first byte and every silent
   * gap after it, not the whole. Default: 60,000 for management calls, 305,000 for queries (Druid's own limit is
   * 300,000, and its error says more than ours).
   */
  readonly timeoutMs?: number;
  /** Milliseconds to wait for a connection, TLS included. Default 10,000. */
  readonly connectTimeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** When a server that does not answer is left alone; `false`: never. */
  readonly circuit?: Partial<CircuitPolicy> | false;
  readonly pool?: PoolOptions;
  readonly tls?: DruidTlsOptions;
  /**
   * An `http:` proxy for all requests, such as `http://user:password@proxy:3128`. Requests to `https:` servers go through a
   * tunnel (CONNECT), so that the proxy sees host names only.
   */
  readonly proxy?: string;
  /**
   * Without `proxy`: honour `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. Default false: a cluster is rarely behind the proxy
   * that the shell is set up for.
   */
  readonly proxyFromEnvironment?: boolean;
  readonly logger?: DruidLogger;
  readonly hooks?: DruidHooks;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The header that carries the id of a request; `false` for none. Default `x-request-id`. */
  readonly requestIdHeader?: string | false;
  /**
   * Other hosts that may receive credentials when the server redirects there (an Overlord that is not the leader
   * answers 307 with the leader's address): names without scheme and port. The hosts of `url` always may.
   */
  readonly trustedHosts?: readonly string[];
  /** Injected for tests. */
  readonly sleep?: Sleep;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly createId?: () => string;
  readonly createRequestId?: () => string;
}

/** What is different about other servers of the same cluster; see {@link DruidClient.withUrl}. */
export type ServerChange = Pick<DruidClientOptions, 'timeoutMs' | 'connectTimeoutMs' | 'retry' | 'circuit'>;

/** The outside world, as injected: everything in this package that is not a function of its input. */
export interface Runtime {
  readonly sleep: Sleep;
  readonly now: () => number;
  readonly random: () => number;
  readonly createId: () => string;
  readonly createRequestId: () => string;
  readonly logger: DruidLogger;
}

const silent: DruidLogger = { debug: () => undefined, warn: () => undefined };

/** Fills in the real clock, randomness and a silent logger where none were injected. */
export function resolveRuntime(options: DruidClientOptions): Runtime {
  return {
    sleep: options.sleep ?? sleep,
    now: options.now ?? Date.now,
    random: options.random ?? Math.random,
    createId: options.createId ?? (() => `millrace-${randomUUID()}`),
    createRequestId: options.createRequestId ?? (() => randomBytes(8).toString('hex')),
    logger: options.logger ?? silent,
  };
}

// Node's timers take a longer time for none at all.
const maxTimerMs = 2 ** 31 - 1;

/** A time for a timer: what is longer than one can wait (24 days) waits that long. */
export function timerMs(ms: number): number {
  return Math.min(ms, maxTimerMs);
}

/** Throws {@link DruidConfigError} unless `value` is absent or a positive finite number. */
export function requirePositive(option: string, value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return;
  throw new DruidConfigError({
    message: `Option '${option}' is ${value}; it must be a positive number.`,
    details: { option },
  });
}
