/**
 * Removes expired state that nobody reads.
 *
 * Invariants
 * 1. One `advance` looks at no more than `STEPS` entries, so that no record pays for the state of all.
 * 2. Every write to ageing state, which adds one entry at most, advances by more than one: at any time no more than a
 *    fixed multiple of the entries that are alive is kept.
 */
import { VACANT, type KeyTable } from './key-table.js';

const STEPS = 2;

/** A state with a TTL, as the sweep sees it. */
export interface AgeingState {
  readonly slot: number;
  /** Removes what is expired in one key's content, with a `yield` per step; returns whether nothing is left. */
  removeExpired(content: unknown): Generator<undefined, boolean>;
}

export class ExpirySweep {
  readonly #table: KeyTable;
  readonly #states: AgeingState[] = [];
  #round: Generator<undefined, void>;

  constructor(table: KeyTable) {
    this.#table = table;
    this.#round = this.#visitAll();
  }

  add(state: AgeingState): void {
    this.#states.push(state);
  }

  advance(): void {
    for (let i = 0; i < STEPS; i++) {
      if (this.#round.next().done === true) this.#round = this.#visitAll();
    }
  }

  /** Looks at everything, before a checkpoint. */
  complete(): void {
    if (this.#states.length === 0) return;
    const round = this.#visitAll();
    while (round.next().done !== true);
  }

  /** Iterates over live maps: what is added meanwhile is visited too, what is deleted is not. */
  *#visitAll(): Generator<undefined, void> {
    for (const [identity, record] of this.#table.records) {
      yield;
      for (const state of this.#states) {
        const content = record.slots[state.slot];
        if (content === VACANT || !(yield* state.removeExpired(content))) continue;
        // It may have been cleared or replaced between two steps.
        if (record.slots[state.slot] === content) this.#table.vacate(identity, record, state.slot);
      }
    }
  }
}
