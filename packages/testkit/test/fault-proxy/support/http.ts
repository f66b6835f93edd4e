import type { Agent } from 'node:http';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { FaultProxy, type FaultProxyOptions } from '../../../src/index.js';

/** An HTTP server that stops with the test. */
export async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A TCP server that hands over its connections, and stops with the test. */
export async function serveTcp(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A proxy that stops with the test. */
export async function proxyOf(
  upstream: string,
  options: Partial<FaultProxyOptions> = {},
): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ upstream, ...options });
  onTestFinished(() => proxy.stop());
  return proxy;
}

/** What a client saw; `error` is the code of what broke the answer, or the request. */
export interface Seen {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly trailers?: Readonly<Record<string, string | undefined>>;
  readonly error?: string;
}

/** An HTTP request by Node's own client, with whatever became of it. */
export function ask(
  url: string,
  options: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string | Buffer;
    readonly agent?: Agent;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Seen> {
  const { body, ...rest } = options;
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let hasAnswer = false;
    const request = httpRequest(url, { agent: false, ...rest }, (response) => {
      hasAnswer = true;
      const { statusCode: status = 0, headers } = response;
      const finish = (error?: NodeJS.ErrnoException) =>
        resolve({
          status,
          headers,
          body: Buffer.concat(parts),
          trailers: response.trailers,
          ...(error && { error: error.code ?? error.message }),
        });
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => finish());
      response.on('error', finish);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // What breaks an answer that has begun is reported here, too.
      if (!hasAnswer) resolve({ body: Buffer.alloc(0), error: error.code ?? error.message });
    });
    request.end(body);
  });
}

/** Writes `text` to the server at `url` and collects all that comes until `until` says so, or the connection ends. */
export function talk(
  url: string,
  text: string,
  until: (seen: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(text, 'latin1'));
    let seen = '';
    socket.on('data', (part) => {
      seen += part.toString('latin1');
      if (!until(seen)) return;
      socket.destroy();
      resolve(seen);
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(seen));
  });
}
