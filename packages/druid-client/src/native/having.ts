import type { ExtensionSpec } from './extension-spec.js';
import type { Filter, SortingOrder } from './filters.js';

/** Which groups are kept, by the page "Having filters (groupBy)" of Druid's documentation. */
export type HavingSpec =
  | { readonly type: 'filter'; readonly filter: Filter }
  | {
      readonly type: 'equalTo' | 'greaterThan' | 'lessThan';
      readonly aggregation: string;
      readonly value: number | bigint;
    }
  | { readonly type: 'dimSelector'; readonly dimension: string; readonly value: string | null }
  | { readonly type: 'and' | 'or'; readonly havingSpecs: readonly HavingSpec[] }
  | { readonly type: 'not'; readonly havingSpec: HavingSpec }
  | { readonly type: 'always' | 'never' }
  | ExtensionSpec;

const compared =
  (type: 'equalTo' | 'greaterThan' | 'lessThan') =>
  (aggregation: string, value: number | bigint): HavingSpec => ({ type, aggregation, value });

/** Builders of {@link HavingSpec}. @example having.and(having.greaterThan('edits', 10), having.dimSelector('lang', 'en')) */
export const having = {
  equalTo: compared('equalTo'),
  greaterThan: compared('greaterThan'),
  lessThan: compared('lessThan'),
  dimSelector: (dimension: string, value: string | null): HavingSpec => ({
    type: 'dimSelector',
    dimension,
    value,
  }),
  /** Any filter over the names of the result. */
  filter: (filter: Filter): HavingSpec => ({ type: 'filter', filter }),
  and: (...havingSpecs: readonly HavingSpec[]): HavingSpec => ({ type: 'and', havingSpecs }),
  or: (...havingSpecs: readonly HavingSpec[]): HavingSpec => ({ type: 'or', havingSpecs }),
  not: (havingSpec: HavingSpec): HavingSpec => ({ type: 'not', havingSpec }),
} as const;

/** The order and the number of groups, by the page "Sorting and limiting (groupBy)" of Druid's documentation. */
export interface LimitSpec {
  readonly type: 'default';
  readonly limit?: number;
  readonly offset?: number;
  readonly columns?: readonly (string | OrderByColumn)[];
}

/** A dimension, an aggregation or a post-aggregation to sort by. */
export interface OrderByColumn {
  readonly dimension: string;
  readonly direction?: 'ascending' | 'descending';
  /** Default: `lexicographic`, also for numbers in dimensions. */
  readonly dimensionOrder?: SortingOrder;
}

/**
 * Builds a {@link LimitSpec}.
 *
 * @example limitSpec([{ dimension: 'edits', direction: 'descending' }], 10)
 */
export function limitSpec(
  columns: readonly (string | OrderByColumn)[],
  limit?: number,
  offset?: number,
): LimitSpec {
  return {
    type: 'default',
    columns,
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset }),
  };
}
