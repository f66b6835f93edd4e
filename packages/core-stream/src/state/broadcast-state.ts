/**
 * Broadcast state on the heap: maps that every subtask holds a copy of.
 *
 * Boundary: knows nothing of records; that all copies are equal is up to the function, which sees the same broadcast
 * records in every subtask, in the same order per upstream subtask, and must do the same with them.
 *
 * Invariants
 * 1. Only declared state can be read or written; what a restored checkpoint has besides is kept.
 * 2. Each subtask stores its copy; after a change of parallelism each takes one of those copies.
 */
import type { StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import { StreamConfigError } from '../errors.js';
import { migrationOf, versionOf, whyNotFrom } from './state-schema.js';
import type { MapStateDescriptor, MapStateKey } from './state.js';
import { SubtaskStates } from './subtask-states.js';

/** Names a broadcast map, and carries its types. */
export type BroadcastStateDescriptor<K extends MapStateKey = MapStateKey, V = unknown> = MapStateDescriptor<
  K,
  V
>;

/** Broadcast state as the side that is not broadcast sees it: changing it there would make the copies differ. */
export interface ReadOnlyBroadcastState<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  /** In order of insertion. */
  entries(): Iterable<readonly [K, V]>;
  isEmpty(): boolean;
}

/** Broadcast state as the broadcast side sees it. */
export interface BroadcastState<K, V> extends ReadOnlyBroadcastState<K, V> {
  put(key: K, value: V): void;
  remove(key: K): void;
  clear(): void;
}

/** What an operator has to know of a map that its program has declared. */
export type DeclaredBroadcastState = Pick<BroadcastStateDescriptor, 'name' | 'schema'>;

/** One subtask's copy, by name. */
export type BroadcastStateSnapshot = readonly {
  readonly name: string;
  /** Of the values' schema. */
  readonly version: number;
  readonly entries: readonly (readonly [unknown, unknown])[];
}[];

class HeapMap implements BroadcastState<MapStateKey, unknown> {
  readonly version: number;
  readonly #map: Map<MapStateKey, unknown>;

  constructor(version: number, entries: Iterable<readonly [MapStateKey, unknown]>) {
    this.version = version;
    this.#map = new Map(entries);
  }

  get(key: MapStateKey): unknown {
    return this.#map.get(key);
  }

  has(key: MapStateKey): boolean {
    return this.#map.has(key);
  }

  entries(): Iterable<readonly [MapStateKey, unknown]> {
    return this.#map.entries();
  }

  isEmpty(): boolean {
    return this.#map.size === 0;
  }

  put(key: MapStateKey, value: unknown): void {
    this.#map.set(key, value);
  }

  remove(key: MapStateKey): void {
    this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }
}

export class HeapBroadcastState {
  readonly #operatorName: string;
  readonly #declared: ReadonlySet<string>;
  readonly #maps = new Map<string, HeapMap>();

  /** `copies` are those of all subtasks in the restored checkpoint. */
  constructor(
    descriptors: readonly DeclaredBroadcastState[],
    of: { readonly operatorName: string; readonly subtaskIndex: number },
    copies: readonly BroadcastStateSnapshot[],
    schemas = new SubtaskStates(),
  ) {
    this.#operatorName = of.operatorName;
    this.#declared = new Set(descriptors.map(({ name }) => name));
    schemas.register(() => [...this.#maps].map(([name, { version }]) => infoOf(name, version)));
    for (const { name, schema } of descriptors) {
      schemas.asks(infoOf(name, versionOf(schema)));
      this.#maps.set(name, new HeapMap(versionOf(schema), []));
    }
    for (const { name, version, entries } of copies[of.subtaskIndex % copies.length] ?? []) {
      const schema = descriptors.find((descriptor) => descriptor.name === name);
      const what = `Broadcast state '${name}'`;
      const difference = schema && whyNotFrom(schema.schema, version, what);
      if (difference !== undefined) {
        schemas.differs(difference);
        continue;
      }
      const migrate = schema && migrationOf(schema.schema, version, what);
      const restored = entries as readonly (readonly [MapStateKey, unknown])[];
      this.#maps.set(
        name, // invariant 2
        migrate === undefined
          ? new HeapMap(version, restored)
          : new HeapMap(
              versionOf(schema?.schema),
              restored.map(([key, value]) => [key, migrate(value)]),
            ),
      );
    }
  }

  /** @throws StreamConfigError where the state was not declared by `stream.broadcast(…)` */
  get<K extends MapStateKey, V>(descriptor: BroadcastStateDescriptor<K, V>): BroadcastState<K, V> {
    const { name } = descriptor;
    if (!this.#declared.has(name)) {
      // invariant 1
      throw new StreamConfigError(
        `'${this.#operatorName}' asked for the broadcast state '${name}', which its broadcast stream does not declare ` +
          `(it has: ${[...this.#declared].join(', ')}). Pass the descriptor to stream.broadcast(…).`,
        { details: { operator: this.#operatorName, state: name } },
      );
    }
    return this.#maps.get(name)! as BroadcastState<unknown, unknown> as BroadcastState<K, V>;
  }

  snapshot(): BroadcastStateSnapshot {
    return [...this.#maps].map(([name, map]) => ({
      name,
      version: map.version,
      entries: [...map.entries()],
    }));
  }
}

function infoOf(name: string, version: number): StateSchemaInfo {
  return { name, kind: 'broadcast', hasTtl: false, version };
}
