/**
 * The keyed state of one subtask.
 *
 * Role: gives the handles, and says how rows of it are stored. Boundary: where the rows are, on the heap or on disk, is the
 * business of `KeyedRows`; knows nothing of operators.
 *
 * Invariants
 * 1. State is addressed by (state name, key); a handle always works on the current key.
 * 2. Each key is a row, so that it is stored when it has changed, and can be restored at any parallelism; so is each entry of
 *    a large map.
 * 3. One name has one kind: asking for it as another kind is an error, also after a restore. So it is with a TTL.
 * 4. What is expired is never seen, after a restore neither. It may be stored until the sweep has found it.
 * 5. State that the program does not ask for is kept, as it was stored.
 */
import { CheckpointError, InvariantError, StreamConfigError, type StreamError } from '../errors.js';
import { decodeState } from './canonical-decoding.js';
import { encodeState, keyIdentity } from './canonical-encoding.js';
import { ExpirySweep } from './expiry-sweep.js';
import {
  HeapAggregatingState,
  HeapListState,
  HeapMapState,
  HeapReducingState,
  HeapValueState,
} from './heap-states.js';
import { KeyRecord, KeyTable } from './key-table.js';
import type { KeyedRowFormat, MakeKeyedRows } from './keyed-rows.js';
import { LargeMap, type MapEntries } from './map-entries.js';
import { MapSlot } from './map-slot.js';
import type { KeyedStateBackend, KeyedStateInfo, KeyedStateSnapshot } from './keyed-state-backend.js';
import { KEYED_STATE_TABLE } from './row-encoding.js';
import type { StoredRow } from './rows.js';
import { SubtaskStates } from './subtask-states.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { migrateContent } from './state-migration.js';
import { migrationOf, versionOf, whyNotFrom } from './state-schema.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
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
import { TtlListState, TtlMapState, TtlValueState, type Stamped, type TtlSlot } from './ttl-states.js';
import { VACANT } from './vacant.js';

/** What a row holds: for each state of the key its name, the version of its schema, and its content; of a large map its size. */
type StoredStates = readonly unknown[];

interface RegisteredState {
  readonly name: string;
  readonly kind: StateKind;
  readonly hasTtl: boolean;
  readonly slot: number;
  readonly isRestored: boolean;
  /** Those that subtasks have stored it in; none once it has been migrated. */
  readonly restoredVersions: Set<number>;
  /** Of the contents, except for those in `ofOtherVersion`, which are newer: other subtasks had asked for the state. */
  version: number;
  /** Contents that the program has not asked for since they were restored (invariant 5). */
  ofOtherVersion: WeakMap<KeyRecord, number> | undefined;
  /** What the handle was last asked for with. */
  descriptor: StateDescriptor | undefined;
  handle: unknown;
}

/** Gives each key a default value of its own: a key that changes it must not change that of others. */
export function copies<T>(value: T): () => T {
  if (typeof value !== 'object' || value === null) return () => value;
  const bytes = encodeState(value);
  return () => decodeState(bytes) as T;
}

const vacant = (): typeof VACANT => VACANT;

/** Where the rows of keyed state are. */
export interface KeyedStateRows {
  readonly keyedRows: MakeKeyedRows;
  readonly mapEntries: () => MapEntries;
}

export class KeyedState implements KeyedStateBackend {
  readonly #time: StateTime | undefined;
  readonly #table: KeyTable;
  readonly #states = new Map<string, RegisteredState>();
  readonly #entries: MapEntries;
  readonly #sweep: ExpirySweep;
  readonly #schemas: SubtaskStates;

  /** `restored` is what the snapshots of all subtasks have; `time` is what state with a TTL ages by. */
  constructor(
    { keyedRows, mapEntries }: KeyedStateRows,
    restored: readonly KeyedStateSnapshot[] = [],
    time?: StateTime,
    schemas = new SubtaskStates(),
  ) {
    this.#time = time;
    this.#schemas = schemas;
    for (const info of restored.flat()) {
      const state = this.#states.get(info.name) ?? this.#register(info, true);
      state.restoredVersions.add(info.version);
      if (info.version < state.version) state.version = info.version;
    }
    schemas.register(() => this.#infos());
    const format: KeyedRowFormat<KeyRecord> = {
      table: KEYED_STATE_TABLE,
      isGone: (record) => record.isVacant,
      dataOf: (record) => this.#store(record),
      rowOf: (stored) => this.#restore(stored),
    };
    this.#entries = mapEntries();
    this.#table = new KeyTable(keyedRows(format), this.#entries);
    this.#entries.fill((key, name) => this.#largeMapOf(key, name));
    this.#sweep = new ExpirySweep(this.#table);
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
    for (const record of this.#table.records.values()) {
      if (record.get(slot) !== VACANT) keys.push(record.key);
    }
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
        ? new HeapMapState(this.#mapSlot<K, V>(state))
        : new TtlMapState(this.#ttlSlot(state, descriptor), this.#mapSlot<K, Stamped<V>>(state)),
    );
  }

  #mapSlot<K, S>({ slot, name }: RegisteredState): MapSlot<K, S> {
    const currentKey = (): unknown => this.#table.currentKey;
    return new MapSlot(this.#table, slot, { entries: this.#entries, state: name, currentKey });
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
    return { slots: this.#table, slot, ttl: new Ttl(ttl, this.#time), sweep: this.#sweep };
  }

  /** Asking again with the same descriptor, for each record even, costs one look-up. */
  #handle<H>(descriptor: StateDescriptor, create: (state: RegisteredState) => H): H {
    const state = this.#registered(descriptor);
    if (state.descriptor !== descriptor) {
      this.#adopt(state, descriptor);
      state.handle = create(state);
      state.descriptor = descriptor;
    }
    return state.handle as H;
  }

  #registered(descriptor: StateDescriptor): RegisteredState {
    const known = this.#states.get(descriptor.name);
    if (known?.descriptor === descriptor) return known;
    const info = infoOf(descriptor);
    const state = known ?? this.#register(info, false);
    const difference = differenceOf(state, info); // invariant 3
    if (difference === undefined) return state;
    if (!state.isRestored) throw difference;
    this.#schemas.differs(difference);
    return this.#newState(info, false); // for a job that will not start
  }

  #register(info: KeyedStateInfo, isRestored: boolean): RegisteredState {
    const state = this.#newState(info, isRestored);
    this.#states.set(info.name, state);
    return state;
  }

  #newState({ name, kind, hasTtl, version }: KeyedStateInfo, isRestored: boolean): RegisteredState {
    const slot = this.#states.size;
    return {
      ...{ name, kind, hasTtl, slot, isRestored, version, restoredVersions: new Set() },
      ...{ ofOtherVersion: undefined, descriptor: undefined, handle: undefined },
    };
  }

  /** Sees to it that what was restored has the version that the program asks for. */
  #adopt(state: RegisteredState, descriptor: StateDescriptor): void {
    this.#schemas.asks(infoOf(descriptor));
    for (const version of state.restoredVersions) {
      const difference = whyNotFrom(descriptor.schema, version, `State '${state.name}'`);
      if (difference === undefined) continue;
      this.#schemas.differs(difference);
      return;
    }
    this.#schemas.change(() => this.#migrate(state, descriptor));
  }

  /** Brings what was restored to the version that the program asks for. */
  #migrate(state: RegisteredState, { schema }: StateDescriptor): void {
    const { name, slot, version, ofOtherVersion } = state;
    if (ofOtherVersion === undefined && version === versionOf(schema)) return;
    for (const record of this.#table.records.values()) {
      const content = record.get(slot);
      if (content === VACANT) continue;
      const migrate = migrationOf(schema, state.ofOtherVersion?.get(record) ?? version, `State '${name}'`);
      if (migrate === undefined) continue;
      // The record may leave memory before all others have been migrated.
      (state.ofOtherVersion ??= new WeakMap()).set(record, versionOf(schema));
      if (!(content instanceof LargeMap)) record.set(slot, migrateContent(state, content, migrate));
      this.#table.records.changed(record);
      if (content instanceof LargeMap) this.#migrateEntries(state, content, migrate);
    }
    state.version = versionOf(schema);
    state.restoredVersions.clear();
    state.ofOtherVersion = undefined;
  }

  #migrateEntries({ hasTtl }: RegisteredState, map: LargeMap, migrate: (old: unknown) => unknown): void {
    for (const entry of map.entries()) {
      entry.value = migrateContent({ kind: 'value', hasTtl }, entry.value, migrate);
      this.#entries.changed(entry);
    }
  }

  snapshot(): KeyedStateSnapshot {
    this.#sweep.beforeCheckpoint(this.#time?.eventTime() === MAX_WATERMARK);
    return this.#infos();
  }

  #infos(): KeyedStateSnapshot {
    return [...this.#states.values()].flatMap(({ name, kind, hasTtl, version, restoredVersions }) => {
      const versions = restoredVersions.size > 0 ? [...restoredVersions] : [version];
      return versions.map((stored) => ({ name, kind, hasTtl, version: stored }));
    });
  }

  #store(record: KeyRecord): StoredStates {
    const stored: unknown[] = [];
    for (const { name, slot, version, ofOtherVersion } of this.#states.values()) {
      const content = record.get(slot);
      if (content === VACANT) continue;
      const data = content instanceof LargeMap ? content.size : content;
      stored.push(name, ofOtherVersion?.get(record) ?? version, data);
    }
    return stored;
  }

  #restore({ key, data }: StoredRow): KeyRecord {
    const record = new KeyRecord(key);
    const stored = data as StoredStates;
    for (let i = 0; i < stored.length; i += 3) {
      const name = stored[i] as string;
      const state = this.#states.get(name);
      if (state === undefined) {
        throw new InvariantError(`A row has state '${name}', which its checkpoint does not describe`, {
          details: { invariant: 3, state: name },
        });
      }
      const content = stored[i + 2];
      const isLarge = state.kind === 'map' && typeof content === 'number';
      record.set(state.slot, isLarge ? this.#entries.map(key, name, content) : content);
      const version = stored[i + 1] as number;
      if (version !== state.version) (state.ofOtherVersion ??= new WeakMap()).set(record, version);
    }
    return record;
  }

  #largeMapOf(key: unknown, name: string): LargeMap | undefined {
    const state = this.#states.get(name);
    if (state === undefined) return undefined;
    const content = this.#table.records.peek(keyIdentity(key), key)?.get(state.slot);
    return content instanceof LargeMap ? content : undefined;
  }
}

function infoOf({ name, kind, ttl, schema }: StateDescriptor): KeyedStateInfo {
  return { name, kind, hasTtl: ttl !== undefined, version: versionOf(schema) };
}

function differenceOf(state: RegisteredState, asked: KeyedStateInfo): StreamError | undefined {
  const { name, kind, hasTtl } = state;
  if (kind === asked.kind) return hasTtl === asked.hasTtl ? undefined : changedTtl(state);
  return new StreamConfigError(
    `State '${name}' is ${kind} state, but is asked for as ${asked.kind} state. Use another name for the new state.`,
    { details: { state: name, kind: asked.kind } },
  );
}

function changedTtl({ name, hasTtl, isRestored }: RegisteredState): StreamError {
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
