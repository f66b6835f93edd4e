/**
 * Reads what a savepoint, or a checkpoint, holds, without the program that wrote it.
 *
 * Invariants
 * 1. Nothing is written, and nothing is claimed: a job may be using the storage. What it removes meanwhile is missing.
 * 2. No more than the largest key group of a table is in memory; of keyed state with the entries of its large maps.
 */
import { StreamConfigError } from '../errors.js';
import { encodeKey, encodeState } from '../state/canonical-encoding.js';
import { keyGroupOf, type KeyGroupRange } from '../state/key-groups.js';
import { LIST_KINDS } from '../state/operator-state.js';
import { KEYED_STATE_TABLE, MAP_ENTRY_TABLE } from '../state/row-encoding.js';
import type { StoredRow } from '../state/rows.js';
import { migrateContent } from '../state/state-migration.js';
import { migrationOf, type StateSchema } from '../state/state-schema.js';
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  MapStateKey,
  ReducingStateDescriptor,
  StateDescriptor,
  StateKind,
  ValueStateDescriptor,
} from '../state/state.js';
import { contentsOf, withoutTimes } from '../state/stored-content.js';
import type {
  CheckpointData,
  OperatorCheckpoint,
  StateSchemaInfo,
  StoredStateKind,
} from './checkpoint-data.js';
import type { CheckpointStorage } from './checkpoint-storage.js';
import { isKept, keptValues, tablesOf, WINDOW_TABLES, type KeptInfo } from './kept-values.js';
import { scanKeyedState, scanRows, tableSizes, type TableSize } from './row-scan.js';
import { readSavepoint, savepointStorage, type SavepointTarget } from './savepoint.js';
import { broadcastMaps, operatorLists, storedSource, type StoredSource } from './stored-operator.js';

/** An entry of state. */
export interface StateEntry<K = unknown, V = unknown> {
  /** Of keyed state, windows and joins; the map's key of broadcast state. */
  readonly key: K;
  readonly value: V;
}

/** A row as the operator has stored it. */
export interface StateRow extends StateEntry {
  /** What tells it from other rows of its key: a window's start, for example; `undefined` where a key has one row. */
  readonly namespace: unknown;
}

/** A timer that had not fired. */
export interface StoredTimer<K = unknown> {
  readonly key: K;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly domain: 'event-time' | 'processing-time';
}

/** One operator in a savepoint. */
export interface OperatorInfo {
  readonly uid: string;
  readonly name: string;
  /** What a plan calls this kind of operator. */
  readonly type: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly keyVersion: number;
  readonly states: readonly StateSchemaInfo[];
}

/** How much there is of a state. */
export interface StateSize extends StateSchemaInfo {
  /** Keys of keyed state, elements of a list, entries of broadcast state, windows, keys of a join. */
  readonly count: number;
  /** Of the values, encoded. */
  readonly bytes: number;
}

/** How much an operator has. */
export interface OperatorSize extends OperatorInfo {
  readonly states: readonly StateSize[];
  /** Timers, windows, buffers of joins. In a checkpoint of several segments with rows that are overruled or gone. */
  readonly tables: readonly TableSize[];
}

/** Which rows are read. */
export interface ReadOptions<K = unknown> {
  /** Those of one key only, as it is stored. */
  readonly key?: unknown;
  /** Brings keys that are stored in an older version to the schema's. */
  readonly keySchema?: StateSchema<K>;
}

/** Which state is read, and which rows of it. */
export interface ReadStateOptions extends ReadOptions {
  /** Needed where an operator has keyed, operator and broadcast state of one name; the first one unless told. */
  readonly kind?: StoredStateKind;
}

const TIMER_TABLES = { 'event-time': 'event-timers', 'processing-time': 'processing-timers' } as const;

export class SavepointReader {
  readonly #storage: CheckpointStorage;
  readonly #checkpoint: CheckpointData;

  private constructor(storage: CheckpointStorage, checkpoint: CheckpointData) {
    this.#storage = storage;
    this.#checkpoint = checkpoint;
  }

  /**
   * Opens a savepoint, or a checkpoint in a job's storage: the newest one, or that with an id.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where there is none, or it is damaged
   */
  static async open(
    from: SavepointTarget,
    { checkpointId }: { readonly checkpointId?: number } = {},
  ): Promise<SavepointReader> {
    const storage = savepointStorage(from);
    const checkpoint =
      checkpointId === undefined ? await readSavepoint(storage) : await storage.read(checkpointId);
    return new SavepointReader(storage, checkpoint);
  }

  get jobName(): string {
    return this.#checkpoint.jobName;
  }

  get checkpointId(): number {
    return this.#checkpoint.checkpointId;
  }

  get createdAt(): Date {
    return new Date(this.#checkpoint.createdAt);
  }

  /** In the order of the plan. */
  get operators(): readonly OperatorInfo[] {
    return this.#checkpoint.operators.map(infoOf);
  }

  /** Counts all states. Reads everything. */
  async *sizes(): AsyncGenerator<OperatorSize> {
    for (const operator of this.#checkpoint.operators) {
      const sizes = operator.states.map((info) => ({ ...info, count: 0, bytes: 0 }));
      const idOf = ({ name, version }: Versioned, kind: StoredStateKind | 'keyed') =>
        `${kind !== 'keyed' && isKeyed(kind) ? 'keyed' : kind} ${version} ${name}`;
      const sizeOf = new Map(sizes.map((size) => [idOf(size, size.kind), size]));
      const add = (state: Versioned, kind: StoredStateKind | 'keyed', value: unknown) => {
        const size = sizeOf.get(idOf(state, kind));
        if (size === undefined) return;
        size.count++;
        size.bytes += encodeState(value).length;
      };
      for await (const { data } of this.#rows(operator, KEYED_STATE_TABLE)) {
        for (const stored of contentsOf(data)) add(stored, 'keyed', stored.content);
      }
      for (const list of operatorLists(operator).flat()) {
        for (const element of list.elements) add(list, LIST_KINDS[list.mode], element);
      }
      for (const map of broadcastMaps(operator)) {
        for (const [, value] of map.entries) add(map, 'broadcast', value);
      }
      for (const info of operator.states) {
        if (!isKept(info)) continue;
        for await (const { value } of this.#kept(operator, info, {})) add(info, info.kind, value);
      }
      yield {
        ...infoOf(operator),
        states: sizes,
        tables: await this.#tables(operator),
      };
    }
  }

  /**
   * What an operator has in tables of its own: timers, windows, buffers of joins.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` where there is no such operator
   */
  async tables(uid: string): Promise<readonly TableSize[]> {
    return this.#tables(this.#operator(uid));
  }

  async #tables({ segments }: OperatorCheckpoint): Promise<readonly TableSize[]> {
    const tables = await tableSizes(this.#storage, segments);
    return tables.filter(({ table }) => table !== KEYED_STATE_TABLE && table !== MAP_ENTRY_TABLE);
  }

  /**
   * Keyed state as a program sees it: of the descriptor's version, without the times of a TTL, what has expired included.
   * Of aggregating state it gives accumulators.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` where there is no such operator or state, or it is of another kind
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where it cannot be read, or cannot be migrated
   */
  readKeyedState<K, T>(
    uid: string,
    descriptor: ValueStateDescriptor<T> | ReducingStateDescriptor<T>,
    options?: ReadOptions<K>,
  ): AsyncGenerator<StateEntry<K, T>>;
  readKeyedState<K, T>(
    uid: string,
    descriptor: ListStateDescriptor<T>,
    options?: ReadOptions<K>,
  ): AsyncGenerator<StateEntry<K, readonly T[]>>;
  readKeyedState<K, MK extends MapStateKey, V>(
    uid: string,
    descriptor: MapStateDescriptor<MK, V>,
    options?: ReadOptions<K>,
  ): AsyncGenerator<StateEntry<K, ReadonlyMap<MK, V>>>;
  readKeyedState<K, IN, ACC, OUT>(
    uid: string,
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
    options?: ReadOptions<K>,
  ): AsyncGenerator<StateEntry<K, ACC>>;
  readKeyedState(
    uid: string,
    descriptor: StateDescriptor,
    options: ReadOptions = {},
  ): AsyncGenerator<StateEntry> {
    const operator = this.#operator(uid);
    const info = operator.states.find(
      (state): state is KeyedInfo => state.name === descriptor.name && isKeyed(state.kind),
    );
    if (info === undefined) throw this.#noState(operator, descriptor.name);
    if (info.kind !== descriptor.kind) {
      throw new StreamConfigError(
        `State '${info.name}' is ${info.kind} state, but is asked for as ${descriptor.kind} state. Ask for it as it is.`,
        { details: { uid, state: info.name } },
      );
    }
    const migration = (version: number) =>
      migrationOf(descriptor.schema, version, `State '${descriptor.name}'`);
    return this.#keyedState(operator, info, migration, options);
  }

  /**
   * A state as it is stored, whatever kind it has: keyed state by key, in no other version than its own; elements of operator
   * state, with the subtask that held them as their key; entries of broadcast state; what windows and joins keep, with the key.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` where there is no such operator or state
   */
  readState(uid: string, name: string, options: ReadStateOptions = {}): AsyncGenerator<StateEntry> {
    const operator = this.#operator(uid);
    const { kind } = options;
    const info = operator.states.find(
      (state) => state.name === name && (kind === undefined || state.kind === kind),
    );
    if (info === undefined) throw this.#noState(operator, name);
    if (info.kind === 'broadcast') return this.#broadcastState(operator, name, options);
    if (isKept(info)) return this.#kept(operator, info, options);
    if (info.kind === 'operator-list' || info.kind === 'union-list')
      return this.#operatorState(operator, name);
    return this.#keyedState(operator, info as KeyedInfo, () => undefined, options);
  }

  /** Timers of process functions and of joins that had not fired. */
  async *readTimers<K = unknown>(uid: string, options: ReadOptions<K> = {}): AsyncGenerator<StoredTimer<K>> {
    for (const domain of ['event-time', 'processing-time'] as const) {
      for await (const { key, namespace } of this.readRows(uid, TIMER_TABLES[domain], options)) {
        yield { key: key as K, timestamp: namespace as number, domain };
      }
    }
  }

  /**
   * The open windows of a window operator as it keeps them. Which of the layouts it is depends on the operator: `panes` and
   * `slices` have their start as namespace, `sessions` a number; `windows` has one row for all windows of a key.
   */
  async *readWindows(uid: string, options: ReadOptions = {}): AsyncGenerator<StateRow> {
    for (const table of WINDOW_TABLES) yield* this.readRows(uid, table, options);
  }

  /** The rows of one of an operator's tables (`sizes` names them); none where it has no such table. */
  async *readRows(uid: string, table: string, options: ReadOptions = {}): AsyncGenerator<StateRow> {
    for await (const { key, namespace, data } of this.#rows(this.#operator(uid), table, options)) {
      yield { key, namespace, value: data };
    }
  }

  /** @throws StreamConfigError `MILLRACE_CONFIG` where there is no source with that uid */
  source(uid: string): StoredSource {
    const operator = this.#operator(uid);
    if (operator.type !== 'source') {
      throw new StreamConfigError(
        `'${uid}' in ${this.#storage.location} is a '${operator.type}', not a source.`,
      );
    }
    const enumerator = this.#checkpoint.enumerators.find((stored) => stored.uid === uid);
    return storedSource(operator, enumerator?.bytes);
  }

  async *#keyedState(
    operator: OperatorCheckpoint,
    { name, kind, hasTtl }: KeyedInfo,
    migrationFrom: (version: number) => ((old: unknown) => unknown) | undefined,
    options: ReadOptions,
  ): AsyncGenerator<StateEntry> {
    for await (const { key, data } of this.#rows(operator, KEYED_STATE_TABLE, options)) {
      for (const stored of contentsOf(data)) {
        if (stored.name !== name) continue;
        const migrate = migrationFrom(stored.version);
        const content = migrate ? migrateContent({ kind, hasTtl }, stored.content, migrate) : stored.content;
        yield { key, value: withoutTimes(kind, hasTtl, content) };
      }
    }
  }

  async *#kept(
    operator: OperatorCheckpoint,
    { name, kind }: KeptInfo,
    options: ReadOptions,
  ): AsyncGenerator<StateEntry> {
    for (const table of tablesOf(kind)) {
      for await (const { key, data } of this.#rows(operator, table, options)) {
        for (const value of keptValues(table, data, name)) yield { key, value };
      }
    }
  }

  async *#operatorState(operator: OperatorCheckpoint, name: string): AsyncGenerator<StateEntry<number>> {
    for (const [subtask, lists] of operatorLists(operator).entries()) {
      for (const list of lists) {
        if (list.name === name) yield* list.elements.map((value) => ({ key: subtask, value }));
      }
    }
  }

  async *#broadcastState(
    operator: OperatorCheckpoint,
    name: string,
    options: ReadOptions,
  ): AsyncGenerator<StateEntry> {
    const map = broadcastMaps(operator).find((stored) => stored.name === name);
    for (const [key, value] of map?.entries ?? []) {
      if (!('key' in options) || options.key === key) yield { key, value };
    }
  }

  async *#rows(
    { segments, name, maxParallelism, keyVersion }: OperatorCheckpoint,
    table: string,
    options: ReadOptions = {},
  ): AsyncGenerator<StoredRow> {
    const { keySchema } = options;
    const migrate = keySchema && migrationOf(keySchema, keyVersion, `The key of '${name}'`);
    const wanted = 'key' in options ? encodeKey(options.key) : undefined;
    const keyGroups: KeyGroupRange =
      wanted === undefined
        ? { start: 0, end: maxParallelism }
        : keyGroupRange(keyGroupOf(options.key, maxParallelism));
    const rows =
      table === KEYED_STATE_TABLE
        ? scanKeyedState(this.#storage, segments, keyGroups)
        : scanRows(this.#storage, segments, table, keyGroups);
    for await (const row of rows) {
      if (wanted !== undefined && !wanted.equals(encodeKey(row.key))) continue;
      yield migrate === undefined ? row : { ...row, key: migrate(row.key) };
    }
  }

  #operator(uid: string): OperatorCheckpoint {
    const operator = this.#checkpoint.operators.find((stored) => stored.uid === uid);
    if (operator !== undefined) return operator;
    const known = this.#checkpoint.operators.map((stored) => stored.uid).join(', ');
    throw new StreamConfigError(
      `There is no operator with uid '${uid}' in ${this.#storage.location}. It has: ${known}.`,
      { details: { uid } },
    );
  }

  #noState({ uid, states }: OperatorCheckpoint, name: string): StreamConfigError {
    const known = [...new Set(states.map((state) => state.name))].join(', ') || 'none';
    return new StreamConfigError(
      `The operator with uid '${uid}' in ${this.#storage.location} has no such state '${name}'. Its states: ${known}.`,
      { details: { uid, state: name } },
    );
  }
}

type KeyedInfo = StateSchemaInfo & { readonly kind: StateKind };

type Versioned = Pick<StateSchemaInfo, 'name' | 'version'>;

function isKeyed(kind: StoredStateKind): kind is StateKind {
  return !['broadcast', 'operator-list', 'union-list', 'window', 'join'].includes(kind);
}

function infoOf({ subtasks, segments: _segments, ...operator }: OperatorCheckpoint): OperatorInfo {
  return { ...operator, parallelism: subtasks.length };
}

function keyGroupRange(keyGroup: number): KeyGroupRange {
  return { start: keyGroup, end: keyGroup + 1 };
}
