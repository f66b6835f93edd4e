/**
 * Rows by key that need not fit into memory: all of them in a store, those used lately as objects.
 *
 * Role: a write-back cache of row objects. Boundary: what is stored, and what is taken back, is the store's business.
 *
 * Invariants
 * 1. A row that is used is one object: the last one that `get` gave, or that was added, is not evicted before the next call.
 * 2. A row that was evicted is dead: changes that are reported of it, late, are not of the row that is there now.
 * 3. What was reported as changed is written before its row is evicted, and before a checkpoint is taken. Changed objects that
 *    are encoded as before are not written.
 * 4. What is cached stays within the budget, as estimated, but for rows in use; no more than `MOST_CHANGED` rows wait to be
 *    written, so that the pause of a checkpoint is bounded.
 */
import { decodeState } from './canonical-decoding.js';
import { keyIdentity } from './canonical-encoding.js';
import { encodeRow } from './row-encoding.js';
import type { CacheBudget, Evictable } from './cache-budget.js';
import { countKey, rowKey } from './disk-keys.js';
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
const SCANNED_TOGETHER = 256;
/** What an object takes besides twice its bytes: the entry of the map, the row, its key and its content. */
const OBJECT_BYTES = 240;

export class DiskRows<R extends Row> implements KeyedRows<R>, Evictable {
  readonly #format: KeyedRowFormat<R>;
  readonly #options: DiskRowsOptions;
  /** By key identity, in the order in which they are considered for eviction. */
  readonly #cache = new Map<unknown, Cached<R>>();
  readonly #changed = new Set<R>();
  /** Some changed row may be one that the store does not have yet. */
  #hasNew = false;
  #inUse: R | undefined;
  #size = 0;
  /** By key group, from the first one on. */
  readonly #counts: Int32Array;
  readonly #storedCounts: Int32Array;
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

  get(identity: unknown, key: unknown): R | undefined {
    const row = this.#find(identity, key);
    this.#inUse = row; // invariant 1
    return row;
  }

  add(identity: unknown, row: R): void {
    const known = this.#cache.get(identity);
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

  *values(): Iterable<R> {
    if (this.#hasNew) this.flush();
    const { store, table, keyGroups } = this.#options;
    let after: Buffer | undefined;
    for (;;) {
      const part = store.scan(table, keyGroups, { limit: SCANNED_TOGETHER, after });
      for (const { id } of part) {
        const { key } = decodeRowId(id);
        const row = this.#find(keyIdentity(key), key); // what has been read ahead may be another by now
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

  #find(identity: unknown, key: unknown): R | undefined {
    const cached = this.#cache.get(identity);
    if (cached !== undefined) {
      cached.isUsed = true;
      return this.#format.isGone(cached.row) ? undefined : cached.row;
    }
    const { store, table, maxParallelism } = this.#options;
    const bytes = store.get(rowKey(table, keyGroupOf(key, maxParallelism), rowId(key, undefined)));
    if (bytes === undefined) return undefined;
    const row = this.#format.rowOf({ key, namespace: undefined, data: decodeState(bytes) });
    this.#put(identity, row, sizeOf(bytes));
    return row;
  }

  #put(identity: unknown, row: R, bytes: number): void {
    this.#options.budget.makeRoom(bytes); // invariant 4
    this.#cache.set(identity, { row, isUsed: false, bytes });
    this.#account(bytes);
  }

  #drop(identity: unknown, cached: Cached<R>): void {
    this.#cache.delete(identity);
    this.#changed.delete(cached.row);
    cached.row.changedIn = EVICTED;
    this.#account(-cached.bytes);
  }

  #account(bytes: number): void {
    this.cachedBytes += bytes;
    this.#options.budget.usedBytes += bytes;
  }

  #count(row: R, by: number): void {
    const { maxParallelism, keyGroups } = this.#options;
    this.#counts[keyGroupOf(row.key, maxParallelism) - keyGroups.start]! += by;
    this.#size += by;
  }

  #write(rows: Iterable<R>): void {
    const { store, table, writer, maxParallelism } = this.#options;
    const written: { readonly row: R; readonly size: number }[] = [];
    const writes: RowWrite[] = [];
    for (const row of rows) {
      const id = rowId(row.key, undefined);
      const data = this.#format.isGone(row) ? undefined : Uint8Array.from(encodeRow(this.#format, row));
      writes.push({ key: rowKey(table, keyGroupOf(row.key, maxParallelism), id), id, data });
      written.push({ row, size: data === undefined ? 0 : sizeOf(data) });
    }
    store.write(writer, writes);
    for (const { row, size } of written) {
      if (row !== this.#inUse) {
        row.changedIn = UNCHANGED;
        this.#changed.delete(row);
      } // else it may be changed in place yet: it is looked at again
      const identity = keyIdentity(row.key);
      const cached = this.#cache.get(identity)!;
      if (size === 0) this.#drop(identity, cached);
      else {
        this.#account(size - cached.bytes);
        cached.bytes = size;
      }
    }
  }
}

function sizeOf(bytes: Uint8Array): number {
  return OBJECT_BYTES + 2 * bytes.length;
}
