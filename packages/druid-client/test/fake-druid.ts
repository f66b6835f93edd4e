import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { DruidClient } from '../src/druid-client.js';
import type { DruidClientOptions } from '../src/options.js';

/** A request as the fake server received it. */
interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body parsed by plain `JSON.parse`. */
  readonly body: Record<string, unknown>;
}

/** Answers one request. */
export type Handler = (request: SeenRequest, response: ServerResponse, n: number) => unknown;

/** A loopback HTTP server scripted by the test, with a client whose sleeps are recorded instead of slept. */
export interface FakeDruid {
  readonly url: string;
  readonly seen: SeenRequest[];
  readonly sleeps: number[];
  /** Sockets opened so far. */
  readonly sockets: Set<Socket>;
  client(options?: Partial<DruidClientOptions>): DruidClient;
}

/** Starts a {@link FakeDruid} that stops with the test. */
export async function fakeDruid(handler: Handler, tls?: ServerOptions): Promise<FakeDruid> {
  const seen: SeenRequest[] = [];
  const sleeps: number[] = [];
  const sockets = new Set<Socket>();
  const clients: DruidClient[] = [];
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const { method = '', url = '', headers } = request;
      const entry = { method, url, headers, text, body: text === '' ? {} : JSON.parse(text) };
      seen.push(entry as SeenRequest);
      void handler(entry as SeenRequest, response, seen.length);
    });
  };
  const server = tls === undefined ? createServer(onRequest) : createSecureServer(tls, onRequest);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const scheme = tls === undefined ? 'http' : 'https';
  const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    for (const client of clients) client.close();
    server.closeAllConnections();
    server.close();
  });
  return {
    url,
    seen,
    sleeps,
    sockets,
    client: (options = {}) => {
      let ids = 0;
      const client = new DruidClient({
        url,
        sleep: async (ms) => void sleeps.push(ms),
        random: () => 1,
        createId: () => `q${++ids}`,
        ...options,
      });
      clients.push(client);
      return client;
    },
  };
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Answers 200 with `text` in pieces of `size` bytes, each flushed on its own; then ends, or breaks the connection. */
export async function inPieces(
  response: ServerResponse,
  text: string | Buffer,
  size = Infinity,
  ending: 'end' | 'break' = 'end',
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    response.write(bytes.subarray(at, Math.min(bytes.length, at + size)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (ending === 'end') response.end();
  else response.destroy();
}

/** An `arrayLines` result with its three header lines, complete with the blank line. */
export function arrayLines(
  columns: readonly (readonly [string, string, string?])[],
  rows: readonly string[],
): string {
  const header = [
    columns.map(([name]) => name),
    columns.map(([, type]) => type),
    columns.map(([, type, sqlType]) => sqlType ?? type),
  ].map((line) => JSON.stringify(line));
  return [...header, ...rows, ''].join('\n') + '\n';
}

/** Collects an async iterable. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The error that `promise` ends in. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('Expected a failure');
    },
    (error: unknown) => error,
  );
}
