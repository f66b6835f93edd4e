/**
 * Maps of keyed state that are so large that each of their entries is a row of its own: what is stored and read is an entry.
 *
 * Role: finds the entries of one map, and reports what changes. Boundary: which maps are large, and what an entry's value is,
 * is the business of the handles.
 *
 * Invariants
 * 1. A map has as many rows as its size says; it is in the row of its key as that number.
 * 2. Every change of an entry is reported, and what is handed out and can be changed in place.
 */
import { InvariantError } from '../errors.js';
import { VACANT } from './vacant.js';
import { MAP_ENTRY_TABLE } from './row-encoding.js';
import type { KeyedRowFormat } from './keyed-rows.js';
import { Row, type RowTracker, type StoredRow } from './rows.js';

export class MapEntry extends Row {
  readonly key: unknown;
  /** Name of the state. */
  readonly state: string;
  readonly mapKey: unknown;
  /** `VACANT` when it is gone. */
  value: unknown;

  constructor(key: unknown, state: string, mapKey: unknown, value: unknown) {
    super();
    this.key = key;
    this.state = state;
    this.mapKey = mapKey;
    this.value = value;
  }
}

/** The namespace of an entry is a pair: the entries of a map lie together. */
export const mapEntryFormat: KeyedRowFormat<MapEntry> = {
  table: MAP_ENTRY_TABLE,
  namespaceOf: ({ state, mapKey }) => [state, mapKey],
  isGone: ({ value }) => value === VACANT,
  dataOf: ({ value }) => value,
  rowOf: ({ key, namespace, data }) => {
    const [state, mapKey] = namespace as [string, unknown];
    return new MapEntry(key, state, mapKey, data);
  },
};

/** What the slot of a key holds. */
export abstract class LargeMap {
  abstract readonly size: number;
  /** The entry may be used until the next call. */
  abstract find(mapKey: unknown): MapEntry | undefined;
  /** Puts an entry where there is none. */
  abstract add(mapKey: unknown, value: unknown): MapEntry;
  abstract remove(entry: MapEntry): void;
  /**
   * All entries. Some may be added, changed and removed meanwhile: one that is removed is not given any more, one that is added
   * may be given. Without `withNew` some that were added lately may be missing.
   */
  abstract entries(withNew?: boolean): Iterable<MapEntry>;
  abstract clear(): void;
}

/** The large maps of one subtask. */
export interface MapEntries {
  /** How many entries all maps have. */
  readonly size: number;
  /** A map with so many entries, which are there, or will be when it is filled. */
  map(key: unknown, state: string, size: number): LargeMap;
  /** Puts restored entries where they belong, once the keys have their maps. */
  fill(mapOf: (key: unknown, state: string) => LargeMap | undefined): void;
  /** Call it for each change of an entry. */
  changed(entry: MapEntry): void;
  /** Call it where a value goes out that may be changed until `release`. */
  handOut(entry: MapEntry): void;
  /** The function that had values has returned. */
  release(): void;
}

/** On the heap: the entries of a map are in a map, in the order in which they came, or were restored. */
export class HeapMapEntries implements MapEntries {
  readonly tracker: RowTracker<MapEntry>;
  #restored: Iterable<StoredRow>;
  size = 0;

  constructor(tracker: RowTracker<MapEntry>, restored: Iterable<StoredRow>) {
    this.tracker = tracker;
    this.#restored = restored;
  }

  map(key: unknown, state: string): LargeMap {
    return new HeapLargeMap(this, key, state);
  }

  fill(mapOf: (key: unknown, state: string) => LargeMap | undefined): void {
    for (const stored of this.#restored) {
      const entry = mapEntryFormat.rowOf(stored);
      const map = mapOf(entry.key, entry.state);
      if (!(map instanceof HeapLargeMap)) {
        throw new InvariantError(`A checkpoint has an entry of a map of '${entry.state}', but not the map`, {
          details: { invariant: 1, state: entry.state },
        });
      }
      map.restore(entry);
    }
    this.#restored = [];
  }

  changed(entry: MapEntry): void {
    this.tracker.changed(entry);
  }

  handOut(entry: MapEntry): void {
    this.tracker.changed(entry);
  }

  release(): void {
    // Entries do not leave the heap.
  }
}

class HeapLargeMap extends LargeMap {
  readonly #owner: HeapMapEntries;
  readonly #key: unknown;
  readonly #state: string;
  readonly #entries = new Map<unknown, MapEntry>();

  constructor(owner: HeapMapEntries, key: unknown, state: string) {
    super();
    this.#owner = owner;
    this.#key = key;
    this.#state = state;
  }

  get size(): number {
    return this.#entries.size;
  }

  restore(entry: MapEntry): void {
    this.#entries.set(entry.mapKey, entry);
    this.#owner.size++;
    this.#owner.tracker.restored(entry);
  }

  find(mapKey: unknown): MapEntry | undefined {
    return this.#entries.get(mapKey);
  }

  add(mapKey: unknown, value: unknown): MapEntry {
    const entry = new MapEntry(this.#key, this.#state, mapKey, value);
    this.#entries.set(mapKey, entry);
    this.#owner.size++;
    this.#owner.tracker.changed(entry); // invariant 2
    return entry;
  }

  remove(entry: MapEntry): void {
    this.#entries.delete(entry.mapKey);
    this.#owner.size--;
    entry.value = VACANT;
    this.#owner.tracker.removed(entry); // invariant 2
  }

  entries(): Iterable<MapEntry> {
    return this.#entries.values();
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.remove(entry);
  }
}
