import { Agent } from 'node:http';
import type { Socket } from 'node:net';

/** Bytes of headers that pass; far above what any server sends, so that the limit is the server's or the client's own. */
export const maxHeaderSize = 1_048_576;

/** A client's connection, and the one connection to the upstream server that belongs to it. */
export class Link {
  readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly target: { readonly host: string; readonly port: number };
  /** Requests that are being answered. */
  underWay = 0;
  /** Whether the proxy itself has broken the client's connection. */
  isBroken = false;
  readonly #client: Socket;
  readonly #seen = new WeakSet<Socket>();

  constructor(client: Socket, upstream: URL) {
    this.#client = client;
    const port = upstream.port === '' ? 80 : Number(upstream.port);
    this.target = { host: upstream.hostname.replace(/^\[|\]$/g, ''), port };
  }

  /** Called with the connection that a request goes out on. */
  use(upstream: Socket): void {
    if (this.#seen.has(upstream)) return;
    this.#seen.add(upstream);
    // A server that closes a kept connection means the client's.
    upstream.once('close', () => {
      if (this.underWay === 0) this.#client.end();
    });
  }

  /** Resets the client's connection. */
  break(): void {
    this.isBroken = true;
    this.#client.resetAndDestroy();
  }

  /** Closes both connections. */
  close(): void {
    this.agent.destroy();
    this.#client.destroy();
  }
}
