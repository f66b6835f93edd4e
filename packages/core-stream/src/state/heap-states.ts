/**
 * The handles of keyed state without a TTL: each works on one slot of the current key.
 *
 * Invariants
 * 1. What is changed, or handed out and can be changed in place, is reported: a checkpoint stores what has changed only.
 */
import type { AggregateFunction, ReduceFunction } from '../functions/functions.js';
import type { StateSlots } from './key-table.js';
import type { MapSlot } from './map-slot.js';
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from './state.js';
import { VACANT } from './vacant.js';

const NOTHING: readonly never[] = [];

export class HeapValueState<T> implements ValueState<T> {
  readonly #slots: StateSlots;
  readonly #slot: number;
  readonly #defaultValue: () => T | undefined;

  constructor(slots: StateSlots, slot: number, defaultValue: () => T | undefined) {
    this.#slots = slots;
    this.#slot = slot;
    this.#defaultValue = defaultValue;
  }

  value(): T | undefined {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) return this.#defaultValue();
    if (typeof content === 'object') this.#slots.changed(); // invariant 1
    return content as T;
  }

  update(value: T): void {
    this.#slots.set(this.#slot, value);
  }

  clear(): void {
    this.#slots.clear(this.#slot);
  }
}

export class HeapListState<T> implements ListState<T> {
  readonly #slots: StateSlots;
  readonly #slot: number;

  constructor(slots: StateSlots, slot: number) {
    this.#slots = slots;
    this.#slot = slot;
  }

  get(): readonly T[] {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) return NOTHING;
    const list = content as T[];
    if (hasObject(list)) this.#slots.changed(); // invariant 1
    return list;
  }

  add(value: T): void {
    const content = this.#slots.get(this.#slot);
    if (content === VACANT) this.#slots.set(this.#slot, [value]);
    else {
      (content as T[]).push(value);
      this.#slots.changed(); // invariant 1
    }
  }

  addAll(values: readonly T[]): void {
    const { length } = values; // they may be what `get` gave: this very list
    for (let i = 0; i < length; i++) this.add(values[i]!);
  }

  update(values: readonly T[]): void {
    if (values.length === 0) this.clear();
    else this.#slots.set(this.#slot, [...values]);
  }

  clear(): void {
    this.#slots.clear(this.#slot);
  }
}

export class HeapMapState<K, V> implements MapState<K, V> {
  readonly #map: MapSlot<K, V>;

  constructor(map: MapSlot<K, V>) {
    this.#map = map;
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (typeof value === 'object') this.#map.handOut(); // invariant 1
    return value;
  }

  put(key: K, value: V): void {
    this.#map.put(key, value);
    if (typeof value === 'object') this.#map.handOut(); // invariant 1
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  remove(key: K): void {
    this.#map.remove(key);
  }

  *entries(): Iterable<readonly [K, V]> {
    for (const entry of this.#map.entries()) {
      if (typeof entry[1] === 'object') this.#map.handOut(); // invariant 1
      yield entry;
    }
  }

  *keys(): Iterable<K> {
    for (const [key] of this.#map.entries()) yield key;
  }

  *values(): Iterable<V> {
    for (const [, value] of this.entries()) yield value;
  }

  isEmpty(): boolean {
    return this.#map.isEmpty();
  }

  clear(): void {
    this.#map.clear();
  }
}

/** On top of value state whose default is `VACANT`, so that a TTL is that state's business, and `undefined` a value. */
export class HeapReducingState<T> implements ReducingState<T> {
  readonly #state: ValueState<T | typeof VACANT>;
  readonly #reduce: ReduceFunction<T>;

  constructor(state: ValueState<T | typeof VACANT>, reduce: ReduceFunction<T>) {
    this.#state = state;
    this.#reduce = reduce;
  }

  get(): T | undefined {
    const current = this.#state.value() as T | typeof VACANT;
    return current === VACANT ? undefined : current;
  }

  add(value: T): void {
    const current = this.#state.value() as T | typeof VACANT;
    this.#state.update(current === VACANT ? value : this.#reduce(current, value));
  }

  clear(): void {
    this.#state.clear();
  }
}

/** The same for an accumulator. */
export class HeapAggregatingState<IN, ACC, OUT> implements AggregatingState<IN, OUT> {
  readonly #state: ValueState<ACC | typeof VACANT>;
  readonly #aggregate: AggregateFunction<IN, ACC, OUT>;

  constructor(state: ValueState<ACC | typeof VACANT>, aggregate: AggregateFunction<IN, ACC, OUT>) {
    this.#state = state;
    this.#aggregate = aggregate;
  }

  get(): OUT | undefined {
    const accumulator = this.#state.value() as ACC | typeof VACANT;
    return accumulator === VACANT ? undefined : this.#aggregate.getResult(accumulator);
  }

  add(value: IN): void {
    const current = this.#state.value() as ACC | typeof VACANT;
    const accumulator = current === VACANT ? this.#aggregate.createAccumulator() : current;
    this.#state.update(this.#aggregate.add(value, accumulator));
  }

  clear(): void {
    this.#state.clear();
  }
}

/** Whether some value can be changed in place. */
function hasObject(values: Iterable<unknown>): boolean {
  for (const value of values) if (typeof value === 'object' && value !== null) return true;
  return false;
}
