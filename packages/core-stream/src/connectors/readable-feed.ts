import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Feed } from './feed.js';

/**
 * Reads a Node stream from its own buffer, whose `highWaterMark` is the bound: no promise per chunk.
 *
 * Invariants
 * 1. Nothing flows: chunks are taken by `read()` only, so a slow engine stops the stream.
 * 2. A failure, or a close before the end, is raised, after the chunks that the stream still gives.
 * 3. The stream is destroyed when the feed is closed.
 */
export class ReadableFeed<T> implements Feed<T> {
  readonly #stream: Readable;
  #hasNews = true;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    if (!stream.readable) {
      throw new Error(
        'The stream was read or closed before. Give fromReadable a function that opens one.',
        stream.errored === null ? undefined : { cause: stream.errored },
      );
    }
    stream.on('readable', this.#onNews); // invariant 1
    stream.on('end', () => {
      this.#hasEnded = true;
      this.#onNews();
    });
    stream.on('error', (error) => this.#fail(error));
    stream.on('close', () => {
      if (!this.#hasEnded) this.#fail(new Error('The stream was closed before its end.'));
    });
  }

  readonly #onNews = (): void => {
    this.#hasNews = true;
    this.#wake?.();
  };

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#onNews();
  }

  take(max: number): readonly T[] {
    this.#hasNews = false;
    const taken: T[] = [];
    while (taken.length < max) {
      const chunk = this.#stream.read() as T | null;
      if (chunk === null) break;
      taken.push(chunk);
    }
    if (taken.length === 0 && this.#failure !== undefined) throw this.#failure.error; // invariant 2
    if (this.#failure !== undefined) this.#hasNews = true;
    return taken;
  }

  get hasEnded(): boolean {
    return this.#hasEnded && this.#failure === undefined;
  }

  isAvailable(): Promise<void> {
    if (this.#hasNews) return Promise.resolve();
    return new Promise((resolve) => (this.#wake = resolve));
  }

  close(): void {
    this.#stream.destroy(); // invariant 3
  }
}

/** A web stream as an iterable whose `return()` cancels at once, also while a read is pending. */
export function iterateWebStream<T>(stream: ReadableStream<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const reader = stream.getReader();
      return {
        next: async () => {
          const result = await reader.read();
          return result.done ? { done: true, value: undefined } : result;
        },
        return: async () => {
          await reader.cancel();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
