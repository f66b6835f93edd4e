/**
 * A lookup in one subtask: cache, batches and the client, from open to close.
 *
 * Boundary: when records are asked about, and in which order results leave, is the engine's.
 *
 * Invariants
 * 1. A record that the cache answers costs no query; one that it does not costs at most a place in one.
 * 2. What a record is joined with was read by a query that began less than the time to live before.
 * 3. Closing cancels the queries that run, and waits until they have ended before it closes a client of its own.
 */
import type { AsyncContext, AsyncFunction, AsyncRuntimeContext } from '@millrace/core-stream';
import type { DruidClient, DruidClientOptions } from '@millrace/druid-client';
import type { LookupJoin } from './druid-lookup.js';
import { KeyBatcher } from './key-batcher.js';
import { LookupCache } from './lookup-cache.js';
import { rowValidAt, type LookupEntry } from './lookup-entry.js';
import type { LookupKeyColumns, WantedKey } from './lookup-key.js';
import { lookupMetrics, type LookupMetrics } from './lookup-metrics.js';
import { openLookupClient, type LookupClient, type LookupSettings } from './lookup-options.js';
import { LookupReader } from './lookup-reader.js';

export interface LookupFunctionOptions<T, R> {
  readonly druid: DruidClient | DruidClientOptions;
  readonly settings: LookupSettings;
  readonly join: LookupJoin<T, unknown, R, LookupKeyColumns>;
  readonly isInner: boolean;
}

type Entry = LookupEntry<unknown>;

const nothing: Entry = { rows: [], valid: undefined };

export class LookupFunction<T, R> implements AsyncFunction<T, R> {
  readonly timeout?: (value: T) => readonly R[];
  readonly #context: AsyncRuntimeContext;
  readonly #options: LookupFunctionOptions<T, R>;
  readonly #cache: LookupCache<unknown>;
  readonly #batcher: KeyBatcher<WantedKey, Entry>;
  readonly #metrics: LookupMetrics;
  #client: LookupClient | undefined;
  #reader: LookupReader<unknown> | undefined;

  constructor(context: AsyncRuntimeContext, options: LookupFunctionOptions<T, R>) {
    const { settings, join } = options;
    this.#context = context;
    this.#options = options;
    if (join.onTimeout !== undefined) this.timeout = join.onTimeout;
    this.#cache = new LookupCache(settings.cache.maxRows);
    this.#batcher = new KeyBatcher<WantedKey, Entry>({
      ask: (keys, signal) => this.#ask(keys, signal),
      clock: context.clock,
      maxBatchKeys: settings.batch.maxKeys,
      maxDelayMs: settings.batch.maxDelayMs,
      maxConcurrentQueries: settings.batch.maxConcurrentQueries,
      onAnswer: (key, entry, askedAt) => this.#remember(key, entry, askedAt),
    });
    this.#metrics = lookupMetrics(context.metrics, {
      cachedRows: () => this.#cache.rows,
      evictions: () => this.#cache.evictions,
      waitingKeys: () => this.#batcher.waitingKeys,
      runningQueries: () => this.#batcher.runningQueries,
    });
  }

  /** @throws DruidSourceSchemaError, DruidSourceReadError */
  async open(): Promise<void> {
    const { druid, settings } = this.#options;
    this.#client = openLookupClient(druid);
    this.#reader = await LookupReader.open(this.#client.druid, settings.reading);
  }

  asyncInvoke(value: T, call: AsyncContext): Promise<readonly R[]> {
    const { settings, join } = this.#options;
    const { keys } = settings.reading;
    const key = keys.wanted(join.key(value));
    if (key === undefined) return Promise.resolve(this.#joined(value, nothing, call));
    const cached = this.#cache.get(key.id, this.#context.clock.now());
    if (cached !== undefined) {
      this.#metrics.hits.inc(); // invariant 1
      return Promise.resolve(this.#joined(value, cached, call));
    }
    if (!keys.canExist(key)) return Promise.resolve(this.#joined(value, nothing, call));
    this.#metrics.misses.inc();
    if (this.#batcher.has(key.id)) this.#metrics.shared.inc();
    return this.#batcher.load(key, call.signal).then((entry) => this.#joined(value, entry, call));
  }

  async close(): Promise<void> {
    await this.#batcher.close(new DOMException('The lookup was closed.', 'AbortError'));
    this.#client?.release(); // invariant 3
  }

  #joined(value: T, entry: Entry, call: AsyncContext): readonly R[] {
    const { settings, join, isInner } = this.#options;
    const { match } = settings.reading;
    const { rows } = entry;
    const found = match === 'version' ? rowValidAt(entry, call.timestamp) : match === 'all' ? rows : rows[0];
    const isMatched = match === 'all' ? rows.length > 0 : found !== undefined;
    if (!isMatched) {
      this.#metrics.unmatched.inc();
      if (isInner) return [];
    }
    return [join.join(value, found)];
  }

  async #ask(keys: readonly WantedKey[], signal: AbortSignal): Promise<Entry[]> {
    const { clock } = this.#context;
    const now = () => clock.monotonicNow?.() ?? clock.now();
    const { queries, failedQueries, keysAsked, keysPerQuery, queryMs, rowsRead } = this.#metrics;
    queries.inc();
    keysAsked.inc(keys.length);
    keysPerQuery.update(keys.length);
    const begunAt = now();
    try {
      const entries = await this.#reader!.read(this.#client!.druid, keys, signal);
      queryMs.update(now() - begunAt);
      rowsRead.inc(entries.reduce((sum, { rows }) => sum + rows.length, 0));
      return entries;
    } catch (error) {
      if (!signal.aborted) failedQueries.inc();
      throw error;
    }
  }

  /** The time runs from the beginning of the query: what changed since then may be missing (invariant 2). */
  #remember(key: WantedKey, entry: Entry, askedAt: number): void {
    const { ttlMs, negativeTtlMs } = this.#options.settings.cache;
    const expiresAt = askedAt + (entry.rows.length === 0 ? negativeTtlMs : ttlMs);
    if (expiresAt > this.#context.clock.now()) this.#cache.put(key.id, entry, expiresAt);
  }
}
