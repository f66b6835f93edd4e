/**
 * The handles of keyed state with a TTL.
 *
 * Invariants
 * 1. What is expired is never seen, unless the TTL says so, and then once.
 * 2. The elements of a list expire from its head: none is stamped with an earlier time than the one before it.
 * 3. What is changed, touched or removed, or handed out and can be changed in place, is reported.
 */
import type { AgeingState, ExpirySweep } from './expiry-sweep.js';
import { VACANT, type StateSlots } from './key-table.js';
import type { ListState, MapState, ValueState } from './state.js';
import type { Ttl } from './state-ttl.js';

/** What the slot of a value holds, and a map under each key; plain data, stored as it is. */
interface Stamped<T> {
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

export class TtlMapState<K, V> implements MapState<K, V>, AgeingState {
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

  #map(): Map<K, Stamped<V>> | undefined {
    const content = this.#slots.get(this.slot);
    return content === VACANT ? undefined : (content as Map<K, Stamped<V>>);
  }

  /** The entry where it may be seen, touched as the TTL says (invariant 1). */
  #read(map: Map<K, Stamped<V>>, key: K, stamped: Stamped<V>): Stamped<V> | undefined {
    const now = this.#ttl.now();
    if (this.#ttl.isExpired(stamped.touchedAt, now)) {
      map.delete(key);
      if (map.size === 0) this.clear();
      else this.#slots.changed(); // invariant 3
      return this.#ttl.returnsExpired ? stamped : undefined;
    }
    if (this.#ttl.touchesOnRead) stamped.touchedAt = now;
    if (this.#ttl.touchesOnRead || typeof stamped.value === 'object') this.#slots.changed(); // invariant 3
    return stamped;
  }

  #find(key: K): Stamped<V> | undefined {
    const map = this.#map();
    const stamped = map?.get(key);
    return map === undefined || stamped === undefined ? undefined : this.#read(map, key, stamped);
  }

  get(key: K): V | undefined {
    return this.#find(key)?.value;
  }

  put(key: K, value: V): void {
    this.#sweep.advance();
    const touchedAt = this.#ttl.now();
    const map = this.#map();
    const stamped = map?.get(key);
    if (map === undefined) {
      this.#slots.set(this.slot, new Map<K, Stamped<V>>([[key, { value, touchedAt }]]));
      return;
    }
    if (stamped === undefined) map.set(key, { value, touchedAt });
    else {
      stamped.value = value;
      stamped.touchedAt = touchedAt;
    }
    this.#slots.changed(); // invariant 3
  }

  has(key: K): boolean {
    return this.#find(key) !== undefined;
  }

  remove(key: K): void {
    const map = this.#map();
    if (map?.delete(key) !== true) return;
    if (map.size === 0) this.clear();
    else this.#slots.changed(); // invariant 3
  }

  entries(): readonly (readonly [K, V])[] {
    const map = this.#map();
    const seen: (readonly [K, V])[] = [];
    for (const [key, stamped] of map ?? []) {
      if (this.#read(map!, key, stamped) !== undefined) seen.push([key, stamped.value]);
    }
    return seen;
  }

  keys(): Iterable<K> {
    return this.entries().map(([key]) => key);
  }

  values(): Iterable<V> {
    return this.entries().map(([, value]) => value);
  }

  /** Does not count as reading the entries. */
  isEmpty(): boolean {
    const now = this.#ttl.now();
    for (const { touchedAt } of this.#map()?.values() ?? []) {
      if (this.#ttl.returnsExpired || !this.#ttl.isExpired(touchedAt, now)) return false;
    }
    return true;
  }

  clear(): void {
    this.#slots.clear(this.slot);
  }

  *removeExpired(content: unknown, changed: () => void): Generator<undefined, boolean> {
    const map = content as Map<K, Stamped<V>>;
    for (const [key, { touchedAt }] of map) {
      if (this.#ttl.isExpired(touchedAt, this.#ttl.now())) {
        map.delete(key);
        changed(); // invariant 3
      }
      yield;
    }
    return map.size === 0;
  }
}
