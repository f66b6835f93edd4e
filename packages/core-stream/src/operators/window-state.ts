/**
 * State of one window of one key, which lives in the window's own record: it goes with the window and is stored with it.
 * Handles are kept by name and always work on the current scope.
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

/** By state name: plain data. */
export type WindowSlots = Map<string, unknown>;

/** What has state of its own: a window of a key. `undefined` where there is none. */
export interface WindowScope {
  slots: WindowSlots | undefined;
}

/** One state of the current scope: what a handle of keyed state takes for its slot in the table of keys. */
class ScopeSlot {
  readonly #store: WindowStateStore;
  readonly #name: string;

  constructor(store: WindowStateStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  get(): unknown {
    const { slots } = this.#store.scope;
    return slots?.has(this.#name) === true ? slots.get(this.#name) : VACANT;
  }

  set(_slot: number, content: unknown): void {
    (this.#store.scope.slots ??= new Map()).set(this.#name, content);
  }

  clear(): void {
    const { scope } = this.#store;
    if (scope.slots?.delete(this.#name) === true && scope.slots.size === 0) scope.slots = undefined;
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
    const { name } = descriptor;
    const contents = [...sources, this.scope].flatMap(({ slots }) =>
      slots?.has(name) === true ? [slots.get(name)] : [],
    );
    if (contents.length === 0) return;
    const merged = contents.reduce((a, b) => mergeContents(descriptor, a, b));
    (this.scope.slots ??= new Map()).set(name, merged);
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
    const handle = make(new ScopeSlot(this, name));
    this.#known.set(name, { descriptor, handle });
    return handle;
  }
}

const vacant = (): typeof VACANT => VACANT;

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
