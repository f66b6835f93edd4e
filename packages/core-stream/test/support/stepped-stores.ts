import { createHash } from 'node:crypto';
import type { BlobInfo, BlobStore, PutOptions } from '../../src/checkpoint/blob-store.js';
import type { ByteRange, Chunks } from '../../src/checkpoint/checkpoint-storage.js';

/** What a call of a process does. */
export interface Call {
  readonly kind: 'put' | 'get' | 'list' | 'delete';
  /** Of the objects, or what they begin with. */
  readonly names: readonly string[];
}

/** Whether it makes a difference which of two calls comes first. */
export function haveOrder(a: Call, b: Call): boolean {
  const [reads, other] = a.kind === 'get' || a.kind === 'list' ? [a, b] : [b, a];
  if (other.kind === 'get' || other.kind === 'list') return false;
  const touches = (name: string) =>
    reads.names.some((read) => (reads.kind === 'list' ? name.startsWith(read) : name === read));
  return other.names.some(touches);
}

interface Step {
  readonly call: Call;
  readonly run: () => void;
}

/** One set of objects as several processes see it. Each call of a process waits until the test says that it happens. */
export class SteppedStores {
  readonly objects = new Map<string, Uint8Array>();
  readonly #steps = new Map<string, Step>();
  /** Of each process, everything that it has seen. */
  readonly #logs = new Map<string, string>();
  readonly #running = new Set<string>();
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

  /** Resolves at the first call. */
  async begin(name: string, work: () => Promise<void>): Promise<void> {
    this.#running.add(name);
    work()
      .then(
        () => this.#log(name, 'done'),
        (error: unknown) => this.#log(name, `failed ${String(error)}`),
      )
      .finally(() => this.#running.delete(name));
    await this.#settled(name);
  }

  /** Until a process has come to its next call, or has ended: nothing but these calls takes longer than some microtasks. */
  async #settled(name: string): Promise<void> {
    while (this.#running.has(name) && !this.#steps.has(name)) await Promise.resolve();
  }

  /** Processes that have something to do. */
  waiting(): readonly string[] {
    return [...this.#steps.keys()].sort();
  }

  /** Lets a process' next call happen, and tells which; nothing where it has ended. */
  async step(name: string): Promise<Call | undefined> {
    const step = this.#steps.get(name);
    if (step === undefined) return undefined;
    this.#steps.delete(name);
    step.run();
    await this.#settled(name);
    return step.call;
  }

  /** What a process that is waiting would do next. */
  next(name: string): Call {
    return this.#steps.get(name)!.call;
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
    const call = <T>(kind: Call['kind'], names: readonly string[], work: () => T): Promise<T> =>
      new Promise((resolve) => {
        const run = () => {
          const result = work();
          const seen = result instanceof Uint8Array ? result : Buffer.from(JSON.stringify(result) ?? '');
          this.#log(name, `${kind} ${names.join(' ')} ${withoutNames(seen)}`);
          resolve(result);
        };
        if (this.#isFree) run();
        else this.#steps.set(name, { call: { kind, names }, run });
      });
    return {
      location: 'memory',
      put: async (object: string, chunks: Chunks, { ifAbsent = false }: PutOptions = {}) => {
        const pieces: Uint8Array[] = [];
        for await (const chunk of chunks) pieces.push(chunk);
        return call('put', [object], () => {
          if (ifAbsent && this.objects.has(object)) return false;
          this.objects.set(object, Buffer.concat(pieces));
          return true;
        });
      },
      get: (object: string, range?: ByteRange) =>
        call('get', [object], () => {
          const bytes = this.objects.get(object);
          return range === undefined ? bytes : bytes?.subarray(range.offset, range.offset + range.length);
        }),
      list: (prefix: string) =>
        call('list', [prefix], (): BlobInfo[] =>
          [...this.objects]
            .filter(([object]) => object.startsWith(prefix))
            .map(([object, bytes]) => ({ name: object, bytes: bytes.length })),
        ),
      delete: (names: readonly string[]) =>
        call('delete', names, () => {
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

/** The random name of a claim, 36 characters, is no difference. */
function withoutNames(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  const at = text.indexOf('"claim": "');
  return at < 0 ? text : text.slice(0, at) + text.slice(at + 46);
}
