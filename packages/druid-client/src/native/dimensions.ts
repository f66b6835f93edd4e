import type { ExtensionSpec } from './extension-spec.js';
import type { ExtractionFn, InlineLookup } from './extraction.js';

/** The types that a dimension's values may be turned into. */
export type DimensionType = 'STRING' | 'LONG' | 'FLOAT' | 'DOUBLE' | `ARRAY<${'STRING' | 'LONG' | 'DOUBLE'}>`;

/** A dimension: a column by its name, as text, or a column that is renamed, typed, extracted or filtered first. */
export type Dimension = string | DimensionSpec;

/** By the page "Transforming dimension values" of Druid's documentation. */
export type DimensionSpec =
  | PlainDimension
  | ListFilteredDimension
  | RegexFilteredDimension
  | PrefixFilteredDimension
  | (ExtensionSpec & { readonly outputName: string });

/** A dimension that is not filtered. */
export type PlainDimension = DefaultDimension | ExtractionDimension | LookupDimension;

/** A column, perhaps under another name. Without `outputType`, numbers arrive as text. */
export interface DefaultDimension {
  readonly type: 'default';
  readonly dimension: string;
  /** Default: as `dimension`. */
  readonly outputName?: string;
  readonly outputType?: DimensionType;
}

/** A column after an {@link ExtractionFn}. */
export interface ExtractionDimension {
  readonly type: 'extraction';
  readonly dimension: string;
  readonly outputName?: string;
  readonly outputType?: DimensionType;
  readonly extractionFn: ExtractionFn;
}

/** Of a multi-value dimension, only some values. */
export interface ListFilteredDimension {
  readonly type: 'listFiltered';
  readonly delegate: PlainDimension;
  readonly values: readonly string[];
  /** False leaves `values` out instead. */
  readonly isWhitelist?: boolean;
}

/** Of a multi-value dimension, only the values that a regular expression of Java matches. */
export interface RegexFilteredDimension {
  readonly type: 'regexFiltered';
  readonly delegate: PlainDimension;
  readonly pattern: string;
}

/** Of a multi-value dimension, only the values that begin with `prefix`. */
export interface PrefixFilteredDimension {
  readonly type: 'prefixFiltered';
  readonly delegate: PlainDimension;
  readonly prefix: string;
}

/** A column after a lookup: one that is registered, by `name`, or one that is sent along. */
export type LookupDimension = {
  readonly type: 'lookup';
  readonly dimension: string;
  readonly outputName: string;
  readonly retainMissingValue?: boolean;
  readonly replaceMissingValueWith?: string;
  readonly optimize?: boolean;
} & (
  | { readonly name: string; readonly lookup?: never }
  | { readonly lookup: InlineLookup; readonly name?: never }
);

/** Builders of {@link DimensionSpec}. */
export const dimension = {
  /**
   * A column under another name, or with its type.
   *
   * @example dimension.default('added', { outputType: 'LONG' })
   */
  default: <const D extends string, const O extends Pick<DefaultDimension, 'outputName' | 'outputType'>>(
    column: D,
    options: O,
  ) => ({ type: 'default', dimension: column, ...options }) as const,
  /** @example dimension.extraction('__time', { type: 'timeFormat', format: 'EEEE' }, { outputName: 'weekday' }) */
  extraction: <
    const D extends string,
    const O extends Pick<ExtractionDimension, 'outputName' | 'outputType'> = Record<never, never>,
  >(
    column: D,
    extractionFn: ExtractionFn,
    options?: O,
  ) => ({ type: 'extraction', dimension: column, extractionFn, ...(options as O) }) as const,
  /** Of a multi-value dimension, only `values`; or, with `isWhitelist: false`, only the others. */
  listFiltered: <const D extends PlainDimension>(
    delegate: D,
    values: readonly string[],
    isWhitelist = true,
  ) => ({ type: 'listFiltered', delegate, values, isWhitelist }) as const,
  /** Of a multi-value dimension, only what a regular expression of Java matches. */
  regexFiltered: <const D extends PlainDimension>(delegate: D, pattern: string) =>
    ({ type: 'regexFiltered', delegate, pattern }) as const,
  /** Of a multi-value dimension, only what begins with `prefix`. */
  prefixFiltered: <const D extends PlainDimension>(delegate: D, prefix: string) =>
    ({ type: 'prefixFiltered', delegate, prefix }) as const,
  /** A column after the registered lookup `name`. */
  lookup: <const N extends string>(
    column: string,
    name: string,
    outputName: N,
    options: Pick<LookupDimension, 'retainMissingValue' | 'replaceMissingValueWith' | 'optimize'> = {},
  ) => ({ type: 'lookup', dimension: column, name, outputName, ...options }) as const,
} as const;
