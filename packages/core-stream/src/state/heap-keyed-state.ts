/**
 * Keyed state on the heap.
 *
 * Role: holds the state of the keys of one subtask of one operator. Boundary: knows nothing of operators, time or files;
 * a snapshot is plain data by key group.
 *
 * Invariants
 * 1. State is addressed by (state name, key); a handle always works on the current key.
 * 2. A snapshot holds each key under its key group, so that it can be restored at any parallelism.
 * 3. One name has one kind: asking for it as another kind is an error, also after a restore.
 */
import { StreamConfigError, InvariantError } from '../errors.js';
import { decodeState, encodeState, keyIdentity } from './canonical-encoding.js';
import { keyGroupOf, type KeyGroupRange } from './key-groups.js';
import type {
  KeyedStateStore,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  StateDescriptor,
  StateKind,
  ValueState,
  ValueStateDescriptor,
} from './state.js';

/** One state's entries of one key group. */
export interface KeyedStateSnapshot {
  readonly name: string;
  readonly kind: StateKind;
  readonly keyGroups: readonly {
    readonly keyGroup: number;
    readonly entries: readonly (readonly [unknown, unknown])[];
  }[];
}

interface Entry {
  readonly key: unknown;
  value: unknown;
}

interface StateTable {
  readonly kind: StateKind;
  readonly entries: Map<unknown, Entry>;
}

/** Groups `[key, value]` pairs by key group, in the order of the groups. */
export function byKeyGroup(
  entries: Iterable<readonly [unknown, unknown]>,
  maxParallelism: number,
): { keyGroup: number; entries: (readonly [unknown, unknown])[] }[] {
  const groups = new Map<number, (readonly [unknown, unknown])[]>();
  for (const entry of entries) {
    const keyGroup = keyGroupOf(entry[0], maxParallelism);
    const group = groups.get(keyGroup);
    if (group) group.push(entry);
    else groups.set(keyGroup, [entry]);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([keyGroup, list]) => ({ keyGroup, entries: list }));
}

/** Gives each key a default value of its own: a key that changes it must not change that of others. */
function copies<T>(value: T): () => T {
  if (typeof value !== 'object' || value === null) return () => value;
  const bytes = encodeState(value);
  return () => decodeState(bytes) as T;
}

const NO_KEY = Symbol('no key');

function noCurrentKey(): StreamConfigError {
  return new StreamConfigError(
    'Keyed state was written while no key is current, for example for a broadcast record. Use applyToKeyedState there.',
  );
}

export class HeapKeyedState implements KeyedStateStore {
  readonly #maxParallelism: number;
  readonly #tables = new Map<string, StateTable>();
  #currentKey: unknown;
  #currentIdentity: unknown;

  constructor(maxParallelism: number) {
    this.#maxParallelism = maxParallelism;
  }

  get currentKey(): unknown {
    return this.#currentKey;
  }

  setCurrentKey(key: unknown): void {
    this.#currentKey = key;
    this.#currentIdentity = keyIdentity(key);
  }

  /** Until the next `setCurrentKey` handles read nothing, and refuse to write. */
  clearCurrentKey(): void {
    this.#currentKey = undefined;
    this.#currentIdentity = NO_KEY;
  }

  /** The keys that have something under `descriptor`, at the time of the call. */
  keysOf(descriptor: StateDescriptor): unknown[] {
    return Array.from(this.#table(descriptor).entries.values(), ({ key }) => key);
  }

  #table(descriptor: StateDescriptor): StateTable {
    const existing = this.#tables.get(descriptor.name);
    if (existing === undefined) {
      const table: StateTable = { kind: descriptor.kind, entries: new Map() };
      this.#tables.set(descriptor.name, table);
      return table;
    }
    if (existing.kind !== descriptor.kind) {
      // invariant 3
      throw new StreamConfigError(
        `State '${descriptor.name}' is ${existing.kind} state, but is asked for as ${descriptor.kind} state. ` +
          'Use another name for the new state.',
        { details: { state: descriptor.name, kind: descriptor.kind } },
      );
    }
    return existing;
  }

  #slot(table: StateTable, initial: () => unknown): Entry {
    let entry = table.entries.get(this.#currentIdentity);
    if (entry === undefined) {
      if (this.#currentIdentity === NO_KEY) throw noCurrentKey();
      entry = { key: this.#currentKey, value: initial() };
      table.entries.set(this.#currentIdentity, entry);
    }
    return entry;
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    const table = this.#table(descriptor);
    const defaultValue = copies(descriptor.defaultValue);
    return {
      value: () => {
        const entry = table.entries.get(this.#currentIdentity);
        return entry === undefined ? defaultValue() : (entry.value as T);
      },
      update: (value) => {
        this.#slot(table, () => undefined).value = value;
      },
      clear: () => void table.entries.delete(this.#currentIdentity),
    };
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    const table = this.#table(descriptor);
    return {
      get: () => (table.entries.get(this.#currentIdentity)?.value as readonly T[] | undefined) ?? [],
      add: (value) => void (this.#slot(table, () => []).value as T[]).push(value),
      update: (values) => {
        if (values.length === 0) table.entries.delete(this.#currentIdentity);
        else this.#slot(table, () => []).value = [...values];
      },
      clear: () => void table.entries.delete(this.#currentIdentity),
    };
  }

  getMapState<K extends string | number | bigint | boolean, V>(
    descriptor: MapStateDescriptor<K, V>,
  ): MapState<K, V> {
    const table = this.#table(descriptor);
    const current = (): Map<K, V> | undefined =>
      table.entries.get(this.#currentIdentity)?.value as Map<K, V> | undefined;
    return {
      get: (key) => current()?.get(key),
      put: (key, value) => void (this.#slot(table, () => new Map<K, V>()).value as Map<K, V>).set(key, value),
      has: (key) => current()?.has(key) ?? false,
      remove: (key) => {
        const map = current();
        map?.delete(key);
        if (map?.size === 0) table.entries.delete(this.#currentIdentity);
      },
      entries: () => current()?.entries() ?? [],
      isEmpty: () => (current()?.size ?? 0) === 0,
      clear: () => void table.entries.delete(this.#currentIdentity),
    };
  }

  snapshot(): KeyedStateSnapshot[] {
    const pairs = function* (table: StateTable): Iterable<readonly [unknown, unknown]> {
      for (const entry of table.entries.values()) yield [entry.key, entry.value];
    };
    return [...this.#tables].map(([name, table]) => ({
      name,
      kind: table.kind,
      keyGroups: byKeyGroup(pairs(table), this.#maxParallelism), // invariant 2
    }));
  }

  /** Takes from `snapshots` the key groups of `range`. */
  restore(snapshots: readonly KeyedStateSnapshot[], range: KeyGroupRange): void {
    for (const snapshot of snapshots) {
      const table = this.#table(snapshot);
      for (const group of snapshot.keyGroups) {
        if (group.keyGroup < range.start || group.keyGroup >= range.end) continue;
        for (const [key, value] of group.entries) {
          const identity = keyIdentity(key);
          if (table.entries.has(identity)) {
            throw new InvariantError(
              `Key ${String(key)} of state '${snapshot.name}' is in the checkpoint twice`,
              {
                details: { invariant: 2, state: snapshot.name },
              },
            );
          }
          table.entries.set(identity, { key, value });
        }
      }
    }
  }
}
