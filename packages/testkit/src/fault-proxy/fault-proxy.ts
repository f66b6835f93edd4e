/**
 * An HTTP proxy on 127.0.0.1 that passes everything through, and injects the faults that a test scripts.
 *
 * Boundary: HTTP/1.1 in front of one `http:` server; no TLS, no upgrades, no CONNECT.
 *
 * Invariant 1: without a matching rule a request and its answer pass unchanged (see `relay.ts`), and the proxy adds no
 *   time limit of its own.
 * Invariant 2: a connection of a client has one connection of its own to the upstream server, closed with it.
 * Invariant 3: each request gets at most one fault: that of the first rule, in the order of `on`, that takes it.
 * Invariant 4: after `stop()` no socket is left.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { reservePorts, type PortReservation } from '../java-runtime/port-reservation.js';
import { FaultProxyError } from './fault-proxy-error.js';
import { matches, Rule, type FaultRule, type RequestMatch } from './fault-rules.js';
import { carryOut } from './inject.js';
import { Link, maxHeaderSize } from './link.js';
import type { ProxyFault } from './proxy-fault.js';
import { ClientGone, Relay } from './relay.js';
import { LoggedRequest, type ProxiedRequest } from './request-log.js';

const host = '127.0.0.1';
const defaultLoggedBodyBytes = 65_536;

/** Options of {@link FaultProxy.start}. */
export interface FaultProxyOptions {
  /** The server behind the proxy, such as `http://127.0.0.1:8888`. Only its origin counts. */
  readonly upstream: string;
  /** Default: a free one, the same after `refuse()` and `accept()`. */
  readonly port?: number;
  /** Bytes of each request's body that {@link FaultProxy.requests} keeps; default 65,536. */
  readonly maxLoggedBodyBytes?: number;
}

/**
 * A proxy that makes the network and the server behind it fail on demand.
 *
 * @example
 * const proxy = await FaultProxy.start({ upstream: druid.url });
 * proxy.on({ path: '/druid/v2/sql', nth: 1 }, { type: 'truncate', afterBytes: 100 });
 * const response = await fetch(`${proxy.url}/druid/v2/sql`, …); // 200, cut after 100 bytes, and a clean end
 * proxy.requests[0]?.outcome; // 'answered'
 * await proxy.stop();
 */
export class FaultProxy {
  /** Where clients go, such as `http://127.0.0.1:20010`. */
  readonly url: string;
  readonly port: number;
  readonly #upstream: URL;
  readonly #ports: PortReservation;
  readonly #deadOrigin: string;
  readonly #maxLoggedBodyBytes: number;
  readonly #rules: Rule[] = [];
  readonly #requests: LoggedRequest[] = [];
  readonly #waiters = new Set<{ check(): void; reject(error: Error): void }>();
  readonly #links = new Map<Socket, Link>();
  #server: Server | undefined;
  #isStopped = false;

  private constructor(upstream: URL, ports: PortReservation, options: FaultProxyOptions) {
    const [own, dead] = ports.ports as [number, number];
    this.port = options.port ?? own;
    this.url = `http://${host}:${this.port}`;
    this.#upstream = upstream;
    this.#ports = ports;
    this.#deadOrigin = `http://${host}:${dead}`;
    this.#maxLoggedBodyBytes = options.maxLoggedBodyBytes ?? defaultLoggedBodyBytes;
  }

  /**
   * Starts listening; the upstream server need not be there yet.
   *
   * @throws FaultProxyError `bad-upstream` for anything but an http address, `port-taken`
   */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const upstream = URL.canParse(options.upstream) ? new URL(options.upstream) : undefined;
    if (upstream?.protocol !== 'http:') {
      throw new FaultProxyError(
        'bad-upstream',
        `The upstream '${upstream?.origin ?? options.upstream}' is no http address; give one such as http://127.0.0.1:8888`,
        { details: { upstream: options.upstream } },
      );
    }
    const proxy = new FaultProxy(upstream, await reservePorts(2), options);
    try {
      await proxy.accept();
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  /** All requests so far, in the order in which their heads arrived. */
  get requests(): readonly ProxiedRequest[] {
    return this.#requests;
  }

  /** Connections of clients that are open. */
  get connections(): number {
    return this.#links.size;
  }

  /** An origin where nothing listens, as long as this proxy runs. */
  get deadOrigin(): string {
    return this.#deadOrigin;
  }

  /**
   * Scripts a fault for the requests that `match` describes, until the rule is removed.
   *
   * @throws FaultProxyError `bad-fault`
   */
  on(match: RequestMatch, fault: ProxyFault): FaultRule {
    const rule = new Rule(match, fault);
    this.#rules.push(rule);
    return {
      get matched() {
        return rule.matched;
      },
      remove: () => {
        const at = this.#rules.indexOf(rule);
        if (at >= 0) this.#rules.splice(at, 1);
      },
    };
  }

  /** Removes all rules and forgets all requests. Requests under way go on as they are. */
  reset(): void {
    this.#rules.length = 0;
    this.#requests.length = 0;
  }

  /**
   * The first request (of the past, too) that `match` describes and `until` accepts; waits for it if it must.
   * `nth` counts as in {@link FaultProxy.on}, over {@link FaultProxy.requests}.
   *
   * @example await proxy.received({ method: 'DELETE' }, ({ outcome }) => outcome === 'answered');
   * @throws FaultProxyError `stopped` if the proxy stops first
   */
  received(
    match: RequestMatch = {},
    until: (request: ProxiedRequest) => boolean = () => true,
  ): Promise<ProxiedRequest> {
    return new Promise((resolve, reject) => {
      const wanted = match.nth === undefined ? undefined : [match.nth].flat();
      const check = () => {
        const found = this.#requests
          .filter(({ method, path }) => matches(match, method, path))
          .find((request, i) => (wanted === undefined || wanted.includes(i + 1)) && until(request));
        if (found === undefined) return;
        this.#waiters.delete(waiter);
        resolve(found);
      };
      const waiter = { check, reject };
      if (this.#isStopped) return reject(stopped());
      this.#waiters.add(waiter);
      check();
    });
  }

  /** Refuses new connections (ECONNREFUSED) and resets the open ones, until {@link FaultProxy.accept}. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const link of this.#links.values()) link.break();
  }

  /** Takes connections again, on the same port. @throws FaultProxyError `port-taken`, `stopped` */
  async accept(): Promise<void> {
    if (this.#isStopped) throw stopped();
    if (this.#server !== undefined) return;
    const server = createServer({ maxHeaderSize, requireHostHeader: false });
    this.#server = server;
    // Invariant 1.
    Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0, timeout: 0 });
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#handle(request, response);
    server.on('request', onRequest);
    server.on('checkContinue', onRequest);
    server.on('connection', (socket) => this.#connected(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        this.#server = undefined;
        const message = `Port ${this.port} on ${host} is taken; give another 'port', or none`;
        reject(new FaultProxyError('port-taken', message, { cause, details: { port: this.port } }));
      });
      server.listen(this.port, host, resolve);
    });
  }

  /** Breaks all connections and frees the port. Safe to call twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const server = this.#server;
    this.#server = undefined;
    for (const { reject } of this.#waiters) reject(stopped());
    this.#waiters.clear();
    const closed = new Promise<void>((resolve) =>
      server === undefined ? resolve() : server.close(() => resolve()),
    );
    for (const link of this.#links.values()) link.close(); // invariant 4
    await closed;
    this.#ports.release();
  }

  #connected(socket: Socket): void {
    socket.setNoDelay(true);
    const link = new Link(socket, this.#upstream); // invariant 2
    this.#links.set(socket, link);
    // A client that resets its connection is no failure of the proxy; 'close' follows.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#links.delete(socket);
      link.close();
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization } = request.headers;
    const log = new LoggedRequest(request, {
      maxBodyBytes: this.#maxLoggedBodyBytes,
      faultFor: (method, path) => {
        // Every rule counts every request that it describes, also those that another rule takes.
        const takers = this.#rules.filter((rule) => rule.takes(method, path, authorization));
        return takers[0]?.fault; // invariant 3
      },
      onChange: () => this.#changed(),
    });
    this.#requests.push(log);
    this.#changed();
    const link = this.#links.get(request.socket);
    if (link === undefined) return log.ended('client-gone');
    const relay = new Relay({ log, link, request, response });
    link.underWay += 1;
    try {
      await carryOut(relay, { deadOrigin: this.#deadOrigin, refuse: () => this.refuse() });
    } catch (error) {
      if (link.isBroken) log.ended('broken');
      else if (error instanceof ClientGone || response.destroyed) log.ended('client-gone');
      else await relay.reset(error);
    } finally {
      link.underWay -= 1;
    }
  }

  #changed(): void {
    if (this.#waiters.size === 0) return;
    for (const { check } of [...this.#waiters]) check();
  }
}

function stopped(): FaultProxyError {
  return new FaultProxyError('stopped', 'The fault proxy is stopped; start another one');
}
