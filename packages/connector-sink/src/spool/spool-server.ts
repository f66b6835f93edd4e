/**
 * Serves spool files to Druid over HTTP while tasks read them.
 *
 * Invariants:
 * 1. Only registered files are served, each under a path that contains a secret; everything else is 404.
 * 2. An answer never carries `Content-Length`; it is sent in chunks. Druid's reader (Java's HttpURLConnection) takes a
 *    connection that breaks at a row boundary for the end of a body with a known length, and publishes a part of the file
 *    as if it were all. With chunks it sees the cut, and continues with a `Range` request.
 * 3. Port and secret outlive the process (they are kept beside the files), so that a restarted process answers on the same
 *    URLs and a task that was reading goes on. Under another host nobody would be answered: there they begin anew.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { DruidSinkConfigError } from '../errors.js';

export interface SpoolServerOptions {
  /** The host name or address that Druid reaches this process under. */
  readonly advertisedHost: string;
  /** 0: any free port, preferably the last one. */
  readonly port: number;
  /** Where port and secret are kept. */
  readonly identityFile: string;
}

interface Identity {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

export class SpoolServer {
  /** Whether this process answers on the URLs of the one before it. */
  readonly isResumed: boolean;
  readonly #server: Server;
  readonly #secret: string;
  readonly #baseUrl: string;
  readonly #files: Map<string, string>;

  private constructor(
    server: Server,
    files: Map<string, string>,
    identity: Identity,
    options: SpoolServerOptions,
    isResumed: boolean,
  ) {
    this.#server = server;
    this.#files = files;
    this.#secret = identity.secret;
    this.isResumed = isResumed;
    const host = isIP(options.advertisedHost) === 6 ? `[${options.advertisedHost}]` : options.advertisedHost;
    this.#baseUrl = `http://${host}:${identity.port}`;
  }

  /** @throws DruidSinkConfigError where the port cannot be had */
  static async start(options: SpoolServerOptions): Promise<SpoolServer> {
    const files = new Map<string, string>();
    const server = createServer((request, response) => {
      serve(files, request, response).catch(() => response.destroy());
    });
    // The job decides how long the process lives.
    server.unref();
    const last = await readIdentity(options.identityFile);
    const wanted = options.port === 0 ? (last?.port ?? 0) : options.port;
    const host = isLoopback(options.advertisedHost) ? '127.0.0.1' : undefined;
    let port: number;
    try {
      port = await listen(server, wanted, host);
    } catch (cause) {
      if (options.port !== 0) {
        throw new DruidSinkConfigError(
          `The sink cannot listen on port ${options.port} to serve its files to Druid. Free it, or choose another 'port' (0: any).`,
          { details: { port: options.port }, cause },
        );
      }
      port = await listen(server, 0, host);
    }
    const { advertisedHost } = options;
    const isResumed = last?.port === port && last.host === advertisedHost; // invariant 3
    const identity = isResumed
      ? last
      : { host: advertisedHost, port, secret: randomBytes(24).toString('base64url') };
    if (!isResumed) {
      await writeFile(options.identityFile, JSON.stringify(identity), { mode: 0o600 });
      await chmod(options.identityFile, 0o600);
    }
    return new SpoolServer(server, files, identity, options, isResumed);
  }

  /** Serves the file at `path` under the returned URL, which is a function of `name` and this server's identity. */
  publish(name: string, path: string): string {
    const urlPath = this.#pathOf(name);
    this.#files.set(urlPath, path);
    return `${this.#baseUrl}${urlPath}`;
  }

  withdraw(name: string): void {
    this.#files.delete(this.#pathOf(name));
  }

  async close(): Promise<void> {
    this.#files.clear();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }

  #pathOf(name: string): string {
    const secret = createHmac('sha256', this.#secret).update(name).digest('base64url'); // invariant 1
    // Druid takes from the ending how a file is compressed.
    return `/${secret}/rows${/\.ndjson.*$/.exec(name)?.[0] ?? '.ndjson'}`;
  }
}

async function serve(
  files: ReadonlyMap<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = files.get(request.url ?? '');
  const isHead = request.method === 'HEAD';
  if (path === undefined || (request.method !== 'GET' && !isHead)) {
    response.writeHead(path === undefined ? 404 : 405).end();
    return;
  }
  const { size } = await stat(path);
  const range = parseRange(request.headers.range, size);
  if (range === undefined) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  const isPart = range.start > 0 || range.end < size;
  response.writeHead(isPart ? 206 : 200, {
    'content-type': 'application/x-ndjson',
    'accept-ranges': 'bytes',
    'transfer-encoding': 'chunked', // invariant 2
    ...(isPart ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${size}` } : {}),
  });
  if (isHead || range.start === range.end) {
    response.end();
    return;
  }
  const stream = createReadStream(path, { start: range.start, end: range.end - 1, highWaterMark: 1 << 18 });
  response.on('close', () => stream.destroy());
  stream.on('error', () => response.destroy());
  stream.pipe(response);
}

/** One range of the `Range` header, end exclusive; everything where there is none; `undefined` where it lies outside. */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  // A header that is not understood is ignored (RFC 9110, 14.2).
  if (first === '' && last === '') return { start: 0, end: size };
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : undefined;
}

function listen(server: Server, port: number, host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

async function readIdentity(file: string): Promise<Identity | undefined> {
  try {
    const value = JSON.parse(await readFile(file, 'utf8')) as Partial<Identity>;
    const { host = '', port, secret } = value;
    return typeof port === 'number' && typeof secret === 'string' && secret.length >= 32
      ? { host, port, secret }
      : undefined;
  } catch {
    // Missing on the first start, or cut by a crash: a new identity is as good.
    return undefined;
  }
}
