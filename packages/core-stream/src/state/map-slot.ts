/**
 * The map of the current key in one slot: small ones are in the row of their key, large ones have a row per entry.
 *
 * Most maps have a few entries, and are read and written with their key at once. A map with many would be stored whole for
 * each entry that changes. A map that has become large stays so until it is empty.
 *
 * Invariants
 * 1. What is changed, or handed out and can be changed in place, is reported.
 * 2. A map without entries gives up its slot.
 * 3. An iteration goes on while entries come and go, also while the map becomes a large one: what is removed is not given any
 *    more, what is added may be given.
 */
import type { StateSlots } from './key-table.js';
import { LargeMap, type MapEntries, type MapEntry } from './map-entries.js';
import { VACANT } from './vacant.js';

/** Entries of a small map. */
export const MOST_INLINE = 32;

/** Where maps can become large: what their entries are. */
export interface LargeMaps {
  readonly entries: MapEntries;
  /** Name of the state. */
  readonly state: string;
  readonly currentKey: () => unknown;
}

/** `S` is what is stored of a value. */
export class MapSlot<K, S> {
  readonly #slots: StateSlots;
  readonly #slot: number;
  readonly #large: LargeMaps | undefined;
  /** What was given last; `undefined` where that is in the row of its key. */
  #found: MapEntry | undefined;
  /** What small maps have become that may still be iterated over. */
  readonly #grown = new WeakMap<Map<K, S>, LargeMap>();

  constructor(slots: StateSlots, slot: number, large?: LargeMaps) {
    this.#slots = slots;
    this.#slot = slot;
    this.#large = large;
  }

  /** The map that is there, or `VACANT`; another one where it has been emptied or has become large since. */
  get content(): unknown {
    return this.#slots.get(this.#slot);
  }

  get(key: K): S | undefined {
    const content = this.#slots.get(this.#slot);
    this.#found = undefined;
    if (content === VACANT) return undefined;
    if (!(content instanceof LargeMap)) return (content as Map<K, S>).get(key);
    this.#found = content.find(key);
    return this.#found?.value as S | undefined;
  }

  has(key: K): boolean {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) return false;
    return content instanceof LargeMap ? content.find(key) !== undefined : (content as Map<K, S>).has(key);
  }

  /** What was given last has been changed (invariant 1). */
  changed(): void {
    if (this.#found === undefined) this.#slots.changed();
    else this.#large!.entries.changed(this.#found);
  }

  /** What was given last may be changed until the function returns (invariant 1). */
  handOut(): void {
    if (this.#found === undefined) this.#slots.changed();
    else this.#large!.entries.handOut(this.#found);
  }

  /** Counts as what was given last. */
  put(key: K, stored: S): void {
    const content = this.#slots.get(this.#slot);
    this.#found = undefined;
    if (content === VACANT) this.#slots.set(this.#slot, new Map([[key, stored]]));
    else if (content instanceof LargeMap) this.#putInto(content, key, stored);
    else {
      const map = content as Map<K, S>;
      map.set(key, stored);
      this.#slots.changed();
      if (map.size > MOST_INLINE && this.#large !== undefined) this.#grow(map, this.#large);
    }
  }

  #putInto(map: LargeMap, key: K, stored: S): void {
    let entry = map.find(key);
    if (entry === undefined) {
      entry = map.add(key, stored);
      this.#slots.changed(); // its size
    } else {
      entry.value = stored;
      this.#large!.entries.changed(entry);
    }
    this.#found = entry;
  }

  #grow(small: Map<K, S>, { entries, state, currentKey }: LargeMaps): void {
    const large = entries.map(currentKey(), state, 0);
    for (const [key, stored] of small) {
      this.#putInto(large, key, stored);
      this.handOut(); // it may have been, in this very turn
    }
    this.#slots.set(this.#slot, large);
    this.#grown.set(small, large);
  }

  remove(key: K): void {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) return;
    if (content instanceof LargeMap) {
      const entry = content.find(key);
      if (entry === undefined) return;
      content.remove(entry);
    } else if (!(content as Map<K, S>).delete(key)) return;
    if ((content as { readonly size: number }).size === 0)
      this.clear(); // invariant 2
    else this.#slots.changed();
  }

  /** Each can be reported as what was given last, before the next one is asked for. */
  entries(): Iterable<readonly [K, S]> {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) return [];
    return content instanceof LargeMap ? this.#entriesOf(content) : this.#inline(content as Map<K, S>);
  }

  *#inline(small: Map<K, S>): Iterable<readonly [K, S]> {
    for (const entry of small) {
      const large = this.#grown.get(small);
      if (large === undefined) {
        this.#found = undefined;
        yield entry;
      } else if ((this.#found = large.find(entry[0])) !== undefined) {
        yield [entry[0], this.#found.value as S]; // invariant 3
      }
    }
  }

  *#entriesOf(map: LargeMap): Iterable<readonly [K, S]> {
    for (const entry of map.entries()) {
      this.#found = entry;
      yield [entry.mapKey as K, entry.value as S];
    }
  }

  isEmpty(): boolean {
    return this.#slots.get(this.#slot) === VACANT; // invariant 2
  }

  clear(): void {
    this.#slots.clear(this.#slot);
  }
}
