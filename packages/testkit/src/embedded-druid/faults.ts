/** Scripted faults: what a test wants to go wrong with the next requests. */

/** A fault for requests that match `method` and `path`. */
export interface Fault {
  /** HTTP method; any when left out. */
  method?: string;
  /** Start of the path (a string), or a pattern for it; any when left out. */
  path?: string | RegExp;
  /** Answer with this status instead of handling the request. */
  status?: number;
  /** Body of that answer; an object is sent as JSON. */
  body?: string | Record<string, unknown>;
  /** Further headers of that answer, for example `Retry-After`. */
  headers?: Record<string, string>;
  /** How many matching requests fail; default 1. */
  times?: number;
  /**
   * `before-handling` (or `true`): the connection breaks and nothing happened. `after-handling`: the request takes
   * effect, then the connection breaks before the answer, so the client cannot know.
   */
  dropConnection?: boolean | 'before-handling' | 'after-handling';
  /** Handle the request, but break the connection after this many bytes of the body. */
  truncateAfterBytes?: number;
}

export class Faults {
  readonly #queue: { fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#queue.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#queue.length = 0;
  }

  /** The fault for a request, used up by one. */
  take(method: string, path: string): Fault | undefined {
    const index = this.#queue.findIndex(({ fault }) => matches(fault, method, path));
    const entry = this.#queue[index];
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#queue.splice(index, 1);
    return entry.fault;
  }
}

function matches(fault: Fault, method: string, path: string): boolean {
  if (fault.method !== undefined && fault.method.toUpperCase() !== method) return false;
  if (fault.path === undefined) return true;
  return typeof fault.path === 'string' ? path.startsWith(fault.path) : fault.path.test(path);
}
