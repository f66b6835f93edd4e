import { encodeKey, encodeStateView, keyIdentity } from '../state/canonical-encoding.js';
import type { SortedCursor } from './sorted-cursor.js';

/** Records in memory, column by column: nothing is allocated per record, and one `Map` entry per key. */
export class RecordBuffer {
  readonly #groupOfKey = new Map<unknown, number>();
  /** By group: the first key of it that came. */
  readonly #keys: unknown[] = [];
  // By record, in the order of arrival.
  readonly #groups: number[] = [];
  readonly #timestamps: number[] = [];
  readonly #inputs: (0 | 1)[] = [];
  readonly #values: unknown[] = [];

  get size(): number {
    return this.#values.length;
  }

  add(key: unknown, timestamp: number, input: 0 | 1, value: unknown): void {
    const identity = keyIdentity(key);
    let group = this.#groupOfKey.get(identity);
    if (group === undefined) {
      group = this.#keys.push(key) - 1;
      this.#groupOfKey.set(identity, group);
    }
    this.#groups.push(group);
    this.#timestamps.push(timestamp);
    this.#inputs.push(input);
    this.#values.push(value);
  }

  /** The records by key, within a key by time (with `isByTime`) or by arrival. Only the distinct keys are compared. */
  sorted(isByTime: boolean): SortedCursor {
    const sortKeys = this.#keys.map((key) => encodeKey(key).toString('latin1'));
    const ranked = Array.from(sortKeys.keys()).sort((a, b) => (sortKeys[a]! < sortKeys[b]! ? -1 : 1));
    const sizes = new Int32Array(sortKeys.length);
    for (const group of this.#groups) sizes[group]!++;
    /** By group: where its next record goes. */
    const next = new Int32Array(sortKeys.length);
    let start = 0;
    for (const group of ranked) {
      next[group] = start;
      start += sizes[group]!;
    }
    const order = new Int32Array(this.size);
    for (let record = 0; record < order.length; record++) order[next[this.#groups[record]!]!++] = record;
    if (isByTime) {
      for (const group of ranked) this.#sortByTime(order.subarray(next[group]! - sizes[group]!, next[group]));
    }
    return new BufferCursor(
      {
        sortKeys,
        groups: this.#groups,
        timestamps: this.#timestamps,
        inputs: this.#inputs,
        values: this.#values,
      },
      order,
    );
  }

  #sortByTime(records: Int32Array): void {
    const timestamps = this.#timestamps;
    const inputs = this.#inputs;
    // Two records without a timestamp differ by NaN, which is falsy too.
    const compare = (a: number, b: number): number =>
      timestamps[a]! - timestamps[b]! || inputs[a]! - inputs[b]! || a - b;
    for (let i = 1; i < records.length; i++) {
      if (compare(records[i - 1]!, records[i]!) > 0) {
        records.sort(compare);
        return;
      }
    }
  }
}

interface Columns {
  /** By group. */
  readonly sortKeys: readonly string[];
  readonly groups: readonly number[];
  readonly timestamps: readonly number[];
  readonly inputs: readonly (0 | 1)[];
  readonly values: readonly unknown[];
}

class BufferCursor implements SortedCursor {
  readonly #columns: Columns;
  readonly #order: Int32Array;
  #position = -1;
  #record = 0;

  constructor(columns: Columns, order: Int32Array) {
    this.#columns = columns;
    this.#order = order;
  }

  get sortKey(): string {
    return this.#columns.sortKeys[this.#columns.groups[this.#record]!]!;
  }

  get timestamp(): number {
    return this.#columns.timestamps[this.#record]!;
  }

  get input(): 0 | 1 {
    return this.#columns.inputs[this.#record]!;
  }

  get value(): unknown {
    return this.#columns.values[this.#record];
  }

  encodedValue(): Uint8Array {
    return encodeStateView(this.value);
  }

  advance(): boolean {
    if (++this.#position >= this.#order.length) return false;
    this.#record = this.#order[this.#position]!;
    return true;
  }
}
