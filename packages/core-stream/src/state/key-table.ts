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
import { StreamConfigError } from '../errors.js';
import { StreamConfigError } from '../errors.js';
import { keyIdentity } from './canonical-encoding.js';

/** What a slot without state holds; `undefined` can be a value. */
export const VACANT: unique symbol = Symbol('vacant');

const NO_KEY = Symbol('no key');

export interface KeyRecord {
  readonly key: unknown;
  readonly slots: unknown[];
}

/** Stands in for a key where none is current; an object, so that it is no key's identity. */
const NO_KEY: unknown = Object.freeze({});

function noCurrentKey(): StreamConfigError {
  return new StreamConfigError(
    'Keyed state was written while no key is current, as it is for a broadcast record. Use applyToKeyedState there.',
  );
}

export class KeyTable {
  /** By key identity. */
  readonly records = new Map<unknown, KeyRecord>();
  /** Stands in for every key that has no state; never written to. Its slots are the pattern of those of a new key. */
  readonly #absent: KeyRecord = { key: undefined, slots: [] };
  #key: unknown = NO_KEY;
  #identity: unknown = NO_KEY;
  /** The current key's record. After its last slot was vacated it is no longer in the map, until one is occupied again. */
  current: KeyRecord = this.#absent;

  get currentKey(): unknown {
    return this.#key === NO_KEY ? undefined : this.#key;
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

  /** Until the next `setCurrentKey` handles read nothing, and refuse to write. */
  clearCurrentKey(): void {
    this.#key = NO_KEY;
    this.#identity = NO_KEY;
    this.current = this.#absent;
  }

  /** Until the next `setCurrentKey` every slot is vacant, and nothing can be written. */
  clearCurrentKey(): void {
    this.#key = this.#identity = NO_KEY;
    this.current = this.#absent;
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
    if (this.#key === NO_KEY) throw noCurrentKey();
    if (this.#identity === NO_KEY) throw noCurrentKey();
    if (this.current === this.#absent) this.current = this.#newRecord(this.#key);
    if (isVacant(this.current)) this.records.set(this.#identity, this.current); // invariant 1
    this.current.slots[slot] = content;
  }

  #newRecord(key: unknown): KeyRecord {
    return { key, slots: this.#absent.slots.slice() };
  }
}

function noCurrentKey(): StreamConfigError {
  return new StreamConfigError(
    'Keyed state was written while no key is current, for example for a broadcast record. Use applyToKeyedState there.',
  );
}

function isVacant({ slots }: KeyRecord): boolean {
  for (let i = 0; i < slots.length; i++) if (slots[i] !== VACANT) return false;
  return true;
}
