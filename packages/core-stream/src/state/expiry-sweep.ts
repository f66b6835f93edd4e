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
  /**
   * Removes what is expired in one key's content, in one step or with a `yield` before each further one; may leave a part of
   * it unless `isThorough`. Returns whether nothing is left.
   */
  removeExpired(content: unknown, isThorough: boolean): boolean | Generator<undefined, boolean>;
}

export class ExpirySweep {
  readonly #table: KeyTable;
  /** By slot. */
  readonly #states = new Map<number, AgeingState>();
  #round: Generator<undefined, void>;

  constructor(table: KeyTable) {
    this.#table = table;
    this.#round = this.#visitAll(false);
  }

  add(state: AgeingState): void {
    this.#states.set(state.slot, state);
  }

  advance(): void {
    for (let i = 0; i < STEPS; i++) {
      if (this.#round.next().done === true) this.#round = this.#visitAll(false);
    }
  }

  /** Looks at everything, before a checkpoint. */
  complete(): void {
    if (this.#states.size === 0) return;
    const round = this.#visitAll(true);
    while (round.next().done !== true);
  }

  /** Iterates over live maps: what is added meanwhile is visited too, what is deleted is not. */
  *#visitAll(isThorough: boolean): Generator<undefined, void> {
    for (const [identity, record] of this.#table.records) {
      yield;
      for (const state of this.#states.values()) {
        const content = record[state.slot];
        if (content === VACANT) continue;
        const removed = state.removeExpired(content, isThorough);
        const isGone = typeof removed === 'boolean' ? removed : yield* removed;
        // It may have been cleared or replaced between two steps.
        if (isGone && record[state.slot] === content) this.#table.vacate(identity, record, state.slot);
      }
    }
  }
}
