import { createHash } from 'node:crypto';
import type { BlobInfo, BlobStore, PutOptions } from '../../src/checkpoint/blob-store.js';
import type { ByteRange, Chunks } from '../../src/checkpoint/checkpoint-storage.js';

interface Step {
  readonly run: () => void;
  readonly abandon: () => void;
}

/** What processes that run freely wait for. */
class Stopped extends Error {}

/** More than enough for a process to come to its next call: nothing but these calls takes longer. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}

/** One set of objects as several processes see it. Each call of a process waits until the test says that it happens. */
export class SteppedStores {
  readonly objects = new Map<string, Uint8Array>();
  readonly #steps = new Map<string, Step>();
  /** Of each process, everything that it has seen. */
  readonly #logs = new Map<string, string>();
  #isFree = false;

  /** Runs what was begun already without waiting for the test. */
  async runFreely(work: Promise<unknown>): Promise<void> {
    this.#isFree = true;
    for (const step of this.#steps.values()) step.run();
    this.#steps.clear();
    await work;
    this.#isFree = false;
    this.#logs.clear();
  }

  begin(name: string, work: () => Promise<void>): void {
    work().then(
      () => this.#log(name, 'done'),
      (error: unknown) => this.#log(name, `failed ${String(error)}`),
    );
  }

  /** Processes that have something to do. */
  waiting(): readonly string[] {
    return [...this.#steps.keys()].sort();
  }

  /** Lets a process' next call happen; nothing where it has ended. */
  async step(name: string): Promise<void> {
    const step = this.#steps.get(name);
    if (step === undefined) return;
    this.#steps.delete(name);
    step.run();
    await settled();
  }

  /** Ends what is still waiting. */
  async stop(): Promise<void> {
    while (this.#steps.size > 0) {
      const steps = [...this.#steps.values()];
      this.#steps.clear();
      for (const { abandon } of steps) abandon();
      await settled();
    }
  }

  /** Two equal ones have the same future. */
  signature(): string {
    const hash = createHash('sha1').update(this.contents());
    for (const [name, log] of [...this.#logs].sort()) hash.update(name).update(log);
    return hash.digest('hex');
  }

  /** Of all objects. */
  contents(): string {
    const objects = [...this.objects].sort(([a], [b]) => (a < b ? -1 : 1));
    const hash = createHash('sha1');
    for (const [name, bytes] of objects) hash.update(name).update(withoutNames(bytes));
    return hash.digest('hex');
  }

  of(name: string): BlobStore {
    const call = <T>(what: string, work: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        const run = () => {
          const result = work();
          const seen = result instanceof Uint8Array ? result : Buffer.from(JSON.stringify(result) ?? '');
          this.#log(name, `${what} ${withoutNames(seen)}`);
          resolve(result);
        };
        if (this.#isFree) run();
        else this.#steps.set(name, { run, abandon: () => reject(new Stopped()) });
      });
    return {
      location: 'memory',
      put: async (object: string, chunks: Chunks, { ifAbsent = false }: PutOptions = {}) => {
        const pieces: Uint8Array[] = [];
        for await (const chunk of chunks) pieces.push(chunk);
        return call(`put ${object}`, () => {
          if (ifAbsent && this.objects.has(object)) return false;
          this.objects.set(object, Buffer.concat(pieces));
          return true;
        });
      },
      get: (object: string, range?: ByteRange) =>
        call(`get ${object}`, () => {
          const bytes = this.objects.get(object);
          return range === undefined ? bytes : bytes?.subarray(range.offset, range.offset + range.length);
        }),
      list: (prefix: string) =>
        call(`list ${prefix}`, (): BlobInfo[] =>
          [...this.objects]
            .filter(([object]) => object.startsWith(prefix))
            .map(([object, bytes]) => ({ name: object, bytes: bytes.length })),
        ),
      delete: (names: readonly string[]) =>
        call(`delete ${names.join(' ')}`, () => {
          for (const object of names) this.objects.delete(object);
        }),
    };
  }

  #log(name: string, what: string): void {
    const hash = createHash('sha1')
      .update(this.#logs.get(name) ?? '')
      .update(what);
    this.#logs.set(name, hash.digest('hex'));
  }
}

/** Random names of claims are no difference. */
function withoutNames(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'claim');
}
