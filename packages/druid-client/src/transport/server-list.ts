/**
 * The addresses of one cluster, and which comes first.
 *
 * Invariant 1: all calls stay with one server until it fails them; then the next one in the caller's order is first.
 */
export class ServerList {
  readonly urls: readonly string[];
  #first = 0;

  constructor(urls: readonly string[]) {
    this.urls = urls;
  }

  /** The server that calls go to now. */
  get current(): string {
    return this.urls[this.#first] as string;
  }

  /** All servers in the order in which a call tries them. */
  inOrder(): readonly string[] {
    return [...this.urls.slice(this.#first), ...this.urls.slice(0, this.#first)];
  }

  /** Goes on to the next server, unless another call has left this one already. */
  leave(url: string): void {
    if (this.current === url) this.#first = (this.#first + 1) % this.urls.length; // invariant 1
  }
}
