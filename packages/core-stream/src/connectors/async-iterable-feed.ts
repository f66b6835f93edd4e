/**
 * Reads an async iterable ahead of the engine.
 *
 * Invariants
 * 1. At most `prefetch` records are buffered, one of them possibly still under way; only one `next()` at a time.
 * 2. A failure is raised after the records that came before it.
 * 3. `return()` is called on an iterator that has not ended by itself, also while a `next()` of it is pending.
 */
import type { Feed } from './feed.js';

export class AsyncIterableFeed<T> implements Feed<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #prefetch: number;
  #buffer: T[] = [];
  #isFetching = false;
  #isDone = false;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(iterable: AsyncIterable<T>, prefetch: number) {
    this.#iterator = iterable[Symbol.asyncIterator]();
    this.#prefetch = prefetch;
    void this.#fetch();
  }

  take(max: number): readonly T[] {
    const buffer = this.#buffer;
    if (buffer.length === 0 && this.#failure !== undefined) throw this.#failure.error; // invariant 2
    const taken = buffer.length <= max ? buffer : buffer.slice(0, max);
    this.#buffer = buffer.length <= max ? [] : buffer.slice(max);
    if (this.#buffer.length <= this.#prefetch >> 1) void this.#fetch();
    return taken;
  }

  get hasEnded(): boolean {
    return this.#isDone && this.#buffer.length === 0 && this.#failure === undefined;
  }

  isAvailable(): Promise<void> {
    if (this.#isDone || this.#buffer.length > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Never rejects. */
  async #fetch(): Promise<void> {
    if (this.#isFetching || this.#isDone) return;
    this.#isFetching = true;
    try {
      while (this.#buffer.length < this.#prefetch && !this.#isClosed) {
        const result = await this.#iterator.next(); // invariant 1
        if (result.done === true) {
          this.#isDone = true;
          break;
        }
        this.#buffer.push(result.value);
        this.#wakeSoon();
      }
    } catch (error) {
      this.#failure = { error };
      this.#isDone = true;
    }
    this.#isFetching = false;
    this.#wake?.();
  }

  /** After this turn of the event loop: an iterable that has more at once is taken from in batches. */
  #wakeSoon(): void {
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    setImmediate(wake);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#buffer = [];
    if (this.#isDone) return;
    const returned = this.#iterator.return?.(); // invariant 3
    // A generator answers only after its pending `next()`, which may never come: that is not waited for.
    if (this.#isFetching) returned?.catch(() => undefined);
    else await returned;
  }
}
