import { randomUUID } from 'node:crypto';
import { DruidConfigError } from './errors.js';
import type { RetryPolicy } from './retry.js';
import { sleep, type Sleep } from './sleep.js';

/** How the client proves who it is. A token function is asked before every request, and once more after a 401. */
export type DruidAuth =
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  | { readonly type: 'bearer'; readonly token: string | (() => string | Promise<string>) };

/** Where the client reports what it does. The client itself never prints. */
export interface DruidLogger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Options of {@link DruidClient}. Only `url` is required. */
export interface DruidClientOptions {
  /** The Router, such as `http://localhost:8888`; a path prefix is kept. */
  readonly url: string;
  readonly auth?: DruidAuth;
  /**
   * Milliseconds to wait for an answer. For streamed results it bounds the wait for the first byte and every silent
   * gap after it, not the whole. Default: 60,000 for management calls, 305,000 for queries (Druid's own limit is
   * 300,000, and its error says more than ours).
   */
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly logger?: DruidLogger;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Other hosts that may receive credentials when the server redirects there (an Overlord that is not the leader
   * answers 307 with the leader's address). The host of `url` always may.
   */
  readonly trustedHosts?: readonly string[];
  /** Honour `HTTP_PROXY` and friends. Default false: a cluster is rarely behind the proxy that the shell is set up for. */
  readonly proxyFromEnvironment?: boolean;
  /** Injected for tests. */
  readonly sleep?: Sleep;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly createId?: () => string;
}

/** The outside world, as injected: everything in this package that is not a function of its input. */
export interface Runtime {
  readonly sleep: Sleep;
  readonly now: () => number;
  readonly random: () => number;
  readonly createId: () => string;
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
    logger: options.logger ?? silent,
  };
}

/** Throws {@link DruidConfigError} unless `value` is absent or a positive finite number. */
export function requirePositive(option: string, value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return;
  throw new DruidConfigError({
    message: `Option '${option}' is ${value}; it must be a positive number.`,
    details: { option },
  });
}
