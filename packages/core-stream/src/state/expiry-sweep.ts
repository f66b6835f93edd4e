/**
 * Removes expired state that nobody reads.
 *
 * Invariants
 * 1. One `advance` looks at no more than `STEPS` entries, and a checkpoint at no more than `CHECKPOINT_STEPS`, so that
 *    neither pays for the state of all keys.
 * 2. Every write to ageing state, which adds one entry at most, advances by more than one: at any time no more than a
 *    fixed multiple of the entries that are alive is kept.
 */
import type { KeyRecord, KeyTable } from './key-table.js';
import { LargeMap } from './map-entries.js';
import { VACANT } from './vacant.js';

const STEPS = 2;
/** Also state that nobody writes to goes in time. */
const CHECKPOINT_STEPS = 4096;

/** A state with a TTL, as the sweep sees it. */
export interface AgeingState {
  readonly slot: number;
  /**
   * Removes what is expired in one key's content, in one step or with a `yield` before each further one; may leave a part of
   * it. Reports what it changes. Returns whether nothing is left.
   */
  removeExpired(content: unknown, changed: () => void): boolean | Generator<undefined, boolean>;
  /** Of what a large map stores for an entry; where the state can have large maps. */
  isEntryExpired?(stored: unknown): boolean;
}

export class ExpirySweep {
  readonly #table: KeyTable;
  /** By slot. */
  readonly #states = new Map<number, AgeingState>();
  #round: Generator<undefined, void>;

  constructor(table: KeyTable) {
    this.#table = table;
    this.#round = this.#visitAll();
  }

  add(state: AgeingState): void {
    this.#states.set(state.slot, state);
  }

  advance(): void {
    for (let i = 0; i < STEPS; i++) this.#step();
  }

  /** Looks at some more of it before a checkpoint; at everything where event time has ended. */
  beforeCheckpoint(isEnd: boolean): void {
    if (this.#states.size === 0) return;
    if (isEnd) {
      const round = this.#visitAll();
      while (round.next().done !== true);
      return;
    }
    let rounds = 0; // the first one has begun before
    for (let i = 0; i < CHECKPOINT_STEPS && rounds < 2; i++) if (this.#step()) rounds++; // invariant 1
  }

  /** Returns whether everything was looked at. */
  #step(): boolean {
    if (this.#round.next().done !== true) return false;
    this.#round = this.#visitAll();
    return true;
  }

  /** Iterates over live maps: what is added meanwhile is visited too, what is deleted is not. */
  *#visitAll(): Generator<undefined, void> {
    for (const record of this.#table.records.values()) {
      yield;
      for (const { slot } of this.#states.values()) yield* this.#visit(record, slot);
    }
  }

  *#visit(record: KeyRecord, slot: number): Generator<undefined, void> {
    const content = record.get(slot);
    if (content === VACANT) return;
    if (content instanceof LargeMap) {
      yield* this.#visitLarge(record, slot, content);
      return;
    }
    // It may have been cleared or replaced between two steps.
    const isThere = (): boolean => record.get(slot) === content;
    const removed = this.#states.get(slot)!.removeExpired(content, () => {
      if (isThere()) this.#table.records.changed(record);
    });
    const isGone = typeof removed === 'boolean' ? removed : yield* removed;
    if (isGone && isThere()) this.#table.vacate(record, slot);
  }

  *#visitLarge({ key }: KeyRecord, slot: number, map: LargeMap): Generator<undefined, void> {
    const state = this.#states.get(slot)!;
    for (const { mapKey, value } of map.entries(false)) {
      if (state.isEntryExpired!(value)) this.#table.removeEntry(key, slot, mapKey);
      yield;
    }
  }
}
