/**
 * Keyed state, as a user's function sees it. Which key is current is the runtime's business; a handle may be kept and
 * used for every record.
 *
 * What is put into state is plain data: primitives, `Date`, arrays, plain objects, `Map`, `Set`, `Uint8Array`.
 */
import type { AggregateFunction, ReduceFunction } from '../functions/functions.js';
import type { StateSchema } from './state-schema.js';
import { checkTtl, type StateTtlConfig } from './state-ttl.js';

/** One value per key. */
export interface ValueState<T> {
  /**
   * The current key's value; the descriptor's default, or `undefined`, where none was set. An object may be changed in place
   * until the function returns: the next checkpoint stores it as it is then. What the function keeps and changes later,
   * without asking for it again, may be missing from checkpoints. So it is with all state.
   */
  value(): T | undefined;
  update(value: T): void;
  clear(): void;
}

/** A list per key, in the order in which its elements were added. */
export interface ListState<T> {
  get(): readonly T[];
  add(value: T): void;
  addAll(values: readonly T[]): void;
  /** Replaces all elements. */
  update(values: readonly T[]): void;
  clear(): void;
}

/**
 * A map per key. With up to 32 entries it is stored as one. Once it has had more, until it is empty, each entry is stored for
 * itself: then an access reads or writes that entry, and a checkpoint has those that have changed.
 *
 * Up to 32 entries are given in the order in which they were put, more in any order. While a function iterates it may put and
 * remove entries: what is removed is not given any more, what is added may be given.
 *
 * As with all state, objects may be changed in place until the function returns. With state on disk, of more than 32 entries,
 * that goes for the last 16,384 objects that one call was given: put the others again.
 */
export interface MapState<K, V> {
  get(key: K): V | undefined;
  put(key: K, value: V): void;
  has(key: K): boolean;
  remove(key: K): void;
  entries(): Iterable<readonly [K, V]>;
  keys(): Iterable<K>;
  values(): Iterable<V>;
  isEmpty(): boolean;
  clear(): void;
}

/** One value per key, that everything added is combined into. */
export interface ReducingState<T> {
  /** `undefined` where nothing was added. */
  get(): T | undefined;
  add(value: T): void;
  clear(): void;
}

/** The same, where what is kept has another type than what is added. */
export interface AggregatingState<IN, OUT> {
  /** The result of the accumulator; `undefined` where nothing was added. */
  get(): OUT | undefined;
  add(value: IN): void;
  clear(): void;
}

/** The kinds of keyed state. */
export type StateKind = 'value' | 'list' | 'map' | 'reducing' | 'aggregating';

/** What can be a key of map state. */
export type MapStateKey = string | number | bigint | boolean;

/** Names a piece of keyed state within its operator, and carries its type. */
export interface StateDescriptor {
  readonly kind: StateKind;
  /** Unique within the operator: state is found again by this name. */
  readonly name: string;
  /** How long state is kept; for ever where it is left out. */
  readonly ttl: StateTtlConfig | undefined;
  /** The version of what it holds; version 1 where it is left out. */
  readonly schema: StateSchema<unknown> | undefined;
}

/** What everything takes that is stored. `T` is the type of it. */
export interface SchemaOptions<T> {
  /** The version of what is stored: what a checkpoint has in an older one is migrated to it. Version 1 unless given. */
  readonly schema?: StateSchema<T>;
}

/** What every descriptor of keyed state takes. `T` is what is stored: a value, an element, a map's value, an accumulator. */
export interface StateOptions<T> extends SchemaOptions<T> {
  readonly ttl?: StateTtlConfig;
}

/** `defaultValue` is what a key has that was given no value; each key gets a copy of its own. */
export class ValueStateDescriptor<T> implements StateDescriptor {
  readonly kind = 'value';
  readonly name: string;
  readonly ttl: StateTtlConfig | undefined;
  readonly schema: StateSchema<T> | undefined;
  readonly defaultValue: T | undefined;

  constructor(name: string, options: StateOptions<T> & { readonly defaultValue?: T } = {}) {
    this.name = name;
    this.ttl = checkTtl(name, options.ttl);
    this.schema = options.schema;
    this.defaultValue = options.defaultValue;
  }
}

/** With a TTL each element ages on its own. */
export class ListStateDescriptor<T> implements StateDescriptor {
  readonly kind = 'list';
  readonly name: string;
  readonly ttl: StateTtlConfig | undefined;
  readonly schema: StateSchema<T> | undefined;
  /** Reads `T` back from the type only; never set. */
  declare readonly elementType?: T;

  constructor(name: string, options: StateOptions<T> = {}) {
    this.name = name;
    this.ttl = checkTtl(name, options.ttl);
    this.schema = options.schema;
  }
}

/** Map keys are primitives. With a TTL each entry ages on its own. */
export class MapStateDescriptor<K extends MapStateKey, V> implements StateDescriptor {
  readonly kind = 'map';
  readonly name: string;
  readonly ttl: StateTtlConfig | undefined;
  readonly schema: StateSchema<V> | undefined;
  /** Reads `K` and `V` back from the type only; never set. */
  declare readonly entryType?: readonly [K, V];

  constructor(name: string, options: StateOptions<V> = {}) {
    this.name = name;
    this.ttl = checkTtl(name, options.ttl);
    this.schema = options.schema;
  }
}

/** `reduce` must not give `undefined`: that is what a key without state has. */
export class ReducingStateDescriptor<T> implements StateDescriptor {
  readonly kind = 'reducing';
  readonly name: string;
  readonly ttl: StateTtlConfig | undefined;
  readonly schema: StateSchema<T> | undefined;
  readonly reduce: ReduceFunction<T>;

  constructor(name: string, reduce: ReduceFunction<T>, options: StateOptions<T> = {}) {
    this.name = name;
    this.reduce = reduce;
    this.ttl = checkTtl(name, options.ttl);
    this.schema = options.schema;
  }
}

/** A checkpoint holds the accumulator, which is plain data and not `undefined`. */
export class AggregatingStateDescriptor<IN, ACC, OUT> implements StateDescriptor {
  readonly kind = 'aggregating';
  readonly name: string;
  readonly ttl: StateTtlConfig | undefined;
  readonly schema: StateSchema<ACC> | undefined;
  readonly aggregate: AggregateFunction<IN, ACC, OUT>;

  constructor(name: string, aggregate: AggregateFunction<IN, ACC, OUT>, options: StateOptions<ACC> = {}) {
    this.name = name;
    this.aggregate = aggregate;
    this.ttl = checkTtl(name, options.ttl);
    this.schema = options.schema;
  }
}

/** Where a function gets its state handles from. */
export interface KeyedStateStore {
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  getMapState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>;
  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>;
  getAggregatingState<IN, ACC, OUT>(
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
  ): AggregatingState<IN, OUT>;
}
