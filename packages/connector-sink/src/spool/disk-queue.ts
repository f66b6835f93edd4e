import type { SpoolDirectory } from './spool-directory.js';

/** A writer's work on the disk, one after the other. After a failure nothing more is done, and everybody is told. */
export class DiskQueue {
  readonly #directory: SpoolDirectory;
  readonly #maxBytes: number;
  #tail: Promise<void> = Promise.resolve();
  #bytes = 0;
  #failure: { readonly error: Error } | undefined;
  #waiting: (() => void) | undefined;

  /** `maxBytes` may be on their way to the disk before the writer has to wait until half of them are there. */
  constructor(directory: SpoolDirectory, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** `bytes` are held until `work` is done. */
  add(work: () => Promise<void>, bytes = 0): void {
    this.#bytes += bytes;
    this.#tail = this.#tail.then(async () => {
      try {
        if (this.#failure === undefined) await work();
      } catch (cause) {
        this.#failure = { error: await this.#directory.error('cannot be written', cause) };
      }
      this.#bytes -= bytes;
      if (this.#bytes > this.#maxBytes / 2 && this.#failure === undefined) return;
      this.#waiting?.();
      this.#waiting = undefined;
    });
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Its rejection is the failure. */
  backPressure(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return this.#bytes > this.#maxBytes ? this.#hasRoom() : undefined;
  }

  /** Resolves when all that was added is done. @throws DruidSinkSpoolError */
  async settled(): Promise<void> {
    await this.idle();
    this.throwIfFailed();
  }

  /** As `settled`, however it went. */
  async idle(): Promise<void> {
    let tail;
    do await (tail = this.#tail);
    while (tail !== this.#tail);
  }

  async #hasRoom(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting = resolve;
    });
    this.throwIfFailed();
  }
}
