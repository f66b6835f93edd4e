/**
 * Aggregations, by the pages "Aggregations" and "DataSketches extension" of Druid's documentation.
 *
 * The tables below are the one place that says what an aggregation gives: the types of rows and their decoding both come
 * from them.
 */
import type { ExtensionSpec } from './extension-spec.js';
import type { Filter } from './filters.js';
import type { OutputType } from './output-types.js';

/** What each aggregation gives in a result. */
const finalOutputs = {
  count: 'long not null',
  longSum: 'long',
  longMin: 'long',
  longMax: 'long',
  longFirst: 'long',
  longLast: 'long',
  longAny: 'long',
  doubleSum: 'double',
  doubleMin: 'double',
  doubleMax: 'double',
  doubleFirst: 'double',
  doubleLast: 'double',
  doubleAny: 'double',
  doubleMean: 'double',
  floatSum: 'double',
  floatMin: 'double',
  floatMax: 'double',
  floatFirst: 'double',
  floatLast: 'double',
  floatAny: 'double',
  stringFirst: 'string',
  stringLast: 'string',
  stringAny: 'string',
  cardinality: 'double',
  hyperUnique: 'double',
  thetaSketch: 'double',
  HLLSketchBuild: 'double',
  HLLSketchMerge: 'double',
  arrayOfDoublesSketch: 'double',
  // Of these the number of values that went in; their quantiles are post-aggregations.
  quantilesDoublesSketch: 'long',
  KllDoublesSketch: 'long',
  KllFloatsSketch: 'long',
  grouping: 'long',
  expression: 'any',
  javascript: 'any',
} as const satisfies Readonly<Record<string, OutputType>>;

/** … and what it gives before it is finalized, where that is something else. */
const rawOutputs = {
  longFirst: 'any',
  longLast: 'any',
  doubleFirst: 'any',
  doubleLast: 'any',
  doubleMean: 'any',
  floatFirst: 'any',
  floatLast: 'any',
  stringFirst: 'any',
  stringLast: 'any',
  cardinality: 'bytes',
  hyperUnique: 'bytes',
  thetaSketch: 'bytes',
  HLLSketchBuild: 'bytes',
  HLLSketchMerge: 'bytes',
  arrayOfDoublesSketch: 'bytes',
  quantilesDoublesSketch: 'bytes',
  KllDoublesSketch: 'bytes',
  KllFloatsSketch: 'bytes',
} as const satisfies Readonly<Record<string, OutputType>>;

type FinalOutputs = typeof finalOutputs;
type RawOutputs = typeof rawOutputs;

/** Aggregations of one column, or of an expression, and nothing more to say. */
export type SimpleAggregationType = Extract<
  keyof FinalOutputs,
  `${'long' | 'double' | 'float'}${'Sum' | 'Min' | 'Max' | 'Any'}` | 'doubleMean'
>;

/** Aggregations by time. */
export type TimedAggregationType = `${'long' | 'double' | 'float' | 'string'}${'First' | 'Last'}`;

/** What an aggregation by time can be told beside its column. */
export interface TimedOptions {
  /** Default: `__time`. */
  readonly timeColumn?: string;
}

/** What each sketch can be told beside its column. `shouldFinalize: false` gives the sketch itself, as bytes. */
export interface SketchOptions {
  thetaSketch: {
    readonly size?: number;
    readonly isInputThetaSketch?: boolean;
    readonly shouldFinalize?: boolean;
  };
  HLLSketchBuild: HllOptions;
  HLLSketchMerge: HllOptions;
  quantilesDoublesSketch: {
    readonly k?: number;
    readonly maxStreamLength?: number;
    readonly shouldFinalize?: boolean;
  };
  KllDoublesSketch: { readonly k?: number; readonly maxStreamLength?: number };
  KllFloatsSketch: { readonly k?: number; readonly maxStreamLength?: number };
  arrayOfDoublesSketch: {
    readonly nominalEntries?: number;
    readonly numberOfValues?: number;
    readonly metricColumns?: readonly string[];
  };
  hyperUnique: { readonly isInputHyperUnique?: boolean; readonly round?: boolean };
}

/** What an HLL sketch can be told beside its column. */
export interface HllOptions {
  readonly lgK?: number;
  readonly tgtHllType?: 'HLL_4' | 'HLL_6' | 'HLL_8';
  readonly round?: boolean;
  readonly stringEncoding?: 'utf8' | 'utf16le';
  readonly shouldFinalize?: boolean;
}

type SketchAggregation = {
  [T in keyof SketchOptions]: {
    readonly type: T;
    readonly name: string;
    readonly fieldName: string;
  } & SketchOptions[T];
}[keyof SketchOptions];

/** What is computed of the rows of a bucket or group; its `name` is that of a member of the result. */
export type Aggregation = PlainAggregation | FilteredAggregation;

/** An aggregation of all rows. */
export type PlainAggregation =
  | { readonly type: 'count'; readonly name: string }
  | ({ readonly type: SimpleAggregationType; readonly name: string } & (
      | { readonly fieldName: string; readonly expression?: never }
      | { readonly expression: string; readonly fieldName?: never }
    ))
  | ({
      readonly type: TimedAggregationType;
      readonly name: string;
      readonly fieldName: string;
      /** Of text: what is longer is cut off. Default: 1,024. */
      readonly maxStringBytes?: number;
    } & TimedOptions)
  | {
      readonly type: 'stringAny';
      readonly name: string;
      readonly fieldName: string;
      readonly maxStringBytes?: number;
      readonly aggregateMultipleValues?: boolean;
    }
  | {
      readonly type: 'cardinality';
      readonly name: string;
      readonly fields: readonly string[];
      readonly byRow?: boolean;
      readonly round?: boolean;
    }
  | SketchAggregation
  | {
      readonly type: 'expression';
      readonly name: string;
      readonly fields: readonly string[];
      readonly initialValue: string;
      readonly fold: string;
      readonly accumulatorIdentifier?: string;
      readonly initialCombineValue?: string;
      readonly combine?: string;
      readonly compare?: string;
      readonly finalize?: string;
      readonly isNullUnlessAggregated?: boolean;
      readonly shouldAggregateNullInputs?: boolean;
      readonly shouldCombineAggregateNullInputs?: boolean;
      readonly maxSizeBytes?: number;
    }
  | {
      readonly type: 'javascript';
      readonly name: string;
      readonly fieldNames: readonly string[];
      readonly fnAggregate: string;
      readonly fnCombine: string;
      readonly fnReset: string;
    }
  | { readonly type: 'grouping'; readonly name: string; readonly groupings: readonly string[] }
  | (ExtensionSpec & { readonly name: string });

/** An aggregation of those rows only that a filter accepts. */
export interface FilteredAggregation {
  readonly type: 'filtered';
  /** Default: the name of `aggregator`. */
  readonly name?: string;
  readonly filter: Filter;
  readonly aggregator: PlainAggregation;
}

/** The name that an aggregation has in the result. */
export type AggregationName<A> = A extends { readonly name: infer N extends string }
  ? N
  : A extends { readonly aggregator: { readonly name: infer N extends string } }
    ? N
    : never;

/** What an aggregation gives. `F` tells whether the query finalizes. */
export type AggregationOutput<A, F extends boolean> = A extends {
  readonly type: 'filtered';
  readonly aggregator: infer Inner;
}
  ? PlainOutput<Inner, F>
  : PlainOutput<A, F>;

type PlainOutput<A, F extends boolean> = A extends ExtensionSpec
  ? 'any'
  : A extends { readonly shouldFinalize: false }
    ? OutputOf<A, false>
    : OutputOf<A, F>;

type OutputOf<A, F extends boolean> = A extends { readonly type: infer T extends keyof FinalOutputs }
  ? F extends true
    ? FinalOutputs[T]
    : T extends keyof RawOutputs
      ? RawOutputs[T]
      : FinalOutputs[T]
  : 'any';

/** The name at run time; see {@link AggregationName}. */
export function aggregationName(spec: Aggregation): string {
  return isFiltered(spec) ? (spec.name ?? aggregationName(spec.aggregator)) : spec.name;
}

/** The output at run time; see {@link AggregationOutput}. */
export function aggregationOutput(spec: Aggregation, isFinalized: boolean): OutputType {
  if (isFiltered(spec)) return aggregationOutput(spec.aggregator, isFinalized);
  const raw = !isFinalized || ('shouldFinalize' in spec && spec.shouldFinalize === false);
  const tables: readonly Readonly<Record<string, OutputType>>[] = raw
    ? [rawOutputs, finalOutputs]
    : [finalOutputs];
  const table = tables.find((outputs) => Object.hasOwn(outputs, spec.type));
  return table?.[spec.type] ?? 'any';
}

function isFiltered(spec: Aggregation): spec is FilteredAggregation {
  return spec.type === 'filtered';
}
