/**
 * Rolls records up in memory: one partial row for each time and set of dimensions, until it is taken out.
 *
 * Invariants:
 * 1. Partial rows, rolled up by Druid, are what Druid makes of the records themselves. Rows that Druid would keep apart are
 *    never merged; rows that it would merge may be kept apart.
 * 2. A record that is rejected leaves nothing behind.
 */
import type { DruidSchema } from '../schema/druid-schema.js';
import { timestampEncoder, type EncodeTimestamp } from '../schema/encode-timestamp.js';
import type { EncodedRow } from '../schema/encoded-row.js';
import { fieldTypes, RowEncoder } from '../schema/row-encoder.js';
import { chunkOf } from '../schema/time-chunks.js';
import { foldOf, isFoldable, type Fold, type FoldedValue } from './fold.js';

/** A row that stands for several records. */
export class PartialRow {
  /** The row's text as far as it is the key of the group: time and dimensions. */
  readonly key: string;
  readonly time: number;
  /** By fold; `null` where no record had a value. */
  readonly values: (FoldedValue | null)[];
  /** The schema's name among those of a sink. */
  readonly route: string;

  constructor(route: string, key: string, time: number, values: (FoldedValue | null)[]) {
    this.route = route;
    this.key = key;
    this.time = time;
    this.values = values;
  }
}

export class PartialRows<T> {
  readonly #route: string;
  readonly #encoder: RowEncoder<T>;
  readonly #folds: readonly Fold[];
  readonly #row: EncodedRow = { text: '', time: 0 };
  readonly #groups = new Map<string, PartialRow>();
  /** Rows of groups that were begun anew. */
  #ended: PartialRow[] = [];
  /** The values of the record at hand, by fold. */
  readonly #values: (FoldedValue | null)[];
  #characters = 0;

  constructor(schema: DruidSchema<T>, route = '') {
    this.#route = route;
    this.#folds = foldsOf(schema);
    this.#values = this.#folds.map(() => null);
    // Sketches are built by Druid: what they read is part of the key, and a value that comes twice changes none of them.
    const metrics = schema.metrics.filter(({ spec }) => !isFoldable(spec));
    this.#encoder = new RowEncoder({ ...schema, metrics }, { encodeTime: truncatedTime(schema) });
  }

  /** How many rows there are. */
  get size(): number {
    return this.#groups.size + this.#ended.length;
  }

  /** Characters of their keys. */
  get characters(): number {
    return this.#characters;
  }

  /** Folds a record in; `false` where it is no row. */
  add(record: T): boolean {
    if (this.#encoder.encode(record, this.#row) !== undefined || !this.#read(record)) return false; // invariant 2
    const { text, time } = this.#row;
    const group = this.#groups.get(text);
    if (group === undefined) this.#begin(text, time);
    else this.#fold(group);
    return true;
  }

  /** Gives all rows to `receive` and forgets them. */
  takeAll(receive: (row: PartialRow) => void): void {
    const rows = [...this.#ended, ...this.#groups.values()];
    this.#ended = [];
    this.#groups.clear();
    this.#characters = 0;
    for (const row of rows) receive(row);
  }

  #begin(key: string, time: number): void {
    this.#groups.set(key, new PartialRow(this.#route, key, time, [...this.#values]));
    this.#characters += key.length;
  }

  #fold(group: PartialRow): void {
    const { values } = group;
    for (let index = 0; index < values.length; index++) {
      const value = this.#values[index] ?? null;
      if (value === null) continue;
      const current = values[index] ?? null;
      const next = current === null ? value : this.#folds[index]!.step(current, value);
      if (next === undefined) {
        this.#beginAnew(group, index);
        return;
      }
      values[index] = next;
    }
  }

  /** The sum at `index` has left the range of doubles: Druid shall do the rest. What was folded before it stays folded. */
  #beginAnew(group: PartialRow, index: number): void {
    this.#ended.push(group);
    const values = this.#values.map((value, at) => (at < index ? null : value));
    this.#groups.set(group.key, new PartialRow(group.route, group.key, group.time, values));
    this.#characters += group.key.length;
  }

  #read(record: T): boolean {
    for (let index = 0; index < this.#folds.length; index++) {
      const { field, read } = this.#folds[index]!;
      const value = field === undefined ? 1 : ((record as Readonly<Record<string, unknown>>)[field] ?? null);
      const folded = value === null ? null : read(value);
      if (folded === undefined) return false;
      this.#values[index] = folded;
    }
    return true;
  }
}

/** The folds of the schema's metrics; sketches have none. */
export function foldsOf<T>(schema: DruidSchema<T>): Fold[] {
  const types = fieldTypes(schema);
  return schema.metrics.flatMap(
    ({ name, spec }) => foldOf(name, spec, spec.type === 'count' ? undefined : types.get(spec.field)) ?? [],
  );
}

/** Time as Druid truncates it while it ingests. */
export function truncatedTime<T>(schema: DruidSchema<T>): EncodeTimestamp {
  const { queryGranularity } = schema;
  const encode = timestampEncoder(schema.timestampFormat);
  if (queryGranularity === 'none') return encode;
  let bucket = { start: Infinity, end: -Infinity };
  return (value) => {
    const time = encode(value);
    if (typeof time !== 'number') return time;
    if (time < bucket.start || time >= bucket.end) bucket = chunkOf(queryGranularity, time);
    // Without bounds there is one bucket, wherever its time is.
    return bucket.start === -Infinity ? 0 : bucket.start;
  };
}
