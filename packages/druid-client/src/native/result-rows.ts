import type { Int64Mode } from '../columns.js';
import type { ValueOf, TimestampMode } from '../sql-columns.js';
import type { AggregationName, AggregationOutput } from './aggregations.js';
import type { Dimension } from './dimensions.js';
import type { DimensionName, DimensionOutput } from './dimension-outputs.js';
import type { OutputValue } from './output-types.js';
import type { PostAggregationOutput } from './post-aggregations.js';
import type { Aggregations, Dimensions, PostAggregations, TimeBound } from './queries.js';

/** A time, as `timestamps` asks for it. */
export type ResultTime<T extends TimestampMode> = ValueOf<'safe-number', T>['timestamp'];

/** Of a query's parts, what determines its rows. */
export interface RowParts {
  readonly dimensions: Dimensions;
  readonly aggregations: Aggregations;
  readonly postAggregations: PostAggregations;
  readonly context: object;
}

type IsFinalized<C> = C extends { readonly finalize: false } ? false : true;

type Flat<T> = { [K in keyof T]: T[K] };

/**
 * The members of a result: its dimensions, aggregations and post-aggregations by their names.
 *
 * @example { page: string | null; rows: number; added: number | null }
 */
export type ResultMembers<Q extends RowParts, I extends Int64Mode> = Flat<
  {
    [D in Q['dimensions'][number] as DimensionName<D>]: OutputValue<DimensionOutput<D>, I>;
  } & {
    [A in Q['aggregations'][number] as AggregationName<A>]: OutputValue<
      AggregationOutput<A, IsFinalized<Q['context']>>,
      I
    >;
  } & {
    [P in Q['postAggregations'][number] as P['name']]: OutputValue<
      PostAggregationOutput<P, Q['aggregations']>,
      I
    >;
  }
>;

/** A bucket of a timeseries. The timestamp is the bucket's start; null in the row of `grandTotal`. */
export interface TimeseriesRow<R, T> {
  readonly timestamp: T;
  readonly result: R;
}

/** The {@link TimeseriesRow} of a query with these parts. */
export type TimeseriesRowOf<
  A extends Aggregations,
  P extends PostAggregations,
  C extends object,
  I extends Int64Mode,
  T extends TimestampMode,
> = TimeseriesRow<
  ResultMembers<{ dimensions: readonly []; aggregations: A; postAggregations: P; context: C }, I>,
  C extends { readonly grandTotal: true } ? ResultTime<T> | null : ResultTime<T>
>;

/** A bucket of a topN, with its groups in order. */
export interface TopNRow<R, T> {
  readonly timestamp: T;
  readonly result: readonly R[];
}

/** The {@link TopNRow} of a query with these parts. */
export type TopNRowOf<
  D extends Dimension,
  A extends Aggregations,
  P extends PostAggregations,
  C extends object,
  I extends Int64Mode,
  T extends TimestampMode,
> = TopNRow<
  ResultMembers<{ dimensions: readonly [D]; aggregations: A; postAggregations: P; context: C }, I>,
  ResultTime<T>
>;

/** A group of a groupBy. */
export interface GroupByRow<R, T> {
  readonly version: string;
  readonly timestamp: T;
  readonly event: R;
}

/** The {@link GroupByRow} of a query with these parts. */
export type GroupByRowOf<
  D extends Dimensions,
  A extends Aggregations,
  P extends PostAggregations,
  C extends object,
  I extends Int64Mode,
  T extends TimestampMode,
> = GroupByRow<
  ResultMembers<{ dimensions: D; aggregations: A; postAggregations: P; context: C }, I>,
  ResultTime<T>
>;

/** A bucket of a search, with the values that were found. */
export interface SearchRow<T> {
  readonly timestamp: T;
  readonly result: readonly SearchHit[];
}

/** A value in which the text occurs, and in how many rows it is. */
export interface SearchHit {
  readonly dimension: string;
  readonly value: string | null;
  readonly count: number | null;
}

/** The times of the first and the last row, or the one that was asked for. */
export type TimeBoundary<B extends TimeBound | undefined, T> = Readonly<
  Record<[B] extends [TimeBound] ? B : TimeBound, T>
>;
