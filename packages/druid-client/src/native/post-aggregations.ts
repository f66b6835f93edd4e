/**
 * Post-aggregations, by the pages "Post-aggregations" and "DataSketches extension" of Druid's documentation.
 *
 * As with aggregations, one table says what each gives, to the types of rows and to their decoding.
 */
import type { Aggregation, AggregationName, AggregationOutput } from './aggregations.js';
import { aggregationName, aggregationOutput } from './aggregations.js';
import type { ExtensionSpec } from './extension-spec.js';
import type { OutputType } from './output-types.js';

const quantileOutputs = {
  quantilesDoublesSketchToQuantile: 'double',
  quantilesDoublesSketchToQuantiles: 'array<double>',
  quantilesDoublesSketchToHistogram: 'array<double>',
  quantilesDoublesSketchToRank: 'double',
  quantilesDoublesSketchToCDF: 'array<double>',
  quantilesDoublesSketchToString: 'string',
  KllDoublesSketchToQuantile: 'double',
  KllDoublesSketchToQuantiles: 'array<double>',
  KllDoublesSketchToHistogram: 'array<double>',
  KllDoublesSketchToRank: 'double',
  KllDoublesSketchToCDF: 'array<double>',
  KllDoublesSketchToString: 'string',
  KllFloatsSketchToQuantile: 'double',
  KllFloatsSketchToQuantiles: 'array<double>',
  KllFloatsSketchToHistogram: 'array<double>',
  KllFloatsSketchToRank: 'double',
  KllFloatsSketchToCDF: 'array<double>',
  KllFloatsSketchToString: 'string',
} as const satisfies Readonly<Record<string, OutputType>>;

/** What each post-aggregation gives, but for those that repeat an aggregation or name their own type. */
const outputs = {
  arithmetic: 'double',
  constant: 'double not null',
  doubleGreatest: 'double',
  doubleLeast: 'double',
  longGreatest: 'long',
  longLeast: 'long',
  hyperUniqueCardinality: 'double',
  thetaSketchEstimate: 'double',
  thetaSketchSetOp: 'bytes',
  thetaSketchToString: 'string',
  HLLSketchEstimate: 'double',
  HLLSketchEstimateWithBounds: 'array<double>',
  HLLSketchUnion: 'bytes',
  HLLSketchToString: 'string',
  ...quantileOutputs,
  arrayOfDoublesSketchToEstimate: 'double',
  arrayOfDoublesSketchToEstimateAndBounds: 'array<double>',
  arrayOfDoublesSketchToNumEntries: 'long',
  arrayOfDoublesSketchToMeans: 'array<double>',
  arrayOfDoublesSketchToVariances: 'array<double>',
  arrayOfDoublesSketchToQuantilesSketch: 'bytes',
  arrayOfDoublesSketchSetOp: 'bytes',
  arrayOfDoublesSketchTTest: 'array<double>',
  arrayOfDoublesSketchToString: 'string',
  javascript: 'any',
} as const satisfies Readonly<Record<string, OutputType>>;

/** What an expression gives, if its `outputType` says so. */
const expressionOutputs = {
  LONG: 'long',
  DOUBLE: 'double',
  FLOAT: 'double',
  STRING: 'string',
} as const satisfies Readonly<Record<string, OutputType>>;

type Outputs = typeof outputs;
type ExpressionOutputs = typeof expressionOutputs;

type QuantileSketch = 'quantilesDoublesSketch' | 'KllDoublesSketch' | 'KllFloatsSketch';

/** Post-aggregations that are told nothing but the sketch. */
export type PlainSketchType =
  | 'thetaSketchToString'
  | 'HLLSketchToString'
  | `${QuantileSketch}ToString`
  | `arrayOfDoublesSketchTo${'Estimate' | 'NumEntries' | 'Means' | 'Variances' | 'String'}`;

/** What each post-aggregation of one sketch is told beside the sketch. */
export type SketchFieldOptions = Readonly<Record<PlainSketchType, object>> & {
  readonly thetaSketchEstimate: { readonly round?: boolean };
  readonly HLLSketchEstimate: { readonly round?: boolean };
  readonly HLLSketchEstimateWithBounds: { readonly numStdDev?: 1 | 2 | 3 };
  readonly arrayOfDoublesSketchToEstimateAndBounds: { readonly numStdDevs?: 1 | 2 | 3 };
  readonly arrayOfDoublesSketchToQuantilesSketch: { readonly column?: number; readonly k?: number };
} & Readonly<Record<`${QuantileSketch}ToQuantile`, { readonly fraction: number }>> &
  Readonly<Record<`${QuantileSketch}ToQuantiles`, { readonly fractions: readonly number[] }>> &
  Readonly<Record<`${QuantileSketch}ToHistogram`, HistogramOptions>> &
  Readonly<Record<`${QuantileSketch}ToRank`, { readonly value: number }>> &
  Readonly<Record<`${QuantileSketch}ToCDF`, { readonly splitPoints: readonly number[] }>>;

/** Either the bounds between bins, or how many bins of the same width. */
export interface HistogramOptions {
  readonly splitPoints?: readonly number[];
  readonly numBins?: number;
}

/** What each post-aggregation of several sketches is told beside them. */
export interface SketchFieldsOptions {
  readonly thetaSketchSetOp: { readonly func: SetOperation; readonly size?: number };
  readonly HLLSketchUnion: { readonly lgK?: number; readonly tgtHllType?: 'HLL_4' | 'HLL_6' | 'HLL_8' };
  readonly arrayOfDoublesSketchSetOp: {
    readonly operation: SetOperation;
    readonly nominalEntries?: number;
    readonly numberOfValues?: number;
  };
  readonly arrayOfDoublesSketchTTest: object;
}

/** `NOT` takes the others away from the first. */
export type SetOperation = 'UNION' | 'INTERSECT' | 'NOT';

type OfSketch = {
  [T in keyof SketchFieldOptions]: {
    readonly type: T;
    readonly name?: string;
    readonly field: PostAggregationSpec;
  } & SketchFieldOptions[T];
}[keyof SketchFieldOptions];

type OfSketches = {
  [T in keyof SketchFieldsOptions]: {
    readonly type: T;
    readonly name?: string;
    readonly fields: readonly PostAggregationSpec[];
  } & SketchFieldsOptions[T];
}[keyof SketchFieldsOptions];

/** A post-aggregation, which needs no name where it is the input of another. */
export type PostAggregationSpec =
  | {
      readonly type: 'arithmetic';
      readonly name?: string;
      /** `/` gives 0 for a division by 0, `quotient` an infinity or NaN. */
      readonly fn: ArithmeticFn;
      readonly fields: readonly PostAggregationSpec[];
      readonly ordering?: 'numericFirst';
    }
  | {
      readonly type: 'fieldAccess' | 'finalizingFieldAccess' | 'hyperUniqueCardinality';
      readonly name?: string;
      readonly fieldName: string;
    }
  | { readonly type: 'constant'; readonly name?: string; readonly value: number }
  | {
      readonly type: 'expression';
      readonly name?: string;
      readonly expression: string;
      readonly ordering?: 'numericFirst';
      /** What the expression gives. Servers before Druid 29 do not look at it; this client does. */
      readonly outputType?: keyof ExpressionOutputs;
    }
  | {
      readonly type: GreatestOrLeast;
      readonly name?: string;
      readonly fields: readonly PostAggregationSpec[];
    }
  | {
      readonly type: 'javascript';
      readonly name?: string;
      readonly fieldNames: readonly string[];
      readonly function: string;
    }
  | OfSketch
  | OfSketches
  | (ExtensionSpec & { readonly name?: string });

/** The function of `postAggregation.arithmetic`. */
export type ArithmeticFn = '+' | '-' | '*' | '/' | 'quotient' | 'pow';
export type GreatestOrLeast = `${'double' | 'long'}${'Greatest' | 'Least'}`;

/** What is computed of the aggregations of a bucket or group. */
export type PostAggregation = PostAggregationSpec & { readonly name: string };

type Named<A extends readonly Aggregation[], N> = A[number] extends infer Each
  ? Each extends unknown
    ? N extends AggregationName<Each>
      ? Each
      : never
    : never
  : never;

/** What a post-aggregation over the aggregations `A` gives. */
export type PostAggregationOutput<S, A extends readonly Aggregation[]> = S extends ExtensionSpec
  ? 'any'
  : S extends { readonly type: 'expression' }
    ? S extends { readonly outputType: infer O extends keyof ExpressionOutputs }
      ? ExpressionOutputs[O]
      : 'any'
    : S extends { readonly type: infer T; readonly fieldName: infer N }
      ? T extends 'hyperUniqueCardinality'
        ? 'double'
        : [Named<A, N>] extends [never]
          ? 'any'
          : AggregationOutput<Named<A, N>, T extends 'finalizingFieldAccess' ? true : false>
      : S extends { readonly type: infer T extends keyof Outputs }
        ? Outputs[T]
        : 'any';

/** The output at run time; see {@link PostAggregationOutput}. */
export function postAggregationOutput(
  spec: PostAggregation,
  aggregations: readonly Aggregation[],
): OutputType {
  const { type } = spec;
  if ('fieldName' in spec && (type === 'fieldAccess' || type === 'finalizingFieldAccess')) {
    const source = aggregations.find((aggregation) => aggregationName(aggregation) === spec.fieldName);
    return source === undefined ? 'any' : aggregationOutput(source, type === 'finalizingFieldAccess');
  }
  if (type === 'expression') {
    const outputType = 'outputType' in spec ? spec.outputType : undefined;
    return outputType === undefined ? 'any' : expressionOutputs[outputType];
  }
  return Object.hasOwn(outputs, type) ? outputs[type as keyof Outputs] : 'any';
}
