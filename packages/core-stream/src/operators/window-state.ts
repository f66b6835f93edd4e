/**
 * State of one window of one key, which lives in the window's own record: it goes with the window and is stored with it.
 * Handles are kept by name and always work on the current scope.
 *
 * Invariants
 * 1. A function is given no content of another version than its descriptor's: what is older is migrated when it is asked for.
 */
import { StreamConfigError } from '../errors.js';
import { copies } from '../state/keyed-state.js';
import {
  HeapAggregatingState,
  HeapListState,
  HeapMapState,
  HeapReducingState,
  HeapValueState,
} from '../state/heap-states.js';
import { MapSlot } from '../state/map-slot.js';
import { migrateContent } from '../state/state-migration.js';
import { migrationOf, versionOf } from '../state/state-schema.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  KeyedStateStore,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  MapStateKey,
  ReducingState,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/state.js';
import { VACANT } from '../state/vacant.js';
import type { MergeableStateDescriptor } from '../windows/trigger.js';

/** One state of a window: plain data. */
interface StoredSlot {
  /** Of its schema. */
  version: number;
  content: unknown;
}

/** By state name. */
export type WindowSlots = Map<string, StoredSlot>;

/** What has state of its own: a window of a key. `undefined` where there is none. */
export interface WindowScope {
  slots: WindowSlots | undefined;
}

/** One state of the current scope: what a handle of keyed state takes for its slot in the table of keys. */
class ScopeSlot {
  readonly #store: WindowStateStore;
  readonly #descriptor: StateDescriptor;

  constructor(store: WindowStateStore, descriptor: StateDescriptor) {
    this.#store = store;
    this.#descriptor = descriptor;
  }

  get(): unknown {
    const slot = this.#store.scope.slots?.get(this.#descriptor.name);
    return slot === undefined ? VACANT : contentOf(this.#descriptor, slot);
  }

  set(_slot: number, content: unknown): void {
    setContent(this.#store.scope, this.#descriptor, content);
  }

  clear(): void {
    const { scope } = this.#store;
    if (scope.slots?.delete(this.#descriptor.name) === true && scope.slots.size === 0)
      scope.slots = undefined;
  }

  changed(): void {
    // The operator reports a window whenever a user's function has been called for it.
  }
}

interface KnownState {
  readonly descriptor: StateDescriptor;
  readonly handle: unknown;
}

export class WindowStateStore implements KeyedStateStore {
  readonly #known = new Map<string, KnownState>();
  /** Set before each call of a user's function. */
  scope: WindowScope = { slots: undefined };

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#handle(
      descriptor,
      (slot) => new HeapValueState<T>(slot, 0, copies(descriptor.defaultValue)),
    );
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#handle(descriptor, (slot) => new HeapListState<T>(slot, 0));
  }

  getMapState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#handle(descriptor, (slot) => new HeapMapState(new MapSlot<K, V>(slot, 0)));
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#handle(
      descriptor,
      (slot) =>
        new HeapReducingState(new HeapValueState<T | typeof VACANT>(slot, 0, vacant), descriptor.reduce),
    );
  }

  getAggregatingState<IN, ACC, OUT>(
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
  ): AggregatingState<IN, OUT> {
    return this.#handle(
      descriptor,
      (slot) =>
        new HeapAggregatingState(
          new HeapValueState<ACC | typeof VACANT>(slot, 0, vacant),
          descriptor.aggregate,
        ),
    );
  }

  /** Adds what `sources` have under the descriptor's name to the current scope, the earlier source first. */
  merge<T, ACC, R>(descriptor: MergeableStateDescriptor<T, ACC, R>, sources: readonly WindowScope[]): void {
    const contents = [...sources, this.scope].flatMap(({ slots }) => {
      const slot = slots?.get(descriptor.name);
      return slot === undefined ? [] : [contentOf(descriptor, slot)];
    });
    if (contents.length === 0) return;
    const merged = contents.reduce((a, b) => mergeContents(descriptor, a, b));
    setContent(this.scope, descriptor, merged);
  }

  #handle<H>(descriptor: StateDescriptor, make: (slot: ScopeSlot) => H): H {
    const known = this.#known.get(descriptor.name);
    if (known?.descriptor === descriptor) return known.handle as H;
    const { name, kind, ttl } = descriptor;
    if (known !== undefined && known.descriptor.kind !== kind) {
      throw new StreamConfigError(
        `State '${name}' of a window is ${known.descriptor.kind} state, but is asked for as ${kind} state. ` +
          'Use another name for the new state.',
        { details: { state: name, kind } },
      );
    }
    if (ttl !== undefined) {
      throw new StreamConfigError(
        `State '${name}' of a window has a TTL, but it goes with its window. Leave the TTL out, or use globalState.`,
        { details: { state: name } },
      );
    }
    const handle = make(new ScopeSlot(this, descriptor));
    this.#known.set(name, { descriptor, handle });
    return handle;
  }
}

const vacant = (): typeof VACANT => VACANT;

function setContent(scope: WindowScope, { name, schema }: StateDescriptor, content: unknown): void {
  const slots = (scope.slots ??= new Map());
  const slot = slots.get(name);
  const version = versionOf(schema);
  if (slot === undefined) slots.set(name, { version, content });
  else {
    slot.version = version;
    slot.content = content;
  }
}

/** Invariant 1. */
function contentOf({ name, kind, schema }: StateDescriptor, slot: StoredSlot): unknown {
  const version = versionOf(schema);
  if (slot.version === version) return slot.content;
  const migrate = migrationOf(schema, slot.version, `State '${name}' of a window`)!;
  slot.content = migrateContent({ kind, hasTtl: false }, slot.content, migrate);
  slot.version = version;
  return slot.content;
}

function mergeContents<T, ACC, R>(
  descriptor: MergeableStateDescriptor<T, ACC, R>,
  a: unknown,
  b: unknown,
): unknown {
  switch (descriptor.kind) {
    case 'list':
      return [...(a as T[]), ...(b as T[])];
    case 'reducing':
      return descriptor.reduce(a as T, b as T);
    case 'aggregating':
      return descriptor.aggregate.merge(a as ACC, b as ACC);
  }
}
