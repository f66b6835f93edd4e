import { DruidConfigError } from '../errors.js';
import type { Dimension } from './dimensions.js';
import type { ExtensionSpec } from './extension-spec.js';
import type { ExtractionFn, SearchQuerySpec } from './extraction.js';

/** A value to compare a column with. A bigint reaches Druid with every digit. */
export type FilterValue = string | number | bigint;

/** The type that a comparison is made in. */
export type MatchValueType = 'STRING' | 'LONG' | 'DOUBLE' | 'FLOAT' | (string & Record<never, never>);

interface Extracted {
  readonly extractionFn?: ExtractionFn;
}

/** Which rows a query reads, by the page "Query filters" of Druid's documentation. */
export type Filter =
  | ({
      readonly type: 'selector';
      readonly dimension: string;
      readonly value: string | number | null;
    } & Extracted)
  | {
      readonly type: 'equals';
      readonly column: string;
      readonly matchValueType: MatchValueType;
      readonly matchValue: FilterValue | readonly (FilterValue | null)[];
    }
  | { readonly type: 'null'; readonly column: string }
  | ({
      readonly type: 'in';
      readonly dimension: string;
      readonly values: readonly (string | null)[];
    } & Extracted)
  | {
      readonly type: 'inType';
      readonly column: string;
      readonly matchValueType: MatchValueType;
      /** In ascending order, null first. */
      readonly sortedValues: readonly (FilterValue | null)[];
    }
  | {
      readonly type: 'arrayContainsElement';
      readonly column: string;
      readonly elementMatchValueType: MatchValueType;
      readonly elementMatchValue: FilterValue | null;
    }
  | {
      readonly type: 'range';
      readonly column: string;
      readonly matchValueType: MatchValueType;
      readonly lower?: FilterValue;
      readonly upper?: FilterValue;
      readonly lowerOpen?: boolean;
      readonly upperOpen?: boolean;
    }
  | ({
      readonly type: 'bound';
      readonly dimension: string;
      readonly lower?: string;
      readonly upper?: string;
      readonly lowerStrict?: boolean;
      readonly upperStrict?: boolean;
      readonly ordering?: SortingOrder;
    } & Extracted)
  | ({
      readonly type: 'like';
      readonly dimension: string;
      readonly pattern: string;
      readonly escape?: string;
    } & Extracted)
  | ({ readonly type: 'regex'; readonly dimension: string; readonly pattern: string } & Extracted)
  | ({ readonly type: 'search'; readonly dimension: string; readonly query: SearchQuerySpec } & Extracted)
  | ({
      readonly type: 'interval';
      readonly dimension: string;
      readonly intervals: readonly string[];
    } & Extracted)
  | { readonly type: 'columnComparison'; readonly dimensions: readonly Dimension[] }
  | { readonly type: 'expression'; readonly expression: string }
  | ({ readonly type: 'javascript'; readonly dimension: string; readonly function: string } & Extracted)
  | { readonly type: 'spatial'; readonly dimension: string; readonly bound: SpatialBound }
  | { readonly type: 'true' | 'false' }
  | { readonly type: 'and' | 'or'; readonly fields: readonly Filter[] }
  | { readonly type: 'not'; readonly field: Filter }
  | ExtensionSpec;

/** By the page "Sorting orders" of Druid's documentation. */
export type SortingOrder = 'lexicographic' | 'alphanumeric' | 'numeric' | 'strlen' | 'version';

/** By the page "Spatial filters" of Druid's documentation. */
export type SpatialBound =
  | {
      readonly type: 'rectangular';
      readonly minCoords: readonly number[];
      readonly maxCoords: readonly number[];
    }
  | { readonly type: 'radius'; readonly coords: readonly number[]; readonly radius: number }
  | { readonly type: 'polygon'; readonly abscissa: readonly number[]; readonly ordinate: readonly number[] };

/** Bounds of `filter.range`. */
export interface RangeBounds {
  readonly gt?: FilterValue;
  readonly gte?: FilterValue;
  readonly lt?: FilterValue;
  readonly lte?: FilterValue;
}

/**
 * Builders of {@link Filter}; the less common kinds are written as Druid's JSON. All of them run on Druid 27 and later.
 *
 * @example filter.and(filter.equals('page', 'Main_Page'), filter.range('added', { gt: 100n }))
 */
export const filter = {
  /** Rows whose `column` equals `value`; of a multi-value column, rows with the value among theirs. Never matches null. */
  equals: (column: string, value: FilterValue): Filter => ({
    type: 'equals',
    column,
    matchValueType: typeOf(value),
    matchValue: value,
  }),
  isNull: (column: string): Filter => ({ type: 'null', column }),
  /** Rows whose `column` is one of `values`; of none, no rows. */
  in: (column: string, values: readonly (FilterValue | null)[]): Filter => ({
    type: 'in',
    dimension: column,
    values: values.map((value) => (value === null ? null : String(value))),
  }),
  /**
   * Rows between the bounds, compared as text if one of them is text, else as numbers.
   *
   * @throws DruidConfigError for no bound, and for two on one side
   */
  range: (column: string, bounds: RangeBounds): Filter => {
    requireBounds(column, bounds);
    const lower = bounds.gt ?? bounds.gte;
    const upper = bounds.lt ?? bounds.lte;
    return {
      type: 'range',
      column,
      matchValueType: widest([lower, upper].filter((value) => value !== undefined).map(typeOf)),
      ...(lower !== undefined && { lower, lowerOpen: bounds.gt !== undefined }),
      ...(upper !== undefined && { upper, upperOpen: bounds.lt !== undefined }),
    };
  },
  /** Rows whose `column` matches an SQL `LIKE` pattern. */
  like: (column: string, pattern: string, escape?: string): Filter => ({
    type: 'like',
    dimension: column,
    pattern,
    ...(escape !== undefined && { escape }),
  }),
  /** Rows in which a regular expression of Java matches somewhere. */
  regex: (column: string, pattern: string): Filter => ({ type: 'regex', dimension: column, pattern }),
  /** Rows with `value` somewhere inside `column`, whatever the case of its letters. */
  contains: (column: string, value: string): Filter => ({
    type: 'search',
    dimension: column,
    query: { type: 'insensitive_contains', value },
  }),
  /** Rows whose time lies in one of `intervals`. */
  interval: (intervals: readonly string[], column = '__time'): Filter => ({
    type: 'interval',
    dimension: column,
    intervals,
  }),
  /** Rows for which an expression of Druid's is true. */
  expression: (expression: string): Filter => ({ type: 'expression', expression }),
  and: (...fields: readonly Filter[]): Filter => ({ type: 'and', fields }),
  or: (...fields: readonly Filter[]): Filter => ({ type: 'or', fields }),
  /** Rows that `field` does not accept. As in SQL, a comparison with null is neither accepted nor, negated, rejected. */
  not: (field: Filter): Filter => ({ type: 'not', field }),
} as const;

function typeOf(value: FilterValue): MatchValueType {
  if (typeof value === 'string') return 'STRING';
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? 'LONG' : 'DOUBLE';
}

function widest(types: readonly MatchValueType[]): MatchValueType {
  if (types.includes('STRING')) return 'STRING';
  return types.includes('DOUBLE') ? 'DOUBLE' : 'LONG';
}

function requireBounds(column: string, { gt, gte, lt, lte }: RangeBounds): void {
  const problem =
    gt !== undefined && gte !== undefined
      ? "has 'gt' and 'gte' together: keep one of them"
      : lt !== undefined && lte !== undefined
        ? "has 'lt' and 'lte' together: keep one of them"
        : (gt ?? gte ?? lt ?? lte) === undefined
          ? "needs at least one of 'gt', 'gte', 'lt' and 'lte'"
          : undefined;
  if (problem === undefined) return;
  throw new DruidConfigError({
    message: `The range filter on '${column}' ${problem}.`,
    details: { option: 'filter' },
  });
}
