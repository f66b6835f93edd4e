/**
 * The handles of keyed state with a TTL.
 *
 * Invariants
 * 1. What is expired is never seen, unless the TTL says so, and then once.
 * 2. The elements of a list expire from its head: none is stamped with an earlier time than the one before it.
 * 3. What is changed, touched or removed, or handed out and can be changed in place, is reported.
 */
import type { AgeingState, ExpirySweep } from './expiry-sweep.js';
import type { StateSlots } from './key-table.js';
import type { MapSlot } from './map-slot.js';
import type { ListState, MapState, ValueState } from './state.js';
import type { Ttl } from './state-ttl.js';
import { VACANT } from './vacant.js';

/** What the slot of a value holds, and a map under each key; plain data, stored as it is. */
export interface Stamped<T> {
  value: T;
  touchedAt: number;
}

/** What the slot of a list holds. */
interface StampedList<T> {
  values: T[];
  touchedAt: number[];
}

/** What the handles share. */
export interface TtlSlot {
  readonly slots: StateSlots;
  readonly slot: number;
  readonly ttl: Ttl;
  readonly sweep: ExpirySweep;
}

export class TtlValueState<T> implements ValueState<T>, AgeingState {
  readonly slot: number;
  readonly #slots: StateSlots;
  readonly #ttl: Ttl;
  readonly #sweep: ExpirySweep;
  readonly #defaultValue: () => T | undefined;

  constructor({ slots, slot, ttl, sweep }: TtlSlot, defaultValue: () => T | undefined) {
    this.#slots = slots;
    this.slot = slot;
    this.#ttl = ttl;
    this.#sweep = sweep;
    this.#defaultValue = defaultValue;
    sweep.add(this);
  }

  value(): T | undefined {
    const content = this.#slots.get(this.slot);
    if (content === VACANT) return this.#defaultValue();
    const stamped = content as Stamped<T>;
    const now = this.#ttl.now();
    if (this.#ttl.isExpired(stamped.touchedAt, now)) {
      this.#slots.clear(this.slot);
      return this.#ttl.returnsExpired ? stamped.value : this.#defaultValue(); // invariant 1
    }
    if (this.#ttl.touchesOnRead) stamped.touchedAt = now;
    if (this.#ttl.touchesOnRead || typeof stamped.value === 'object') this.#slots.changed(); // invariant 3
    return stamped.value;
  }

  update(value: T): void {
    this.#sweep.advance();
    const now = this.#ttl.now();
    const content = this.#slots.get(this.slot);
    if (content === VACANT) this.#slots.set(this.slot, { value, touchedAt: now } satisfies Stamped<T>);
    else {
      const stamped = content as Stamped<T>;
      stamped.value = value;
      stamped.touchedAt = now;
      this.#slots.changed(); // invariant 3
    }
  }

  clear(): void {
    this.#slots.clear(this.slot);
  }

  removeExpired(content: unknown): boolean {
    return this.#ttl.isExpired((content as Stamped<T>).touchedAt, this.#ttl.now());
  }
}

export class TtlListState<T> implements ListState<T>, AgeingState {
  readonly slot: number;
  readonly #slots: StateSlots;
  readonly #ttl: Ttl;
  readonly #sweep: ExpirySweep;

  constructor({ slots, slot, ttl, sweep }: TtlSlot) {
    this.#slots = slots;
    this.slot = slot;
    this.#ttl = ttl;
    this.#sweep = sweep;
    sweep.add(this);
  }

  get(): readonly T[] {
    const content = this.#slots.get(this.slot);
    if (content === VACANT) return [];
    const list = content as StampedList<T>;
    const now = this.#ttl.now();
    const all = list.values;
    if (this.#removeExpired(list, now)) this.clear();
    else {
      if (this.#ttl.touchesOnRead) list.touchedAt.fill(now);
      this.#slots.changed(); // invariant 3
    }
    return this.#ttl.returnsExpired ? all : list.values; // invariant 1
  }

  add(value: T): void {
    this.#sweep.advance();
    const now = this.#ttl.now();
    const content = this.#slots.get(this.slot);
    if (content === VACANT) {
      this.#slots.set(this.slot, { values: [value], touchedAt: [now] } satisfies StampedList<T>);
      return;
    }
    const { values, touchedAt } = content as StampedList<T>;
    values.push(value);
    touchedAt.push(Math.max(now, touchedAt.at(-1) ?? now)); // invariant 2: a clock may go back
    this.#slots.changed(); // invariant 3
  }

  addAll(values: readonly T[]): void {
    const { length } = values; // they may be what `get` gave: this very list
    for (let i = 0; i < length; i++) this.add(values[i]!);
  }

  update(values: readonly T[]): void {
    this.clear();
    this.addAll(values);
  }

  clear(): void {
    this.#slots.clear(this.slot);
  }

  /** Waits until half of the list is expired: removing its head costs as much as the list is long. */
  removeExpired(content: unknown, changed: () => void): boolean {
    const list = content as StampedList<T>;
    const now = this.#ttl.now();
    const middle = list.touchedAt[list.touchedAt.length >> 1] ?? now;
    if (!this.#ttl.isExpired(middle, now)) return false;
    changed(); // invariant 3
    return this.#removeExpired(list, now);
  }

  /** Leaves the old array of values as it is: it may have been handed out. Returns whether nothing is left. */
  #removeExpired(list: StampedList<T>, now: number): boolean {
    let count = 0;
    while (count < list.touchedAt.length && this.#ttl.isExpired(list.touchedAt[count]!, now)) count++;
    if (count > 0) {
      list.values = list.values.slice(count);
      list.touchedAt = list.touchedAt.slice(count);
    }
    return list.values.length === 0;
  }
}

/** Each entry ages on its own. */
export class TtlMapState<K, V> implements MapState<K, V>, AgeingState {
  readonly slot: number;
  readonly #map: MapSlot<K, Stamped<V>>;
  readonly #ttl: Ttl;
  readonly #sweep: ExpirySweep;

  constructor({ slot, ttl, sweep }: TtlSlot, map: MapSlot<K, Stamped<V>>) {
    this.slot = slot;
    this.#map = map;
    this.#ttl = ttl;
    this.#sweep = sweep;
    sweep.add(this);
  }

  /** Whether what the map gave last may be seen, touched as the TTL says (invariant 1). */
  #read(key: K, stamped: Stamped<V>, mayRemove = true): boolean {
    const now = this.#ttl.now();
    if (this.#ttl.isExpired(stamped.touchedAt, now)) {
      if (mayRemove) this.#map.remove(key);
      return this.#ttl.returnsExpired;
    }
    if (this.#ttl.touchesOnRead) stamped.touchedAt = now;
    if (typeof stamped.value === 'object')
      this.#map.handOut(); // invariant 3
    else if (this.#ttl.touchesOnRead) this.#map.changed(); // invariant 3
    return true;
  }

  #find(key: K): Stamped<V> | undefined {
    const stamped = this.#map.get(key);
    return stamped !== undefined && this.#read(key, stamped) ? stamped : undefined;
  }

  get(key: K): V | undefined {
    return this.#find(key)?.value;
  }

  put(key: K, value: V): void {
    this.#sweep.advance();
    const touchedAt = this.#ttl.now();
    const stamped = this.#map.get(key);
    if (stamped === undefined) this.#map.put(key, { value, touchedAt });
    else {
      stamped.value = value;
      stamped.touchedAt = touchedAt;
      this.#map.changed(); // invariant 3
    }
    if (typeof value === 'object') this.#map.handOut(); // invariant 3
  }

  has(key: K): boolean {
    return this.#find(key) !== undefined;
  }

  remove(key: K): void {
    this.#map.remove(key);
  }

  *entries(): Iterable<readonly [K, V]> {
    const { content } = this.#map;
    for (const [key, stamped] of this.#map.entries()) {
      const isCurrent = this.#map.content === content; // else it is left to the sweep
      if (this.#read(key, stamped, isCurrent)) yield [key, stamped.value];
    }
  }

  *keys(): Iterable<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): Iterable<V> {
    for (const [, value] of this.entries()) yield value;
  }

  /** Does not count as reading the entries. */
  isEmpty(): boolean {
    const now = this.#ttl.now();
    for (const [, { touchedAt }] of this.#map.entries()) {
      if (this.#ttl.returnsExpired || !this.#ttl.isExpired(touchedAt, now)) return false;
    }
    return true;
  }

  clear(): void {
    this.#map.clear();
  }

  isEntryExpired(stored: unknown): boolean {
    return this.#ttl.isExpired((stored as Stamped<V>).touchedAt, this.#ttl.now());
  }

  /** Of a small map; entries of large ones are rows, which the sweep visits. */
  *removeExpired(content: unknown, changed: () => void): Generator<undefined, boolean> {
    const map = content as Map<K, Stamped<V>>;
    for (const [key, stamped] of map) {
      if (this.isEntryExpired(stamped)) {
        map.delete(key);
        changed(); // invariant 3
      }
      yield;
    }
    return map.size === 0;
  }
}
