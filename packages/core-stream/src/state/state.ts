/**
 * Keyed state, as a user's function sees it: one value, list or map per key. Which key is current is the runtime's
 * business; a handle may be kept and used for every record.
 *
 * What is put into state is plain data: primitives, `Date`, arrays, plain objects, `Map`, `Set`, `Uint8Array`.
 */
export interface ValueState<T> {
  /** The current key's value; the descriptor's default, or `undefined`, where none was set. */
  value(): T | undefined;
  update(value: T): void;
  clear(): void;
}

export interface ListState<T> {
  get(): readonly T[];
  add(value: T): void;
  update(values: readonly T[]): void;
  clear(): void;
}

export interface MapState<K, V> {
  get(key: K): V | undefined;
  put(key: K, value: V): void;
  has(key: K): boolean;
  remove(key: K): void;
  entries(): Iterable<readonly [K, V]>;
  isEmpty(): boolean;
  clear(): void;
}

export type StateKind = 'value' | 'list' | 'map';

/** Names a piece of keyed state within its operator, and carries its type. */
export interface StateDescriptor {
  readonly kind: StateKind;
  /** Unique within the operator: state is found again by this name. */
  readonly name: string;
}

export class ValueStateDescriptor<T> implements StateDescriptor {
  readonly kind = 'value';
  readonly name: string;
  readonly defaultValue: T | undefined;

  constructor(name: string, options: { readonly defaultValue?: T } = {}) {
    this.name = name;
    this.defaultValue = options.defaultValue;
  }
}

export class ListStateDescriptor<T> implements StateDescriptor {
  readonly kind = 'list';
  readonly name: string;
  /** Reads `T` back from the type only; never set. */
  declare readonly elementType?: T;

  constructor(name: string) {
    this.name = name;
  }
}

/** Map keys are primitives. */
export class MapStateDescriptor<K extends string | number | bigint | boolean, V> implements StateDescriptor {
  readonly kind = 'map';
  readonly name: string;
  /** Reads `K` and `V` back from the type only; never set. */
  declare readonly entryType?: readonly [K, V];

  constructor(name: string) {
    this.name = name;
  }
}

/** Where a function gets its state handles from. */
export interface KeyedStateStore {
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  getMapState<K extends string | number | bigint | boolean, V>(
    descriptor: MapStateDescriptor<K, V>,
  ): MapState<K, V>;
}
