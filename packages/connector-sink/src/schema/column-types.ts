/**
 * Column types and their compile-time checks. A check maps what is right to itself, and what is wrong to a text that the
 * compiler then prints: Type '"long"' is not assignable to type '"'origin' holds string: use 'string'"'.
 */

/**
 * Types of dimensions. `string[]` is a multi-value column; its order and duplicates are kept. `array<…>` are Druid's array
 * columns, whose elements may be null. `json` holds objects, and arrays of objects, as they are.
 */
export type DimensionType =
  | 'string'
  | 'string[]'
  | 'long'
  | 'double'
  | 'float'
  | 'array<string>'
  | 'array<long>'
  | 'array<double>'
  | 'json';

/** What epoch timestamps count, or `iso` for ISO 8601 texts. */
export type TimestampUnit = 'seconds' | 'millis' | 'micros' | 'nanos' | 'iso';

/** A timestamp field whose unit is said. */
export interface TimestampInput<K = string, U = TimestampUnit> {
  readonly field: K;
  readonly unit: U;
  /** Whether digits below a millisecond, which Druid cannot hold, are dropped (towards the past) instead of refused. Default false. */
  readonly truncate?: boolean;
}

export type ColumnTypes = Readonly<Record<string, DimensionType>>;

type SimpleAggregate = `${'long' | 'double' | 'float'}${'Sum' | 'Min' | 'Max'}`;

/** Sketches need Druid's extension `druid-datasketches`. */
type SketchAggregate = 'thetaSketch' | 'HLLSketchBuild' | 'quantilesDoublesSketch';

/** An aggregate that Druid computes at ingestion. `field` is a field of the record; `count` counts rows. */
export type MetricSpec =
  | { readonly type: 'count' }
  | { readonly type: SimpleAggregate; readonly field: string }
  | { readonly type: SketchAggregate; readonly field: string };

/**
 * `V` where its check finds nothing, else the check's texts. A conditional type rather than an intersection, which would
 * collapse to `never` and take the texts with it.
 */
export type Checked<V, Check> = V extends Check ? V : Check;

type IsAny<V> = 0 extends 1 & V ? true : false;
type Present<V> = Exclude<V, null | undefined>;

/** `V` where JSON holds all of it; `unknown` parts are left to be checked when they are written. */
type JsonOf<V> = unknown extends V
  ? V
  : V extends string | number | bigint | boolean | null | undefined
    ? V
    : V extends (...args: never[]) => unknown
      ? never
      : V extends object
        ? { readonly [K in keyof V]: JsonOf<V[K]> }
        : never;

/** Types for arrays of `E`. */
type ArrayTypeOf<E> = [E] extends [string]
  ? 'string[]' | 'array<string>'
  : [E] extends [string | null]
    ? 'array<string>'
    : [E] extends [number | null]
      ? 'array<long>' | 'array<double>'
      : [E] extends [number | bigint | null]
        ? 'array<long>'
        : [E] extends [object]
          ? JsonTypeOf<E>
          : never;

type JsonTypeOf<V> = V extends JsonOf<V> ? 'json' : never;

/** Which dimension types hold values of type `V`. */
export type DimensionTypeOf<V> =
  IsAny<V> extends true
    ? DimensionType
    : [Present<V>] extends [never]
      ? DimensionType
      : Present<V> extends string
        ? 'string'
        : Present<V> extends readonly (infer E)[]
          ? ArrayTypeOf<E>
          : Present<V> extends number
            ? 'long' | 'double' | 'float'
            : Present<V> extends number | bigint
              ? 'long'
              : [Present<V>] extends [object]
                ? JsonTypeOf<Present<V>>
                : never;

type TypeName<V> = V extends string
  ? 'string'
  : V extends number
    ? 'number'
    : V extends bigint
      ? 'bigint'
      : [V] extends [boolean]
        ? 'boolean'
        : V extends Date
          ? 'Date'
          : V extends readonly string[]
            ? 'string[]'
            : V extends readonly unknown[]
              ? 'an array'
              : V extends object
                ? 'an object'
                : 'another type';

type NotAField<K extends string> = `'${K}' is not a field of the record`;

type Misfit<K extends string, V> = [DimensionTypeOf<V>] extends [never]
  ? `'${K}' holds ${TypeName<Present<V>>}, which no column can hold: map it to string, string[], number or bigint`
  : `'${K}' holds ${TypeName<Present<V>>}: use '${DimensionTypeOf<V>}'`;

export type CheckDimensions<T, D> = {
  readonly [K in keyof D]: K extends keyof T & string
    ? D[K] extends DimensionTypeOf<T[K]>
      ? D[K]
      : Misfit<K, T[K]>
    : K extends string
      ? NotAField<K>
      : never;
};

/** Checks a timestamp field whose unit is said. */
export type CheckUnit<T, F, U> = F extends keyof T & string
  ? T[F] extends (U extends 'iso' ? string : number | bigint)
    ? F
    : null extends T[F]
      ? `'${F}' may be null: a timestamp is never missing`
      : undefined extends T[F]
        ? `'${F}' may be undefined: a timestamp is never missing`
        : `'${F}' holds ${TypeName<T[F]>}: unit '${U & string}' needs ${U extends 'iso' ? 'string' : 'number or bigint'}`
  : F extends string
    ? NotAField<F>
    : never;

export type CheckTimestamp<T, K> = K extends keyof T & string
  ? T[K] extends number | string | Date
    ? K
    : null extends T[K]
      ? `'${K}' may be null: a timestamp is never missing`
      : undefined extends T[K]
        ? `'${K}' may be undefined: a timestamp is never missing`
        : `'${K}' holds ${TypeName<T[K]>}: a timestamp is a number (epoch ms), a Date or an ISO string`
  : K extends string
    ? NotAField<K>
    : never;

type NumericField<T, F> = F extends keyof T & string
  ? DimensionTypeOf<T[F]> extends 'long' | 'double' | 'float'
    ? F
    : `'${F}' holds ${TypeName<Present<T[F]>>}: this metric needs a number`
  : F extends string
    ? NotAField<F>
    : never;

type SketchField<T, F> = F extends keyof T & string
  ? [Extract<DimensionTypeOf<T[F]>, 'string' | 'string[]' | 'long'>] extends [never]
    ? `'${F}' holds ${TypeName<Present<T[F]>>}: a sketch reads string, string[], number or bigint`
    : F
  : F extends string
    ? NotAField<F>
    : never;

export type CheckMetrics<T, M> = {
  readonly [N in keyof M]: M[N] extends { readonly type: 'count' }
    ? { readonly type: 'count' }
    : M[N] extends { readonly type: infer A; readonly field: infer F }
      ? {
          readonly type: A;
          readonly field: A extends SimpleAggregate | 'quantilesDoublesSketch'
            ? NumericField<T, F>
            : SketchField<T, F>;
        }
      : MetricSpec;
};
