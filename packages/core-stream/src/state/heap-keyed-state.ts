/**
 * Keyed state on the heap.
 *
 * Role: gives the handles of one subtask's keyed state, and stores and restores it. Boundary: knows nothing of operators
 * or files; a snapshot is plain data by key group.
 *
 * Invariants
 * 1. State is addressed by (state name, key); a handle always works on the current key.
 * 2. A snapshot holds each key under its key group, so that it can be restored at any parallelism.
 * 3. One name has one kind: asking for it as another kind is an error, also after a restore. So it is with a TTL.
 * 4. A snapshot holds nothing that is expired, of the states that the program has asked for.
 */
import { CheckpointError, InvariantError, StreamConfigError } from '../errors.js';
import { decodeState } from './canonical-decoding.js';
import { encodeState } from './canonical-encoding.js';
import { ExpirySweep } from './expiry-sweep.js';
import {
  HeapAggregatingState,
  HeapListState,
  HeapMapState,
  HeapReducingState,
  HeapValueState,
} from './heap-states.js';
import { keyGroupOf, type KeyGroupRange } from './key-groups.js';
import { KeyTable, VACANT } from './key-table.js';
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
  StateKind,
  ValueState,
  ValueStateDescriptor,
} from './state.js';
import { Ttl, type StateTime } from './state-ttl.js';
import { TtlListState, TtlMapState, TtlValueState, type TtlSlot } from './ttl-states.js';

/** Pairs of key and content, of one key group. */
export interface KeyGroupEntries {
  readonly keyGroup: number;
  readonly entries: readonly (readonly [unknown, unknown])[];
}

/** One state's entries, by key group. */
export interface KeyedStateSnapshot {
  readonly name: string;
  readonly kind: StateKind;
  /** Whether the entries carry the times of a TTL. */
  readonly hasTtl: boolean;
  readonly keyGroups: readonly KeyGroupEntries[];
}

interface RegisteredState {
  readonly name: string;
  readonly kind: StateKind;
  readonly hasTtl: boolean;
  readonly slot: number;
  readonly isRestored: boolean;
  /** What the handle was last asked for with. */
  descriptor: StateDescriptor | undefined;
  handle: unknown;
}

/** Groups tuples, the key first, by key group, in the order of the groups. */
export function byKeyGroup<E extends readonly [unknown, ...unknown[]]>(
  entries: Iterable<E>,
  maxParallelism: number,
): { keyGroup: number; entries: E[] }[] {
  const groups = new Map<number, E[]>();
  for (const entry of entries) {
    const keyGroup = keyGroupOf(entry[0], maxParallelism);
    const group = groups.get(keyGroup);
    if (group) group.push(entry);
    else groups.set(keyGroup, [entry]);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([keyGroup, list]) => ({ keyGroup, entries: list }));
}

/** Gives each key a default value of its own: a key that changes it must not change that of others. */
export function copies<T>(value: T): () => T {
  if (typeof value !== 'object' || value === null) return () => value;
  const bytes = encodeState(value);
  return () => decodeState(bytes) as T;
}

const vacant = (): typeof VACANT => VACANT;

export class HeapKeyedState implements KeyedStateStore {
  readonly #maxParallelism: number;
  readonly #time: StateTime | undefined;
  readonly #table = new KeyTable();
  readonly #states = new Map<string, RegisteredState>();
  readonly #sweep = new ExpirySweep(this.#table);

  /** `time` is what state with a TTL ages by. */
  constructor(maxParallelism: number, time?: StateTime) {
    this.#maxParallelism = maxParallelism;
    this.#time = time;
  }

  get currentKey(): unknown {
    return this.#table.currentKey;
  }

  /** What `keyIdentity` gives for the current key. */
  get currentIdentity(): unknown {
    return this.#table.currentIdentity;
  }

  setCurrentKey(key: unknown): void {
    this.#table.setCurrentKey(key);
  }

  /** Until the next `setCurrentKey` handles read nothing, and refuse to write. */
  clearCurrentKey(): void {
    this.#table.clearCurrentKey();
  }

  /** Removes all state of the current key. */
  dropCurrentKey(): void {
    this.#table.dropCurrentKey();
  }

  /** The keys that have something under `descriptor`, at the time of the call. */
  keysOf(descriptor: StateDescriptor): unknown[] {
    const { slot } = this.#registered(descriptor);
    const keys: unknown[] = [];
    for (const record of this.#table.records.values()) if (record[slot] !== VACANT) keys.push(record[0]);
    return keys;
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#handle(descriptor, (state) =>
      this.#value<T>(state, descriptor, copies(descriptor.defaultValue)),
    );
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#handle(descriptor, (state) =>
      descriptor.ttl === undefined
        ? new HeapListState<T>(this.#table, state.slot)
        : new TtlListState<T>(this.#ttlSlot(state, descriptor)),
    );
  }

  getMapState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#handle(descriptor, (state) =>
      descriptor.ttl === undefined
        ? new HeapMapState<K, V>(this.#table, state.slot)
        : new TtlMapState<K, V>(this.#ttlSlot(state, descriptor)),
    );
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#handle(
      descriptor,
      (state) =>
        new HeapReducingState(this.#value<T | typeof VACANT>(state, descriptor, vacant), descriptor.reduce),
    );
  }

  getAggregatingState<IN, ACC, OUT>(
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
  ): AggregatingState<IN, OUT> {
    return this.#handle(
      descriptor,
      (state) =>
        new HeapAggregatingState(
          this.#value<ACC | typeof VACANT>(state, descriptor, vacant),
          descriptor.aggregate,
        ),
    );
  }

  #value<T>(
    state: RegisteredState,
    descriptor: StateDescriptor,
    defaultValue: () => T | undefined,
  ): ValueState<T> {
    return descriptor.ttl === undefined
      ? new HeapValueState(this.#table, state.slot, defaultValue)
      : new TtlValueState(this.#ttlSlot(state, descriptor), defaultValue);
  }

  #ttlSlot({ slot }: RegisteredState, { name, ttl }: StateDescriptor): TtlSlot {
    if (ttl === undefined || this.#time === undefined) {
      throw new InvariantError(`State '${name}' has a TTL, but its operator gives it no time`);
    }
    return { table: this.#table, slot, ttl: new Ttl(ttl, this.#time), sweep: this.#sweep };
  }

  /** Asking again with the same descriptor, for each record even, costs one look-up. */
  #handle<H>(descriptor: StateDescriptor, create: (state: RegisteredState) => H): H {
    const state = this.#registered(descriptor);
    if (state.descriptor !== descriptor) {
      state.handle = create(state);
      state.descriptor = descriptor;
    }
    return state.handle as H;
  }

  #registered(descriptor: StateDescriptor): RegisteredState {
    const { name, kind } = descriptor;
    const hasTtl = descriptor.ttl !== undefined;
    const state = this.#states.get(name) ?? this.#register(name, kind, hasTtl, false);
    if (state.kind !== kind) {
      // invariant 3
      throw new StreamConfigError(
        `State '${name}' is ${state.kind} state, but is asked for as ${kind} state. Use another name for the new state.`,
        { details: { state: name, kind } },
      );
    }
    if (state.hasTtl !== hasTtl) throw changedTtl(state);
    return state;
  }

  #register(name: string, kind: StateKind, hasTtl: boolean, isRestored: boolean): RegisteredState {
    const slot = this.#table.addSlot();
    const state = { name, kind, hasTtl, slot, isRestored, descriptor: undefined, handle: undefined };
    this.#states.set(name, state);
    return state;
  }

  snapshot(): KeyedStateSnapshot[] {
    this.#sweep.complete(); // invariant 4
    const keyGroups = byKeyGroup(this.#table.records.values(), this.#maxParallelism); // invariant 2
    return [...this.#states.values()].map(({ name, kind, hasTtl, slot }) => ({
      name,
      kind,
      hasTtl,
      keyGroups: keyGroups.flatMap(({ keyGroup, entries: records }) => {
        const entries = records.flatMap((record) =>
          record[slot] === VACANT ? [] : [[record[0], record[slot]] as const],
        );
        return entries.length === 0 ? [] : [{ keyGroup, entries }];
      }),
    }));
  }

  /** Takes from `snapshots` the key groups of `range`. */
  restore(snapshots: readonly KeyedStateSnapshot[], range: KeyGroupRange): void {
    for (const { name, kind, hasTtl, keyGroups } of snapshots) {
      const { slot } = this.#states.get(name) ?? this.#register(name, kind, hasTtl, true);
      for (const { keyGroup, entries } of keyGroups) {
        if (keyGroup < range.start || keyGroup >= range.end) continue;
        for (const [key, content] of entries) {
          if (this.#table.restore(key, slot, content)) continue;
          throw new InvariantError(`Key ${String(key)} of state '${name}' is in the checkpoint twice`, {
            details: { invariant: 2, state: name },
          });
        }
      }
    }
  }
}

function changedTtl({ name, hasTtl, isRestored }: RegisteredState): Error {
  const details = { state: name };
  return isRestored
    ? new CheckpointError(
        `State '${name}' has ${hasTtl ? 'a' : 'no'} TTL in the checkpoint, but ${hasTtl ? 'none' : 'one'} in the program. ` +
          'A TTL cannot be switched on or off for state that exists: set it back, or use another name for the new state.',
        { details },
      )
    : new StreamConfigError(
        `State '${name}' is asked for both with and without a TTL. Use one descriptor for it.`,
        { details },
      );
}
