/**
 * All keyed state of one subtask in one set of rows: a record per key, with a slot per state.
 *
 * Role: finds a key's record once per input record, so that each access to state is an access to a field. Boundary: knows
 * neither what the slots hold nor what the states are called, nor where the records are.
 *
 * Invariants
 * 1. A record is among the rows if and only if one of its slots is occupied: keys with nothing left vanish.
 * 2. Every change of a slot is reported to the rows.
 * 3. A large map that leaves its slot leaves no entries behind.
 *
 * Reading, and changing what is there, allocates nothing.
 */
import { StreamConfigError } from '../errors.js';
import { keyIdentity } from './canonical-encoding.js';
import type { KeyedRows } from './keyed-rows.js';
import { LargeMap, type MapEntries } from './map-entries.js';
import { Row } from './rows.js';
import { VACANT } from './vacant.js';

const NO_KEY = Symbol('no key');

/** What the handles of state work on: the slots of the current key, or of a window of it. */
export interface StateSlots {
  /** The content of `slot`, or `VACANT`. */
  get(slot: number): unknown;
  set(slot: number, content: unknown): void;
  clear(slot: number): void;
  /** Some content has been changed in place, or handed to somebody who may do so. */
  changed(): void;
}

/** A key with its slots, which count from 0. There is one for each of millions of keys: most have one slot, so it is a field. */
export class KeyRecord extends Row {
  readonly key: unknown;
  #first: unknown = VACANT;
  #others: unknown[] | undefined = undefined;

  constructor(key: unknown) {
    super();
    this.key = key;
  }

  get(slot: number): unknown {
    if (slot === 0) return this.#first;
    const others = this.#others;
    return others !== undefined && slot <= others.length ? others[slot - 1] : VACANT;
  }

  set(slot: number, content: unknown): void {
    if (slot === 0) this.#first = content;
    else {
      let others = this.#others;
      if (others === undefined || slot > others.length) {
        const grown = new Array<unknown>(slot).fill(VACANT); // exactly: an array that is pushed to has room for 17
        others?.forEach((other, index) => (grown[index] = other));
        this.#others = others = grown;
      }
      others[slot - 1] = content;
    }
  }

  get isVacant(): boolean {
    if (this.#first !== VACANT) return false;
    const others = this.#others;
    if (others !== undefined) for (const content of others) if (content !== VACANT) return false;
    return true;
  }

  /** What is in its slots. */
  *contents(): Iterable<unknown> {
    if (this.#first !== VACANT) yield this.#first;
    for (const content of this.#others ?? []) if (content !== VACANT) yield content;
  }

  vacateAll(): void {
    this.#first = VACANT;
    this.#others = undefined;
  }
}

export class KeyTable implements StateSlots {
  readonly records: KeyedRows<KeyRecord>;
  readonly #entries: MapEntries;
  /** Stands in for every key that has no state; never written to. */
  readonly #absent = new KeyRecord(undefined);
  #key: unknown = NO_KEY;
  #identity: unknown = NO_KEY;
  /** The current key's record. After its last slot was vacated it is no row any more, until one is occupied again. */
  #current: KeyRecord = this.#absent;

  constructor(records: KeyedRows<KeyRecord>, entries: MapEntries) {
    this.records = records;
    this.#entries = entries;
  }

  get currentKey(): unknown {
    return this.#key === NO_KEY ? undefined : this.#key;
  }

  get currentIdentity(): unknown {
    return this.#identity;
  }

  /** Call it before each call of a user's function, also where the key is the same. */
  setCurrentKey(key: unknown): void {
    this.#entries.release();
    // An object may have been changed by its owner since: only a primitive is known to be the same key.
    if (key === this.#key && typeof key !== 'object') return;
    const identity = keyIdentity(key);
    this.#key = key;
    this.#identity = identity;
    this.#current = this.records.get(identity, key) ?? this.#absent;
  }

  /** Until the next `setCurrentKey` handles read nothing, and refuse to write. */
  clearCurrentKey(): void {
    this.#entries.release();
    this.#key = NO_KEY;
    this.#identity = NO_KEY;
    this.#current = this.#absent;
  }

  /** Removes the current key's record; the key stays the current one. */
  dropCurrentKey(): void {
    const record = this.#current;
    this.#current = this.#absent;
    if (record.isVacant) return;
    for (const content of record.contents()) clearLarge(content); // invariant 3
    record.vacateAll();
    this.records.remove(this.#identity, record);
  }

  get(slot: number): unknown {
    return this.#current.get(slot);
  }

  set(slot: number, content: unknown): void {
    const record = this.#current;
    if (record.get(slot) === VACANT) this.#occupy(slot, content);
    else {
      record.set(slot, content);
      this.records.changed(record); // invariant 2
    }
  }

  clear(slot: number): void {
    const record = this.#current;
    if (record.get(slot) !== VACANT) this.#vacate(this.#identity, record, slot);
  }

  changed(): void {
    this.records.changed(this.#current);
  }

  /** As `clear`, of any key. */
  vacate(record: KeyRecord, slot: number): void {
    this.#vacate(keyIdentity(record.key), record, slot);
  }

  /** As `MapState.remove`, of any key. Its record may not be in memory. */
  removeEntry(key: unknown, slot: number, mapKey: unknown): void {
    const identity = keyIdentity(key);
    const record = this.records.peek(identity, key);
    const map = record?.get(slot);
    if (record === undefined || !(map instanceof LargeMap)) return;
    const entry = map.find(mapKey);
    if (entry === undefined) return;
    map.remove(entry);
    if (map.size === 0) this.#vacate(identity, record, slot);
    else this.records.changed(record); // invariant 2
  }

  #vacate(identity: unknown, record: KeyRecord, slot: number): void {
    clearLarge(record.get(slot)); // invariant 3
    record.set(slot, VACANT);
    if (record.isVacant)
      this.records.remove(identity, record); // invariant 1
    else this.records.changed(record); // invariant 2
  }

  #occupy(slot: number, content: unknown): void {
    if (this.#key === NO_KEY) throw noCurrentKey();
    if (this.#current === this.#absent) this.#current = new KeyRecord(this.#key);
    const record = this.#current;
    const isNew = record.isVacant;
    record.set(slot, content);
    if (isNew)
      this.records.add(this.#identity, record); // invariant 1
    else this.records.changed(record); // invariant 2
  }
}

function clearLarge(content: unknown): void {
  if (content instanceof LargeMap) content.clear();
}

function noCurrentKey(): StreamConfigError {
  return new StreamConfigError(
    'Keyed state was written while no key is current, for example for a broadcast record. Use applyToKeyedState there.',
  );
}
