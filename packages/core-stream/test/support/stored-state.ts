import type { KeyedState } from '../../src/state/keyed-state.js';
import type { KeyedStateSnapshot } from '../../src/state/keyed-state-backend.js';
import { keyGroupOf, type KeyGroupRange } from '../../src/state/key-groups.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { decodeRowId } from '../../src/state/rows.js';
import type { StateTime } from '../../src/state/state-ttl.js';
import { SubtaskRows, type RowAccess, type SubtaskRowsOptions } from '../../src/state/subtask-rows.js';
import type { HarnessSnapshot } from '../../src/testing/index.js';
import { HarnessRows, restoredRows, type HarnessRow } from '../../src/testing/harness-rows.js';

export const MAX_PARALLELISM = 16;

/** Makes the rows of a subtask. */
export type MakeRows = (options: SubtaskRowsOptions, keyGroups: KeyGroupRange) => SubtaskRows;

let makeRows: MakeRows = (options) => new SubtaskRows(options);

/** From now on state is where `make` puts it; on the heap unless told. */
export function keepRowsIn(make: MakeRows): void {
  makeRows = make;
}

/** The rows of one subtask, and all that its snapshots have stored of them so far. */
export class StoredRows {
  readonly access: RowAccess;
  readonly #rows: SubtaskRows;
  readonly #stored: HarnessRows;

  constructor(restored: readonly HarnessRow[] = [], keyGroups: KeyGroupRange = ALL_KEY_GROUPS) {
    this.#stored = new HarnessRows(
      restored.filter(({ id }) => {
        const keyGroup = keyGroupOf(decodeRowId(id).key, MAX_PARALLELISM);
        return keyGroup >= keyGroups.start && keyGroup < keyGroups.end;
      }),
    );
    const options = {
      isEnabled: true,
      maxParallelism: MAX_PARALLELISM,
      restored: restoredRows(restored, '', keyGroups, MAX_PARALLELISM),
    };
    this.#rows = makeRows(options, keyGroups);
    this.access = this.#rows.access;
  }

  /** Stores what has changed. Returns everything that is stored. */
  snapshot(): readonly HarnessRow[] {
    this.#rows.snapshotTo(this.#stored.sinkOf(''));
    return this.#stored.snapshot();
  }

  /** Stores what has changed. Returns that: key and namespace of each row, and its data, `undefined` where it is gone. */
  changes(): [key: unknown, namespace: unknown, data: unknown][] {
    const changes: [unknown, unknown, unknown][] = [];
    const sink = this.#stored.sinkOf('');
    this.#rows.snapshotTo({
      add: (table, key, id, data) => {
        changes.push([key, decodeRowId(id).namespace, data && decodeState(data)]);
        sink.add(table, key, id, data);
      },
    });
    return changes;
  }
}

export const ALL_KEY_GROUPS: KeyGroupRange = { start: 0, end: MAX_PARALLELISM };

/** Keyed state as a checkpoint carries it. */
export interface StoredState {
  readonly infos: KeyedStateSnapshot;
  readonly rows: readonly HarnessRow[];
}

const rowsOf = new WeakMap<KeyedState, StoredRows>();

export interface StateOptions {
  readonly time?: StateTime;
  /** Of all subtasks. */
  readonly restored?: readonly StoredState[];
  readonly keyGroups?: KeyGroupRange;
}

export function newState({ time, restored = [], keyGroups }: StateOptions = {}): KeyedState {
  const rows = new StoredRows(
    restored.flatMap((state) => state.rows),
    keyGroups,
  );
  const infos = restored.map((state) => state.infos);
  const state = rows.access.createKeyedState(infos, time) as KeyedState;
  rowsOf.set(state, rows);
  return state;
}

export function stored(state: KeyedState): StoredState {
  const infos = state.snapshot();
  return { infos, rows: rowsOf.get(state)!.snapshot() };
}

/** What has changed since the last snapshot. */
export function changesOf(state: KeyedState): unknown[] {
  state.snapshot();
  return rowsOf.get(state)!.changes();
}

/** Pairs of key and content of one state. */
export function contentsOf({ rows }: StoredState, name: string): unknown[] {
  return rows.flatMap(({ id, data }) => {
    const states = decodeState(data) as readonly unknown[];
    const at = states.indexOf(name);
    return at < 0 ? [] : [[decodeRowId(id).key, states[at + 2]]];
  });
}

/** How much a harness stores. */
export function bytesOf({ subtasks, rows }: HarnessSnapshot): number {
  const parts = [...subtasks.map(({ bytes }) => bytes), ...rows.map(({ data }) => data)];
  return parts.reduce((sum, { length }) => sum + length, 0);
}
