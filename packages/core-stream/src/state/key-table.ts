/**
 * All keyed state of one subtask in one map: a record per key, with a slot per state.
 *
 * Role: finds a key's record once per input record, so that each access to state is an array access. Boundary: knows
 * neither what the slots hold nor what the states are called.
 *
 * Invariants
 * 1. A record is in the map if and only if one of its slots is occupied: keys with nothing left vanish.
 *
 * Reading, and changing what is there, allocates nothing.
 */
import { StreamConfigError } from '../errors.js';
import { keyIdentity } from './canonical-encoding.js';

/** What a slot without state holds; `undefined` can be a value. */
export const VACANT: unique symbol = Symbol('vacant');

const NO_KEY = Symbol('no key');

/** The key, then its slots, which count from 1: one array, because there is one for each of millions of keys. */
export type KeyRecord = [key: unknown, ...slots: unknown[]];

/** What the handles of state work on: the slots of the current key, or of a window of it. */
export interface StateSlots {
  /** The content of `slot`, or `VACANT`. */
  get(slot: number): unknown;
  set(slot: number, content: unknown): void;
  clear(slot: number): void;
}

export class KeyTable implements StateSlots {
  /** By key identity. */
  readonly records = new Map<unknown, KeyRecord>();
  /** Stands in for every key that has no state; never written to. Its slots are the pattern of those of a new key. */
  readonly #absent: KeyRecord = [undefined];
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

  /** Removes the current key's record; the key stays the current one. */
  dropCurrentKey(): void {
    this.records.delete(this.#identity);
    this.current = this.#absent;
  }

  /** Adds a slot to every record; returns its index. */
  addSlot(): number {
    const slot = this.#absent.push(VACANT) - 1;
    for (const record of this.records.values()) record.push(VACANT);
    if (this.current.length === slot) this.current.push(VACANT); // a record that is not in the map
    return slot;
  }

  get(slot: number): unknown {
    return this.current[slot];
  }

  set(slot: number, content: unknown): void {
    const record = this.current;
    if (record[slot] === VACANT) this.#occupy(slot, content);
    else record[slot] = content;
  }

  clear(slot: number): void {
    if (this.current[slot] !== VACANT) this.vacate(this.#identity, this.current, slot);
  }

  vacate(identity: unknown, record: KeyRecord, slot: number): void {
    record[slot] = VACANT;
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
    if (record[slot] !== VACANT) return false;
    record[slot] = content;
    return true;
  }

  #occupy(slot: number, content: unknown): void {
    if (this.#key === NO_KEY) throw noCurrentKey();
    if (this.current === this.#absent) this.current = this.#newRecord(this.#key);
    if (isVacant(this.current)) this.records.set(this.#identity, this.current); // invariant 1
    this.current[slot] = content;
  }

  #newRecord(key: unknown): KeyRecord {
    const record = this.#absent.slice() as KeyRecord;
    record[0] = key;
    return record;
  }
}

function noCurrentKey(): StreamConfigError {
  return new StreamConfigError(
    'Keyed state was written while no key is current, for example for a broadcast record. Use applyToKeyedState there.',
  );
}

function isVacant(record: KeyRecord): boolean {
  for (let slot = 1; slot < record.length; slot++) if (record[slot] !== VACANT) return false;
  return true;
}
