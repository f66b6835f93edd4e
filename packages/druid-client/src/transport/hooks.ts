import type { DruidError } from '../errors.js';
import type { DruidLogger } from '../options.js';

/** What every event of one HTTP request tells. */
export interface DruidRequestInfo {
  /** As sent in the header, and named in errors. A redirect is followed under the same id, a repetition gets one of its own. */
  readonly requestId: string;
  /** Names the call, such as `SQL query`. */
  readonly operation: string;
  readonly method: string;
  /** Without credentials. */
  readonly url: string;
}

/** A request is about to be sent. */
export interface DruidRequestEvent extends DruidRequestInfo {
  /** All headers; those that carry credentials read `***`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The JSON text sent, if {@link DruidHooks.includeBody} asks for it: it holds the caller's values. */
  readonly body?: string;
}

/** The head of an answer is there. */
export interface DruidResponseEvent extends DruidRequestInfo {
  readonly status: number;
  /** Since the request was sent. */
  readonly durationMs: number;
}

/** The body of an answer has been read, or was left. */
export interface DruidEndEvent extends DruidResponseEvent {
  /** Bytes of the body that were read, unpacked. */
  readonly bytes: number;
  /** Whether the server's HTTP message came to its end. A query that failed midway ends like that, too. */
  readonly isComplete: boolean;
}

/** A request has got no answer. */
export interface DruidFailureEvent extends DruidRequestInfo {
  /** Since the request was sent; if it never was, since it began to wait for a token or a connection. */
  readonly durationMs: number;
  readonly error: unknown;
}

/** A call goes on after a failure. */
export interface DruidRetryEvent {
  readonly operation: string;
  /** Counted from 1: the attempt that failed. */
  readonly attempt: number;
  readonly error: DruidError;
  /** Where it failed, and where the call goes next. */
  readonly server: string;
  readonly nextServer: string;
  /** 0 for another server. */
  readonly delayMs: number;
}

/** A server's circuit has changed. */
export interface DruidCircuitEvent {
  readonly server: string;
  readonly state: 'closed' | 'open' | 'half-open';
  /** Requests in a row without an answer; 0 once it has answered. */
  readonly failures: number;
  /** Epoch milliseconds: the first of them, and when the next trial may go. Undefined while closed. */
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
}

/**
 * Called as things happen, for logs and metrics. They are called within the client's turn, so they have to be quick, and
 * hold no credentials. What a hook throws is given to the logger; the call goes on.
 */
export interface DruidHooks {
  readonly onRequest?: (event: DruidRequestEvent) => void;
  readonly onResponse?: (event: DruidResponseEvent) => void;
  readonly onEnd?: (event: DruidEndEvent) => void;
  readonly onFailure?: (event: DruidFailureEvent) => void;
  readonly onRetry?: (event: DruidRetryEvent) => void;
  readonly onCircuit?: (event: DruidCircuitEvent) => void;
  /** Whether requests show their body: SQL text, parameters, task specifications. Default false. */
  readonly includeBody?: boolean;
}

type Named = {
  readonly [N in Exclude<keyof DruidHooks, 'includeBody'>]-?: Parameters<NonNullable<DruidHooks[N]>>[0];
};

/** Calls hooks, if there are any. */
export class HookCaller {
  readonly hooks: DruidHooks;
  readonly #logger: DruidLogger;

  constructor(hooks: DruidHooks | undefined, logger: DruidLogger) {
    this.hooks = hooks ?? {};
    this.#logger = logger;
  }

  call<N extends keyof Named>(name: N, event: () => Named[N]): void {
    const hook = this.hooks[name] as ((event: Named[N]) => unknown) | undefined;
    if (hook === undefined) return;
    const failed = (error: unknown) => this.#logger.warn(`Druid: the hook '${name}' failed`, { error });
    try {
      // An async function fits the type, too.
      const result = hook.call(this.hooks, event());
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
