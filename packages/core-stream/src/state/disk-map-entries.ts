/** Large maps whose entries are rows on disk: in no order that matters, of which only those used lately are in memory. */
import { rowIdentity, type DiskRows } from './disk-rows.js';
import { LargeMap, MapEntry, type MapEntries } from './map-entries.js';
import { VACANT } from './vacant.js';

export class DiskMapEntries implements MapEntries {
  readonly rows: DiskRows<MapEntry>;

  constructor(rows: DiskRows<MapEntry>) {
    this.rows = rows;
  }

  get size(): number {
    return this.rows.size;
  }

  map(key: unknown, state: string, size: number): LargeMap {
    return new DiskLargeMap(this.rows, key, state, size);
  }

  fill(): void {
    // The store has them.
  }

  changed(entry: MapEntry): void {
    this.rows.changed(entry);
  }

  handOut(entry: MapEntry): void {
    this.rows.changed(entry);
    this.rows.hold(entry);
  }

  release(): void {
    this.rows.release();
  }
}

/** When its key's record has left memory another object stands for the same map: then only reading from this one is right. */
class DiskLargeMap extends LargeMap {
  readonly #rows: DiskRows<MapEntry>;
  readonly #key: unknown;
  readonly #state: string;
  size: number;

  constructor(rows: DiskRows<MapEntry>, key: unknown, state: string, size: number) {
    super();
    this.#rows = rows;
    this.#key = key;
    this.#state = state;
    this.size = size;
  }

  find(mapKey: unknown): MapEntry | undefined {
    const namespace = [this.#state, mapKey];
    return this.#rows.get(rowIdentity(this.#key, namespace), this.#key, namespace);
  }

  add(mapKey: unknown, value: unknown): MapEntry {
    const entry = new MapEntry(this.#key, this.#state, mapKey, value);
    this.#rows.add(rowIdentity(this.#key, [this.#state, mapKey]), entry);
    this.size++;
    return entry;
  }

  remove(entry: MapEntry): void {
    entry.value = VACANT;
    this.#rows.remove(undefined, entry);
    this.size--;
  }

  entries(withNew = true): Iterable<MapEntry> {
    return this.#rows.valuesOfPairs(this.#key, this.#state, withNew);
  }

  clear(): void {
    for (const entry of this.entries()) this.remove(entry);
  }
}
