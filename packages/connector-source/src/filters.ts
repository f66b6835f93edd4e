/**
 * Row filters that Druid evaluates, so that rows which are not wanted never cross the network.
 * The shapes are Druid's native filters; the functions only spare the writing. Columns need not be among those read.
 */

/** A value to compare a column with. A bigint reaches Druid with every digit. */
export type FilterValue = string | number | bigint;

/** Druid's name for the type that a comparison is made in. */
export type MatchValueType = 'STRING' | 'LONG' | 'DOUBLE' | 'FLOAT';

/** The native filters of Druid (27 and later) that can be pushed down. */
export type DruidFilter =
  | {
      readonly type: 'equals';
      readonly column: string;
      readonly matchValueType: MatchValueType;
      readonly matchValue: string | number;
    }
  | { readonly type: 'null'; readonly column: string }
  | { readonly type: 'in'; readonly dimension: string; readonly values: readonly (string | null)[] }
  | {
      readonly type: 'range';
      readonly column: string;
      readonly matchValueType: MatchValueType;
      readonly lower?: string | number;
      readonly upper?: string | number;
      readonly lowerOpen?: boolean;
      readonly upperOpen?: boolean;
    }
  | { readonly type: 'like'; readonly dimension: string; readonly pattern: string; readonly escape?: string }
  | { readonly type: 'interval'; readonly dimension: string; readonly intervals: readonly string[] }
  | { readonly type: 'and'; readonly fields: readonly DruidFilter[] }
  | { readonly type: 'or'; readonly fields: readonly DruidFilter[] }
  | { readonly type: 'not'; readonly field: DruidFilter };

/**
 * Rows whose `column` equals `value`; of a multi-value column, rows with the value among theirs. Never matches null.
 *
 * @example equals('origin', 'SFO') // { type: 'equals', column: 'origin', matchValueType: 'STRING', matchValue: 'SFO' }
 */
export function equals(column: string, value: FilterValue): DruidFilter {
  return { type: 'equals', column, matchValueType: matchTypeOf(value), matchValue: toJsonValue(value) };
}

/** Rows whose `column` is null. */
export function isNull(column: string): DruidFilter {
  return { type: 'null', column };
}

/** Rows whose `column` is one of `values`. */
export function isIn(column: string, values: readonly (FilterValue | null)[]): DruidFilter {
  return {
    type: 'in',
    dimension: column,
    values: values.map((value) => (value === null ? null : String(value))),
  };
}

/** Bounds of {@link range}; at least one. */
export interface RangeBounds {
  readonly gt?: FilterValue;
  readonly gte?: FilterValue;
  readonly lt?: FilterValue;
  readonly lte?: FilterValue;
}

/** Rows whose `column` lies between the bounds, compared as strings if a bound is a string, else as numbers. */
export function range(column: string, bounds: RangeBounds): DruidFilter {
  const lower = bounds.gt ?? bounds.gte;
  const upper = bounds.lt ?? bounds.lte;
  return {
    type: 'range',
    column,
    matchValueType: widest([lower, upper].filter((value) => value !== undefined).map(matchTypeOf)),
    ...(lower !== undefined && { lower: toJsonValue(lower), lowerOpen: bounds.gt !== undefined }),
    ...(upper !== undefined && { upper: toJsonValue(upper), upperOpen: bounds.lt !== undefined }),
  };
}

/** Rows whose `column` matches an SQL `LIKE` pattern. */
export function like(column: string, pattern: string): DruidFilter {
  return { type: 'like', dimension: column, pattern };
}

/** Rows that every one of `fields` accepts. */
export function and(...fields: readonly DruidFilter[]): DruidFilter {
  return { type: 'and', fields };
}

/** Rows that at least one of `fields` accepts. */
export function or(...fields: readonly DruidFilter[]): DruidFilter {
  return { type: 'or', fields };
}

/** Rows that `field` does not accept. As in SQL, a comparison with null is neither accepted nor, negated, rejected. */
export function not(field: DruidFilter): DruidFilter {
  return { type: 'not', field };
}

function matchTypeOf(value: FilterValue): MatchValueType {
  if (typeof value === 'string') return 'STRING';
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? 'LONG' : 'DOUBLE';
}

function widest(types: readonly MatchValueType[]): MatchValueType {
  if (types.includes('STRING')) return 'STRING';
  return types.includes('DOUBLE') ? 'DOUBLE' : 'LONG';
}

/** JSON has no bigint; Druid reads digits in a string as LONG, exactly (seen on 33). */
function toJsonValue(value: FilterValue): string | number {
  return typeof value === 'bigint' ? value.toString() : value;
}
