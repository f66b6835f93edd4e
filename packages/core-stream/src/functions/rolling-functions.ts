/** The functions behind `sum`, `min`, `max`, `minBy` and `maxBy`. None of them changes a record: it makes a new one. */
import { StreamRecordError } from '../errors.js';
import type { ReduceFunction } from './functions.js';

/** The names of the fields of `T` whose values are `V`s; of a union, those that are in all its types. */
type FieldOf<T, V, F extends keyof T = keyof T> = [T] extends [readonly unknown[]]
  ? never
  : F extends string
    ? T[F] extends V
      ? F
      : never
    : never;

/** A field that can be added up. */
export type NumericField<T> = FieldOf<T, number> | FieldOf<T, bigint>;

/** A field whose values have an order: numbers, bigints, strings by UTF-16 code units, dates. */
export type OrderedField<T> = FieldOf<T, number> | FieldOf<T, bigint> | FieldOf<T, string> | FieldOf<T, Date>;

type Fields = Readonly<Record<string, number>>;

/** The first record, with the sum of all in `field`. */
export function sumOf(field: string): ReduceFunction<unknown> {
  return (a, b) => ({ ...(a as Fields), [field]: addend(a, field) + addend(b, field) });
}

/** Records come from outside, whatever their type says: text would be joined, and a field that is missing would be NaN. */
function addend(record: unknown, field: string): number {
  const value: unknown = (record as Fields)[field];
  if (typeof value === 'number' || typeof value === 'bigint') return value as number;
  throw new StreamRecordError(
    `sum('${field}') needs a number or a bigint there, but a record has ${value === null ? 'null' : typeof value}. ` +
      'Filter such records out before, or give them a value.',
    { details: { path: field } },
  );
}

/** The first record, with the smallest (`min`) or greatest value of all in `field`. */
export function extremeOf(field: string, of: 'min' | 'max'): ReduceFunction<unknown> {
  const isBetter = comparison(field, of);
  return (a, b) => (isBetter(b, a) ? { ...(a as Fields), [field]: (b as Fields)[field]! } : a);
}

/** The record that has the smallest (`min`) or greatest value in `field`; the first of them where there are several. */
export function extremeBy(field: string, of: 'min' | 'max'): ReduceFunction<unknown> {
  const isBetter = comparison(field, of);
  return (a, b) => (isBetter(b, a) ? b : a);
}

function comparison(field: string, of: 'min' | 'max'): (a: unknown, b: unknown) => boolean {
  return of === 'min'
    ? (a, b) => (a as Fields)[field]! < (b as Fields)[field]!
    : (a, b) => (a as Fields)[field]! > (b as Fields)[field]!;
}
