/** The HTTP shell: reads requests, applies scripted faults, turns errors into answers. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AnswerStream, ClientGone } from './answer.js';
import { DruidHttpError, druidException, notSupported } from './druid-error.js';
import type { Fault, Faults } from './faults.js';
import type { EmbeddedLogger } from './options.js';
import type { Router } from './router.js';

const HOST = '127.0.0.1';

export class HttpServer {
  readonly #router: Router;
  readonly #faults: Faults;
  readonly #logger: EmbeddedLogger;
  readonly #server: Server;

  constructor(router: Router, faults: Faults, logger: EmbeddedLogger) {
    this.#router = router;
    this.#faults = faults;
    this.#logger = logger;
    this.#server = createServer((request, response) => void this.#handle(request, response));
    this.#server.keepAliveTimeout = 30_000;
  }

  /** @returns the port that the server listens on */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, HOST, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** Refuses new requests and breaks open connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', `http://${HOST}`);
    const fault = this.#faults.take(method, url.pathname);
    const answer = new AnswerStream(response, fault?.truncateAfterBytes);
    try {
      const body = await readBody(request);
      if (fault && (await this.#fail(fault, response, answer))) return;
      const target =
        fault?.dropConnection === 'after-handling' ? new AnswerStream(swallowing(response)) : answer;
      await this.#route({ method, url, body, accept: request.headers.accept ?? '' }, target);
      if (fault?.dropConnection === 'after-handling') response.destroy();
    } catch (error) {
      await this.#answerError(error, answer);
    }
  }

  async #fail(fault: Fault, response: ServerResponse, answer: AnswerStream): Promise<boolean> {
    if (fault.dropConnection === true || fault.dropConnection === 'before-handling') {
      response.destroy();
      return true;
    }
    if (fault.status === undefined) return false;
    for (const [name, value] of Object.entries(fault.headers ?? {})) answer.header(name, value);
    const { body = '' } = fault;
    if (typeof body === 'string') await answer.send(fault.status, body, 'text/plain');
    else await answer.send(fault.status, JSON.stringify(body));
    return true;
  }

  async #route(
    { method, url, body, accept }: { method: string; url: URL; body: string; accept: string },
    answer: AnswerStream,
  ): Promise<void> {
    const found = this.#router.find(method, url.pathname);
    if (!('handler' in found)) {
      if (found.allowed.length === 0) {
        // Not 404, which clients read as "there is no such task, rule, lookup".
        throw notSupported(`${method} ${url.pathname}`);
      }
      answer.header('Allow', [...new Set(found.allowed), 'OPTIONS'].join(','));
      return answer.send(405, '');
    }
    await found.handler(
      { method, path: url.pathname, params: found.params, query: url.searchParams, accept, body },
      answer,
    );
    if (!answer.isClosed) answer.end();
  }

  async #answerError(error: unknown, answer: AnswerStream): Promise<void> {
    if (error instanceof ClientGone || answer.isClosed) return;
    if (!(error instanceof DruidHttpError)) this.#logger.error?.('a request failed', { error });
    const known =
      error instanceof DruidHttpError
        ? error
        : druidException(error instanceof Error ? error.message : String(error), {
            errorCode: 'general',
            persona: 'ADMIN',
            category: 'UNCATEGORIZED',
          });
    await answer.error(known.answer).catch(() => undefined);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** A response whose writes go nowhere, for requests that take effect but are never answered. */
function swallowing(response: ServerResponse): ServerResponse {
  return new Proxy(response, {
    get(target, key) {
      if (key === 'write' || key === 'end') return () => true;
      if (key === 'headersSent' || key === 'writableEnded') return false;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
