import type { TokenFunction } from '../options.js';

// No service that gives out tokens takes so long: the call is lost, and must not take all later requests with it.
const silentAfterMs = 30_000;

/** A token, and which one it is. */
export interface NumberedToken {
  readonly token: string;
  readonly version: number;
}

/**
 * The bearer token that all requests share.
 *
 * Invariant 1: however many requests ask at once, or are refused with the same token, the function is called once.
 * Invariant 2: a call that fails, or is silent for 30 s, is not remembered; the next request asks again.
 */
export class BearerToken {
  readonly #ask: TokenFunction;
  readonly #now: () => number;
  #version = 1;
  #current: Promise<NumberedToken> | undefined;
  /** When the current call falls silent; Infinity once it has answered. */
  #silentAtMs = Infinity;

  constructor(ask: TokenFunction, now: () => number) {
    this.#ask = ask;
    this.#now = now;
  }

  get(): Promise<NumberedToken> {
    if (this.#current !== undefined && this.#now() < this.#silentAtMs) return this.#current; // invariant 1
    const asked = this.#askFor(this.#version);
    this.#current = asked;
    this.#silentAtMs = this.#now() + silentAfterMs; // invariant 2
    asked.then(
      () => {
        if (this.#current === asked) this.#silentAtMs = Infinity;
      },
      () => {
        if (this.#current === asked) this.#current = undefined; // invariant 2
      },
    );
    return asked;
  }

  /** The server does not take this version: forgets it, unless there is a newer one. */
  refused(version: number): void {
    if (version !== this.#version) return; // invariant 1
    this.#version += 1;
    this.#current = undefined;
  }

  async #askFor(version: number): Promise<NumberedToken> {
    // A token read from a file mostly ends in a line break.
    const token = (await this.#ask({ isRefresh: version > 1 })).trim();
    if (token === '') throw new Error('the token function gave an empty token');
    return { token, version };
  }
}
