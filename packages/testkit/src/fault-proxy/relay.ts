/**
 * One request on its way through the proxy: passed to the upstream server, and its answer handed back.
 *
 * Boundary: knows HTTP, but no faults; they are made of these steps in `inject.ts`.
 *
 * Invariant 1: method, target, status line, headers (case, order, repetitions), bodies and trailers pass unchanged. Only
 *   the cuts between chunks may move.
 * Invariant 2: neither side is read faster than the other side takes it.
 * Invariant 3: when one side goes, the other is let go: a client that leaves ends the upstream request, and an upstream
 *   answer that breaks breaks the client's.
 */
import { once, type EventEmitter } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { maxHeaderSize, type Link } from './link.js';
import { asPairs, withoutHeaders, type RawHeaders } from './raw-headers.js';
import type { LoggedRequest } from './request-log.js';

/** The head of the answer that goes to the client. */
export interface AnswerHead {
  readonly status: number;
  readonly statusMessage?: string | undefined;
  readonly headers: RawHeaders;
}

/** The client is no longer there. */
export class ClientGone extends Error {}

/** See the head of the file. */
export class Relay {
  readonly log: LoggedRequest;
  readonly #link: Link;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #gone: Promise<never> | undefined;

  constructor(options: {
    readonly log: LoggedRequest;
    readonly link: Link;
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
  }) {
    this.log = options.log;
    this.#link = options.link;
    this.#request = options.request;
    this.#response = options.response;
    this.#response.sendDate = false; // invariant 1
    this.#request.on('data', (part: Buffer) => this.log.received(part)).pause();
  }

  /** Passes the request on; resolves with the head of the upstream's answer, its body unread. */
  async forward(): Promise<IncomingMessage> {
    this.log.forwarded = true;
    const request = this.#request;
    const upstream = httpRequest({
      ...this.#link.target,
      agent: this.#link.agent,
      method: this.log.method,
      path: request.url ?? '/',
      headers: request.rawHeaders,
      maxHeaderSize,
    });
    upstream.once('socket', (socket) => this.#link.use(socket));
    upstream.on('error', () => {}); // awaited below, or seen as the end of the answer
    const leave = () => upstream.destroy();
    this.#response.once('close', leave); // invariant 3
    upstream.once('close', () => this.#response.off('close', leave));
    upstream.on('continue', () => this.#response.writeContinue());
    request.once('end', () => {
      if (request.rawTrailers.length > 0) upstream.addTrailers(asPairs(request.rawTrailers));
    });
    request.pipe(upstream); // invariant 2
    try {
      const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
      return answer;
    } catch (error) {
      if (this.#response.destroyed) throw new ClientGone();
      throw error;
    }
  }

  /** Reads the request to its end, so that the answer does not overtake it. */
  async drain(): Promise<void> {
    this.#request.resume();
    if (!this.#request.readableEnded) await this.#until(this.#request, 'end');
  }

  /** Starts the answer; it leaves at once. */
  begin({ status, statusMessage, headers }: AnswerHead): void {
    this.log.began(status);
    const response = this.#response;
    // A body that ends with its connection must not become chunked on the way.
    const isBodiless = this.log.method === 'HEAD' || status === 204 || status === 304;
    if (!isBodiless && !isFramed(headers)) response.useChunkedEncodingByDefault = false;
    const raw = headers as string[];
    if (statusMessage === undefined) response.writeHead(status, raw);
    else response.writeHead(status, statusMessage, raw);
    response.flushHeaders();
  }

  /** Sends pieces of body as fast as the client takes them. */
  async send(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const piece of body) await this.write(piece);
  }

  /** Sends one piece of body, and waits while the client is behind (invariant 2). */
  async write(piece: Buffer): Promise<void> {
    const response = this.#response;
    if (response.destroyed) throw new ClientGone();
    if (piece.length === 0) return;
    const isTaken = response.write(piece);
    this.log.sent(piece.length);
    if (!isTaken) await this.#until(response, 'drain');
  }

  /** Ends the answer. `closing` closes the connection behind it. */
  async end(trailers: RawHeaders = [], closing = false): Promise<void> {
    const response = this.#response;
    if (trailers.length > 0) response.addTrailers(asPairs(trailers));
    const { socket } = response;
    response.end();
    if (!response.writableFinished) await this.#until(response, 'finish');
    this.log.ended('answered');
    if (closing) socket?.end();
  }

  /** Breaks the client's connection, after what was sent has left. */
  async reset(cause?: unknown): Promise<void> {
    this.log.ended('broken', cause);
    const { socket } = this.#request;
    // A reset throws away what has not left yet.
    if (this.#response.headersSent) await new Promise((left) => socket.write('', left));
    socket.resetAndDestroy();
  }

  /** Rejects when the client has gone. */
  gone(): Promise<never> {
    if (this.#gone === undefined) {
      this.#gone = new Promise((_, reject) => {
        if (this.#response.destroyed) reject(new ClientGone());
        else this.#response.once('close', () => reject(new ClientGone()));
      });
      this.#gone.catch(() => {}); // nobody need be waiting when it happens
    }
    return this.#gone;
  }

  /** Not a race with {@link Relay.gone}: a long answer waits very often. */
  #until(emitter: EventEmitter, event: 'drain' | 'end' | 'finish'): Promise<void> {
    const response = this.#response;
    return new Promise((resolve, reject) => {
      const onEvent = () => {
        response.off('close', onClose);
        resolve();
      };
      const onClose = () => {
        emitter.off(event, onEvent);
        reject(new ClientGone());
      };
      emitter.once(event, onEvent);
      response.once('close', onClose);
    });
  }
}

function isFramed(headers: RawHeaders): boolean {
  return withoutHeaders(headers, 'content-length', 'transfer-encoding').length < headers.length;
}
