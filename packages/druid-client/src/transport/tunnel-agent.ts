import { request as httpRequest } from 'node:http';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { decodedUserInfo } from '../credentials.js';

type Callback = (error: Error | null, socket?: Duplex) => void;

/**
 * Node's agent for https, whose connections are tunnels through an `http:` proxy.
 *
 * The packages for this lose the agent's idle time-out, and leave the socket to a proxy that never answers open.
 */
export class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #connectTimeoutMs: number;

  constructor(proxy: string, connectTimeoutMs: number, options: AgentOptions) {
    super(options);
    this.#proxy = new URL(proxy);
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Called by Node for each new connection, which it takes from `callback`. */
  override createConnection(options: RequestOptions, callback: Callback): undefined {
    const { hostname, port, username, password } = this.#proxy;
    const host = options.host ?? '';
    const target = `${isIPv6(host) ? `[${host}]` : host}:${options.port}`;
    const user = `${decodedUserInfo(username)}:${decodedUserInfo(password)}`;
    const connect = httpRequest({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : port,
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(user === ':' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }),
      },
      agent: false,
    });
    const timer = setTimeout(() => {
      connect.destroy(
        connectFailure('ETIMEDOUT', `the proxy made no connection within ${this.#connectTimeoutMs} ms`),
      );
    }, this.#connectTimeoutMs);
    connect.once('close', () => clearTimeout(timer));
    connect.once('error', (error) => callback(error));
    connect.once('connect', ({ statusCode }, socket) => {
      clearTimeout(timer);
      if (statusCode === 200) {
        const inside = { ...options, socket };
        return callback(null, super.createConnection(inside) as Duplex);
      }
      socket.destroy();
      callback(
        connectFailure(`PROXY_${statusCode}`, `the proxy answered ${statusCode} instead of connecting`),
      );
    });
    connect.end();
    return undefined;
  }
}

/** A failure to connect, in the form of Node's own. */
export function connectFailure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
