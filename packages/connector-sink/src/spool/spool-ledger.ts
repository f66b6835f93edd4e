/**
 * Counts the bytes on disk of one sink, shared by its writers and its committer.
 *
 * Invariant 1: a writer waits only while a commit is under way. Waiting for anything else could wait for ever: what is not
 * in a checkpoint yet leaves the disk only after a barrier, and a waiting subtask lets no barrier pass.
 */
export class SpoolLedger {
  readonly maxBytes: number;
  #bytes = 0;
  #commits = 0;
  #waiting: PromiseWithResolvers | undefined;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    this.#release();
  }

  /** At a restart: `bytes` are on disk, and no commit is under way. */
  reset(bytes: number): void {
    this.#bytes = bytes;
    this.#commits = 0;
    this.#release();
  }

  commitBegins(): void {
    this.#commits += 1;
  }

  commitEnds(): void {
    this.#commits -= 1;
    this.#release();
  }

  /** Whether no more should be kept than has to be. */
  get isFull(): boolean {
    return this.#bytes >= this.maxBytes;
  }

  /** A promise while the disk's share is full and a commit under way will free some of it. */
  backPressure(): Promise<void> | undefined {
    if (!this.#isBlocked()) return undefined;
    this.#waiting ??= withResolvers();
    return this.#waiting.promise;
  }

  #isBlocked(): boolean {
    return this.isFull && this.#commits > 0; // invariant 1
  }

  #release(): void {
    if (this.#isBlocked()) return;
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** `Promise.withResolvers` is not in Node 20. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
