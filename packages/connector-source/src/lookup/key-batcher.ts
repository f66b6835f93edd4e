/**
 * Turns wishes for single keys into few queries for many keys.
 *
 * Role: decides which keys are asked for, when, and who gets the answer. Boundary: `ask` does the asking; knows neither SQL
 * nor the cache.
 *
 * Invariants
 * 1. A key is in one query at a time: who wants it meanwhile waits for the same answer.
 * 2. At most `maxConcurrentQueries` run, of `maxBatchKeys` keys each. One that was cancelled counts until it has ended.
 * 3. A key waits `maxDelayMs` of the clock at most, and then for a query to end if all are taken; older keys go first.
 * 4. A key that nobody waits for any more is not asked for, and a query of such keys alone is cancelled.
 * 5. A failed query fails those who wait for its keys. Nothing of it is remembered: the next wish asks again.
 * 6. Once closed, nothing is asked; who waits is rejected; `close` resolves when all queries have ended.
 */
import type { Cancel, Clock } from '@millrace/core-stream';

export interface KeyBatcherOptions<K, A> {
  /** Gives an answer for each of `keys`, in their order. `signal` is aborted when nobody waits for it any more. */
  ask(keys: readonly K[], signal: AbortSignal): Promise<readonly A[]>;
  readonly clock: Clock;
  readonly maxBatchKeys: number;
  readonly maxDelayMs: number;
  readonly maxConcurrentQueries: number;
  /** Called with each answer before those who wait for it; `askedAt` is when its query began. */
  onAnswer(key: K, answer: A, askedAt: number): void;
}

interface Waiter<A> {
  resolve(answer: A): void;
  reject(reason: unknown): void;
  /** Ends the watch over its signal. */
  release(): void;
}

/** A key that somebody waits for, or waited for when its query began. */
interface Pending<K, A> {
  readonly key: K;
  readonly dueAt: number;
  readonly waiters: Set<Waiter<A>>;
  query: Query<K, A> | undefined;
}

interface Query<K, A> {
  readonly keys: readonly Pending<K, A>[];
  readonly abort: AbortController;
  /** Resolves when the query is over, however it ended. */
  ended: Promise<void>;
}

export class KeyBatcher<K extends { readonly id: string }, A> {
  readonly #options: KeyBatcherOptions<K, A>;
  readonly #pending = new Map<string, Pending<K, A>>();
  /** Those of them that are not in a query yet, oldest first. */
  readonly #queue = new Map<string, Pending<K, A>>();
  readonly #running = new Set<Query<K, A>>();
  #cancelWakeUp: Cancel | undefined;
  #closed: Error | undefined;

  constructor(options: KeyBatcherOptions<K, A>) {
    this.#options = options;
  }

  /** Keys that wait for their query. */
  get waitingKeys(): number {
    return this.#queue.size;
  }

  get runningQueries(): number {
    return this.#running.size;
  }

  /** Whether a wish for the key would join one that is there. */
  has(id: string): boolean {
    return this.#pending.has(id);
  }

  /** The answer for a key. Rejects with the signal's reason when it is aborted first. */
  load(key: K, signal: AbortSignal): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined || signal.aborted) {
        reject(this.#closed ?? (signal.reason as Error));
        return;
      }
      const pending = this.#pending.get(key.id) ?? this.#enqueue(key); // invariant 1
      const onAbort = () => {
        this.#leave(pending, waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter<A> = {
        resolve,
        reject,
        release: () => signal.removeEventListener('abort', onAbort),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      pending.waiters.add(waiter);
      this.#send();
    });
  }

  async close(reason: Error): Promise<void> {
    this.#closed = reason;
    this.#cancelWakeUp?.();
    const running = [...this.#running];
    for (const pending of this.#pending.values()) settle(pending, (waiter) => waiter.reject(reason));
    this.#pending.clear();
    this.#queue.clear();
    for (const query of running) query.abort.abort(reason);
    await Promise.all(running.map((query) => query.ended)); // invariant 6
  }

  #enqueue(key: K): Pending<K, A> {
    const dueAt = this.#options.clock.now() + this.#options.maxDelayMs;
    const pending: Pending<K, A> = { key, dueAt, waiters: new Set(), query: undefined };
    this.#pending.set(key.id, pending);
    this.#queue.set(key.id, pending);
    return pending;
  }

  /** Invariant 4. */
  #leave(pending: Pending<K, A>, waiter: Waiter<A>): void {
    pending.waiters.delete(waiter);
    if (pending.waiters.size > 0) return;
    const { query } = pending;
    if (query === undefined) {
      this.#forget(pending);
      this.#queue.delete(pending.key.id);
    } else if (query.keys.every(({ waiters }) => waiters.size === 0)) {
      for (const key of query.keys) this.#forget(key); // who comes now needs another query
      query.abort.abort(new DOMException('Nobody waits for this lookup any more.', 'AbortError'));
    }
  }

  #forget(pending: Pending<K, A>): void {
    const { id } = pending.key;
    if (this.#pending.get(id) === pending) this.#pending.delete(id);
  }

  /** Begins the queries that are due, and sees to it that the next one will be. */
  #send(): void {
    const { clock, maxBatchKeys, maxConcurrentQueries } = this.#options;
    if (this.#closed !== undefined) return;
    while (this.#running.size < maxConcurrentQueries) {
      const oldest = this.#queue.values().next().value;
      if (oldest === undefined) return;
      const leftMs = oldest.dueAt - clock.now();
      if (this.#queue.size < maxBatchKeys && leftMs > 0) {
        this.#wakeUpIn(leftMs);
        return;
      }
      this.#begin(); // invariants 2 and 3
    }
  }

  /** The oldest key has the earliest time: one wake-up serves all, and finds nothing to do if that key went before. */
  #wakeUpIn(delayMs: number): void {
    this.#cancelWakeUp ??= this.#options.clock.schedule(delayMs, () => {
      this.#cancelWakeUp = undefined;
      this.#send();
    });
  }

  #begin(): void {
    const keys: Pending<K, A>[] = [];
    for (const pending of this.#queue.values()) {
      if (keys.push(pending) === this.#options.maxBatchKeys) break;
    }
    const query: Query<K, A> = { keys, abort: new AbortController(), ended: Promise.resolve() };
    for (const pending of keys) {
      this.#queue.delete(pending.key.id);
      pending.query = query;
    }
    this.#running.add(query);
    query.ended = this.#run(query);
  }

  /** Never rejects: what goes wrong is told to those who wait. */
  async #run(query: Query<K, A>): Promise<void> {
    const { ask, clock, onAnswer } = this.#options;
    const askedAt = clock.now();
    try {
      const wanted = query.keys.map(({ key }) => key);
      const answers = await ask(wanted, query.abort.signal);
      query.abort.signal.throwIfAborted();
      query.keys.forEach((pending, i) => {
        onAnswer(pending.key, answers[i]!, askedAt);
        this.#forget(pending);
        settle(pending, (waiter) => waiter.resolve(answers[i]!));
      });
    } catch (error) {
      for (const pending of query.keys) {
        this.#forget(pending);
        settle(pending, (waiter) => waiter.reject(error)); // invariant 5
      }
    }
    this.#running.delete(query);
    this.#send();
  }
}

function settle<K, A>({ waiters }: Pending<K, A>, tell: (waiter: Waiter<A>) => void): void {
  for (const waiter of waiters) {
    waiter.release();
    tell(waiter);
  }
  waiters.clear();
}
