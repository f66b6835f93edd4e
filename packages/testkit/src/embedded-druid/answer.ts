/** The answer to one request, written in pieces; nothing is sent before the first piece, so errors still fit. */

import type { ServerResponse } from 'node:http';
import type { ErrorAnswer } from './druid-error.js';

/** Thrown when the client went away; the query behind the answer should stop. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

export class AnswerStream {
  readonly #response: ServerResponse;
  /** Cuts the connection after this many bytes of the body (a scripted fault). */
  readonly #truncateAfter: number | undefined;
  #sent = 0;

  constructor(response: ServerResponse, truncateAfter?: number) {
    this.#response = response;
    this.#truncateAfter = truncateAfter;
  }

  get started(): boolean {
    return this.#response.headersSent;
  }

  get isClosed(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }

  header(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  /** Writes a piece and waits while the client reads slowly. */
  async write(text: string | Uint8Array): Promise<void> {
    const response = this.#response;
    if (response.destroyed) throw new ClientGone();
    if (!response.headersSent && !response.hasHeader('Content-Type'))
      response.setHeader('Content-Type', 'application/json');
    if (this.#truncateAfter !== undefined) {
      const bytes = Buffer.from(text);
      const piece = bytes.subarray(0, this.#truncateAfter - this.#sent);
      this.#sent += piece.length;
      if (piece.length < bytes.length) {
        await new Promise<void>((done) => response.write(piece, () => done()));
        response.destroy();
        throw new ClientGone();
      }
    }
    if (response.write(text)) return;
    await drained(response);
    if (response.destroyed) throw new ClientGone();
  }

  end(): void {
    this.#response.end();
  }

  /** Sends a whole answer. */
  async send(status: number, body: string, contentType = 'application/json'): Promise<void> {
    const response = this.#response;
    response.statusCode = status;
    response.setHeader('Content-Type', contentType);
    if (status !== 204 && this.#truncateAfter === undefined)
      response.setHeader('Content-Length', Buffer.byteLength(body));
    if (body !== '' && status !== 204) await this.write(body);
    response.end();
  }

  async json(value: unknown): Promise<void> {
    await this.send(200, JSON.stringify(value));
  }

  /** An error before the answer began; afterwards the body just breaks off, as Druid's does. */
  async error({ status, body, contentType }: ErrorAnswer): Promise<void> {
    if (this.started) this.end();
    else await this.send(status, body, contentType);
  }
}

/** Settles when the response takes more data, or will never do so. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.on('drain', settle).on('close', settle);
  });
}
