/**
 * State of a subtask of an operator, without keys.
 *
 * Role: gives the handles, stores, and redistributes. Boundary: knows nothing of functions.
 *
 * Invariants
 * 1. What all subtasks stored is what all subtasks get: at the same parallelism each its own, at another one the elements
 *    of all lists in turn. Of union state each gets everything.
 * 2. State that the program does not ask for is kept, and does not grow.
 * 3. One name has one kind, also after a restore.
 */
import { StreamConfigError, type StreamError } from '../errors.js';
import type { StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import { migrationOf, versionOf, whyNotFrom } from './state-schema.js';
import { shareOf, type SubtaskPlace } from './redistribution.js';
import type { ListState, ListStateDescriptor } from './state.js';
import { SubtaskStates } from './subtask-states.js';

/** Where a function gets state from that belongs to its subtask, not to a key. */
export interface OperatorStateStore {
  /** A list that is dealt out element by element to the subtasks when the parallelism changes. */
  getOperatorListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  /**
   * A list of which every subtask gets everything after a restore, whoever stored it: reduce it to what this subtask is to
   * store before the next checkpoint, or it grows with every restore.
   */
  getUnionListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
}

/** How the elements of a list are given to the subtasks after a restore. */
export type OperatorStateMode = 'split' | 'union';

/** What a checkpoint calls them. */
export const LIST_KINDS = { split: 'operator-list', union: 'union-list' } as const;

export interface OperatorStateSnapshot {
  readonly name: string;
  readonly mode: OperatorStateMode;
  /** Of the elements' schema. */
  readonly version: number;
  readonly elements: readonly unknown[];
}

class OperatorList<T> implements ListState<T> {
  readonly mode: OperatorStateMode;
  readonly version: number;
  #elements: T[];

  constructor(mode: OperatorStateMode, version: number, elements: readonly T[]) {
    this.mode = mode;
    this.version = version;
    this.#elements = [...elements];
  }

  get(): readonly T[] {
    return this.#elements;
  }

  add(value: T): void {
    this.#elements.push(value);
  }

  addAll(values: readonly T[]): void {
    const { length } = values; // they may be what `get` gave: this very list
    for (let i = 0; i < length; i++) this.#elements.push(values[i]!);
  }

  update(values: readonly T[]): void {
    this.#elements = [...values];
  }

  clear(): void {
    this.#elements = [];
  }
}

export class HeapOperatorState implements OperatorStateStore {
  readonly #subtask: SubtaskPlace;
  readonly #schemas: SubtaskStates;
  readonly #lists = new Map<string, OperatorList<unknown>>();
  /** What the program has not asked for yet: per name, the elements by old subtask. */
  readonly #restored = new Map<
    string,
    { mode: OperatorStateMode; version: number; bySubtask: (readonly unknown[])[] }
  >();

  /** `restored` has what each subtask stored, ascending, at whatever parallelism. */
  constructor(
    subtask: SubtaskPlace,
    restored: readonly (readonly OperatorStateSnapshot[])[],
    schemas = new SubtaskStates(),
  ) {
    this.#subtask = subtask;
    this.#schemas = schemas;
    schemas.register(() => this.#infos());
    for (const [index, snapshots] of restored.entries()) {
      for (const { name, mode, version, elements } of snapshots) {
        const state = this.#restored.get(name) ?? { mode, version, bySubtask: restored.map(() => []) };
        state.bySubtask[index] = elements;
        this.#restored.set(name, state);
      }
    }
  }

  getOperatorListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#list<T>(descriptor, 'split');
  }

  getUnionListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#list<T>(descriptor, 'union');
  }

  snapshot(): OperatorStateSnapshot[] {
    const asked = [...this.#lists].map(([name, list]) => {
      const { mode, version } = list;
      return { name, mode, version, elements: list.get() };
    });
    const unasked = [...this.#restored].map(([name, { mode, version, bySubtask }]) => ({
      name,
      mode,
      version,
      elements: shareOf(bySubtask, this.#subtask), // invariant 2: of union state too
    }));
    return [...asked, ...unasked];
  }

  #infos(): StateSchemaInfo[] {
    return [...this.#lists, ...this.#restored].map(([name, { mode, version }]) =>
      infoOf(name, mode, version),
    );
  }

  #list<T>({ name, ttl, schema }: ListStateDescriptor<T>, mode: OperatorStateMode): ListState<T> {
    if (ttl !== undefined) {
      throw new StreamConfigError(
        `Operator state '${name}' has a TTL, but only keyed state can have one. Leave the TTL out.`,
        { details: { state: name } },
      );
    }
    const restored = this.#restored.get(name);
    const list = this.#lists.get(name);
    const existing = list ?? restored;
    let difference: StreamError | undefined;
    if (existing !== undefined && existing.mode !== mode) {
      // invariant 3
      difference = new StreamConfigError(
        `Operator state '${name}' is ${existing.mode} state, but is asked for as ${mode} state. Use another name for the new state.`,
        { details: { state: name } },
      );
    } else if (restored !== undefined) {
      difference = whyNotFrom(schema, restored.version, `Operator state '${name}'`);
    }
    if (difference !== undefined) {
      if (restored === undefined) throw difference;
      this.#schemas.differs(difference);
      return new OperatorList<T>(mode, versionOf(schema), []); // for a job that will not start
    }
    if (list !== undefined) return list as ListState<T>;
    this.#schemas.asks(infoOf(name, mode, versionOf(schema)));
    const bySubtask = restored?.bySubtask ?? [];
    const elements = mode === 'union' ? bySubtask.flat() : shareOf(bySubtask, this.#subtask); // invariant 1
    const migrate = restored && migrationOf(schema, restored.version, `Operator state '${name}'`);
    const made = new OperatorList<T>(
      mode,
      versionOf(schema),
      (migrate === undefined ? elements : elements.map(migrate)) as T[],
    );
    this.#restored.delete(name);
    this.#lists.set(name, made as OperatorList<unknown>);
    return made;
  }
}

function infoOf(name: string, mode: OperatorStateMode, version: number): StateSchemaInfo {
  return { name, kind: LIST_KINDS[mode], hasTtl: false, version };
}
