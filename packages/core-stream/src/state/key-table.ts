/**
 * All keyed state of one subtask in one map: a record per key, with a slot per state.
 *
 * Role: finds a key's record once per input record, so that each access to state is an array access. Boundary: knows
 * neither what the slots hold nor what the states are called.
 *
 * Invariants
 * 1. A record is in the map if and only if one of its slots is occupied: keys with nothing left vanish.
 * 2. Reading, and changing what is there, allocates nothing.
 */
import { keyIdentity } from './canonical-encoding.js';

/** What a slot without state holds; `undefined` can be a value. */
export const VACANT: unique symbol = Symbol('vacant');

export interface KeyRecord {
  readonly key: unknown;
  readonly slots: unknown[];
}

export class KeyTable {
  /** By key identity. */
  readonly records = new Map<unknown, KeyRecord>();
  /** Stands in for every key that has no state; never written to. */
  readonly #absent: KeyRecord = { key: undefined, slots: [] };
  #key: unknown;
  #identity: unknown;
  /** The current key's record. After its last slot was vacated it is no longer in the map, until one is occupied again. */
  current: KeyRecord = this.#absent;

  get currentKey(): unknown {
    return this.#key;
  }

  get currentIdentity(): unknown {
    return this.#identity;
  }

  setCurrentKey(key: unknown): void {
    // An object may have been changed by its owner since: only a primitive is known to be the same key.
    if (key === this.#key && typeof key !== 'object') return;
    const identity = keyIdentity(key);
    this.#key = key;
    this.#identity = identity;
    this.current = this.records.get(identity) ?? this.#absent;
  }

  /** Adds a slot to every record; returns its index. */
  addSlot(): number {
    const slot = this.#absent.slots.push(VACANT) - 1;
    for (const { slots } of this.records.values()) slots.push(VACANT);
    if (this.current.slots.length === slot) this.current.slots.push(VACANT); // a record that is not in the map
    return slot;
  }

  /** The current key's content of `slot`, or `VACANT`. */
  get(slot: number): unknown {
    return this.current.slots[slot];
  }

  set(slot: number, content: unknown): void {
    const { slots } = this.current;
    if (slots[slot] === VACANT) this.#occupy(slot, content);
    else slots[slot] = content;
  }

  clear(slot: number): void {
    if (this.current.slots[slot] !== VACANT) this.vacate(this.#identity, this.current, slot);
  }

  vacate(identity: unknown, record: KeyRecord, slot: number): void {
    record.slots[slot] = VACANT;
    if (isVacant(record) && this.records.get(identity) === record) this.records.delete(identity); // invariant 1
  }

  /** Puts `content` where a key has none yet; `false` where it has. */
  restore(key: unknown, slot: number, content: unknown): boolean {
    const identity = keyIdentity(key);
    let record = this.records.get(identity);
    if (record === undefined) {
      record = this.#newRecord(key);
      this.records.set(identity, record);
    }
    if (record.slots[slot] !== VACANT) return false;
    record.slots[slot] = content;
    return true;
  }

  #occupy(slot: number, content: unknown): void {
    if (this.current === this.#absent) this.current = this.#newRecord(this.#key);
    if (isVacant(this.current)) this.records.set(this.#identity, this.current); // invariant 1
    this.current.slots[slot] = content;
  }

  #newRecord(key: unknown): KeyRecord {
    return { key, slots: this.#absent.slots.slice() };
  }
}

function isVacant({ slots }: KeyRecord): boolean {
  for (let i = 0; i < slots.length; i++) if (slots[i] !== VACANT) return false;
  return true;
}
