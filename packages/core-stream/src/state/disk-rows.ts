/**
 * Rows by key that need not fit into memory: all of them in a store, those used lately as objects.
 *
 * Role: a write-back cache of row objects. Boundary: what is stored, and what is taken back, is the store's business.
 *
 * Invariants
 * 1. A row that is used is one object: the last one that `get` gave, or that was added, is not evicted before the next call,
 *    and the last `MOST_HELD` ones that are held are not before `release`.
 * 2. A row that was evicted is dead: changes that are reported of it, late, are not of the row that is there now.
 * 3. What was reported as changed is written before its row is evicted, and before a checkpoint is taken. Changed objects that
 *    are encoded as before are not written.
 * 4. What is cached stays within the budget, as estimated, but for rows in use; no more than `MOST_CHANGED` rows wait to be
 *    written, so that the pause of a checkpoint is bounded.
 */
import { decodeState } from './canonical-decoding.js';
import { encodeKeyPair, keyIdentity } from './canonical-encoding.js';
import { encodeRow } from './row-encoding.js';
import type { CacheBudget, Evictable } from './cache-budget.js';
import { countKey, rowKey, rowsOfPairs, rowsOfTable, type KeyRange } from './disk-keys.js';
import { encodeCount, type DiskStore, type DiskWriter, type RowWrite } from './disk-store.js';
import { keyGroupOf, type KeyGroupRange } from './key-groups.js';
import type { KeyedRowFormat, KeyedRows } from './keyed-rows.js';
import { decodeRowId, rowId, type Row } from './rows.js';

export interface DiskRowsOptions {
  readonly store: DiskStore;
  /** The table's number in the store. */
  readonly table: number;
  /** `undefined` where nothing is ever taken back. */
  readonly writer: DiskWriter | undefined;
  readonly keyGroups: KeyGroupRange;
  readonly maxParallelism: number;
  readonly budget: CacheBudget;
}

interface Cached<R extends Row> {
  readonly row: R;
  /** Since it was last considered for eviction. */
  isUsed: boolean;
  bytes: number;
}

/** Values of `Row.changedIn`, which no tracker uses here. */
const UNCHANGED = 0;
const CHANGED = 1;
const EVICTED = -1;

const EVICTED_TOGETHER = 512;
const MOST_CHANGED = 32_768;
export const MOST_HELD = 16_384;
const SCANNED_TOGETHER = 256;
/** What an object takes besides twice its bytes: the entry of the map, the row, its key and its content. */
const OBJECT_BYTES = 240;

export class DiskRows<R extends Row> implements KeyedRows<R>, Evictable {
  readonly #format: KeyedRowFormat<R>;
  readonly #options: DiskRowsOptions;
  /** By identity, in the order in which they are considered for eviction. */
  readonly #cache = new Map<unknown, Cached<R>>();
  /** By identity, oldest first: rows that are not considered. */
  readonly #held = new Map<unknown, Cached<R>>();
  readonly #changed = new Set<R>();
  /** Some changed row may be one that the store does not have yet. */
  #hasNew = false;
  /** How often something was written. */
  #writes = 0;
  #inUse: R | undefined;
  #size = 0;
  /** By key group, from the first one on. */
  readonly #counts: Int32Array;
  readonly #storedCounts: Int32Array;
  /** Without rows that are held. */
  cachedBytes = 0;

  constructor(format: KeyedRowFormat<R>, options: DiskRowsOptions) {
    this.#format = format;
    this.#options = options;
    const { store, table, keyGroups, budget } = options;
    this.#counts = new Int32Array(keyGroups.end - keyGroups.start);
    for (let i = 0; i < this.#counts.length; i++) {
      this.#size += this.#counts[i] = store.count(countKey(table, keyGroups.start + i));
    }
    this.#storedCounts = this.#counts.slice();
    budget.caches.add(this);
  }

  get size(): number {
    return this.#size;
  }

  /** `identity` is what `rowIdentity` gives for key and namespace. */
  get(identity: unknown, key: unknown, namespace?: unknown): R | undefined {
    const row = this.#find(identity, key, namespace);
    this.#inUse = row; // invariant 1
    return row;
  }

  peek(identity: unknown, key: unknown): R | undefined {
    return this.#find(identity, key, undefined);
  }

  /** Keeps a row that was just given, so that it can be changed until `release` (invariant 1). */
  hold(row: R): void {
    const identity = rowIdentity(row.key, this.#format.namespaceOf?.(row));
    const cached = this.#cache.get(identity);
    if (cached?.row !== row) return; // it is held
    this.#cache.delete(identity);
    this.#held.set(identity, cached);
    this.cachedBytes -= cached.bytes;
    if (this.#held.size <= MOST_HELD) return;
    for (const [oldest, unheld] of this.#held) {
      this.#held.delete(oldest);
      this.#giveBack(oldest, unheld);
      return;
    }
  }

  release(): void {
    if (this.#held.size === 0) return;
    for (const [identity, cached] of this.#held) this.#giveBack(identity, cached);
    this.#held.clear();
  }

  #giveBack(identity: unknown, cached: Cached<R>): void {
    this.#cache.set(identity, cached);
    this.cachedBytes += cached.bytes;
  }

  add(identity: unknown, row: R): void {
    const known = this.#cached(identity);
    if (known?.row !== row) {
      if (known !== undefined) this.#drop(identity, known);
      this.#put(identity, row, OBJECT_BYTES);
    }
    this.#inUse = row; // invariant 1
    this.#hasNew = true;
    this.#count(row, 1);
    if (row.changedIn === EVICTED) row.changedIn = UNCHANGED;
    this.changed(row);
  }

  changed(row: R): void {
    if (row.changedIn !== UNCHANGED) return; // invariant 2
    row.changedIn = CHANGED;
    this.#changed.add(row);
    if (this.#changed.size > MOST_CHANGED) this.flush(); // invariant 4
  }

  remove(_identity: unknown, row: R): void {
    if (row.changedIn === EVICTED) return; // invariant 2
    this.#count(row, -1);
    this.changed(row);
  }

  values(): Iterable<R> {
    if (this.#hasNew) this.flush();
    return this.#rowsIn(rowsOfTable(this.#options.table, this.#options.keyGroups));
  }

  /** As `values`, of those rows of a key whose namespaces are pairs that begin with `first`. `withNew` as they all are now. */
  valuesOfPairs(key: unknown, first: unknown, withNew: boolean): Iterable<R> {
    if (withNew && this.#hasNew) this.flush();
    const { table, maxParallelism } = this.#options;
    return this.#rowsIn(rowsOfPairs(table, keyGroupOf(key, maxParallelism), key, first));
  }

  *#rowsIn(range: KeyRange): Iterable<R> {
    const { store } = this.#options;
    let after: Buffer | undefined;
    for (;;) {
      const writes = this.#writes;
      const part = store.scan(range, { limit: SCANNED_TOGETHER, after });
      for (const { id, data } of part) {
        const { key, namespace } = decodeRowId(id);
        const isCurrent = writes === this.#writes; // else what has been read ahead may be another by now
        const row = this.#find(rowIdentity(key, namespace), key, namespace, isCurrent ? data : undefined);
        if (row !== undefined) yield row;
      }
      after = part.at(-1)?.key;
      if (part.length < SCANNED_TOGETHER) return;
    }
  }

  /** Writes what has changed (invariant 3). */
  flush(): void {
    this.#write(this.#changed);
    this.#hasNew = false;
  }

  /** As `flush`, with what a restart needs to know of the table. */
  flushAll(): void {
    this.flush();
    const { store, table, writer, keyGroups } = this.#options;
    const writes: RowWrite[] = [];
    this.#counts.forEach((count, i) => {
      if (count === this.#storedCounts[i]) return;
      const key = countKey(table, keyGroups.start + i);
      writes.push({ key, id: undefined, data: count === 0 ? undefined : encodeCount(count) });
    });
    store.write(writer, writes);
    this.#storedCounts.set(this.#counts);
  }

  /** Makes room; returns whether anything was evicted, or will be in the next round. */
  evict(): boolean {
    const victims = new Map<unknown, Cached<R>>();
    let left = Math.min(this.#cache.size, 4 * EVICTED_TOGETHER);
    const hadMore = left > 1;
    for (const [identity, cached] of this.#cache) {
      if (left-- === 0 || victims.size === EVICTED_TOGETHER) break;
      if (cached.row !== this.#inUse && !cached.isUsed) victims.set(identity, cached);
      else {
        cached.isUsed = false;
        this.#cache.delete(identity);
        this.#cache.set(identity, cached);
      }
    }
    this.#write([...victims.values()].map(({ row }) => row).filter((row) => row.changedIn === CHANGED)); // invariant 3
    for (const [identity, cached] of victims) this.#drop(identity, cached);
    return hadMore;
  }

  /** `known` is what the store has of it, where that has just been read. */
  #find(identity: unknown, key: unknown, namespace: unknown, known?: Uint8Array): R | undefined {
    const cached = this.#cached(identity);
    if (cached !== undefined) {
      cached.isUsed = true;
      return this.#format.isGone(cached.row) ? undefined : cached.row;
    }
    const { store, table, maxParallelism } = this.#options;
    const bytes = known ?? store.get(rowKey(table, keyGroupOf(key, maxParallelism), rowId(key, namespace)));
    if (bytes === undefined) return undefined;
    const row = this.#format.rowOf({ key, namespace, data: decodeState(bytes) });
    this.#put(identity, row, sizeOf(bytes));
    return row;
  }

  #cached(identity: unknown): Cached<R> | undefined {
    return this.#cache.get(identity) ?? this.#held.get(identity);
  }

  #put(identity: unknown, row: R, bytes: number): void {
    this.#options.budget.makeRoom(bytes); // invariant 4
    const cached = { row, isUsed: false, bytes: 0 };
    this.#cache.set(identity, cached);
    this.#resize(identity, cached, bytes);
  }

  #drop(identity: unknown, cached: Cached<R>): void {
    this.#resize(identity, cached, 0);
    this.#cache.delete(identity);
    this.#held.delete(identity);
    this.#changed.delete(cached.row);
    cached.row.changedIn = EVICTED;
  }

  #resize(identity: unknown, cached: Cached<R>, bytes: number): void {
    this.#options.budget.usedBytes += bytes - cached.bytes;
    if (!this.#held.has(identity)) this.cachedBytes += bytes - cached.bytes;
    cached.bytes = bytes;
  }

  #count(row: R, by: number): void {
    const { maxParallelism, keyGroups } = this.#options;
    this.#counts[keyGroupOf(row.key, maxParallelism) - keyGroups.start]! += by;
    this.#size += by;
  }

  #write(rows: Iterable<R>): void {
    const { store, table, writer, maxParallelism } = this.#options;
    const { namespaceOf } = this.#format;
    const written: { readonly row: R; readonly size: number }[] = [];
    const writes: RowWrite[] = [];
    for (const row of rows) {
      const id = rowId(row.key, namespaceOf?.(row));
      const data = this.#format.isGone(row) ? undefined : Uint8Array.from(encodeRow(this.#format, row));
      writes.push({ key: rowKey(table, keyGroupOf(row.key, maxParallelism), id), id, data });
      written.push({ row, size: data === undefined ? 0 : sizeOf(data) });
    }
    store.write(writer, writes);
    this.#writes++;
    for (const { row, size } of written) {
      const identity = rowIdentity(row.key, namespaceOf?.(row));
      if (row !== this.#inUse && !this.#held.has(identity)) {
        row.changedIn = UNCHANGED;
        this.#changed.delete(row);
      } // else it may be changed in place yet: it is looked at again
      const cached = this.#cached(identity)!;
      if (size === 0) this.#drop(identity, cached);
      else this.#resize(identity, cached, size);
    }
  }
}

/** A value by which a `Map` tells rows apart. */
export function rowIdentity(key: unknown, namespace: unknown): unknown {
  return namespace === undefined ? keyIdentity(key) : encodeKeyPair(key, namespace).toString('latin1');
}

function sizeOf(bytes: Uint8Array): number {
  return OBJECT_BYTES + 2 * bytes.length;
}
