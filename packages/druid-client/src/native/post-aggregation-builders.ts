import type {
  ArithmeticFn,
  GreatestOrLeast,
  PostAggregationSpec,
  SketchFieldOptions,
  SketchFieldsOptions,
} from './post-aggregations.js';

/** The name of an aggregation, or another post-aggregation. */
type Input = string | PostAggregationSpec;

const spec = (input: Input): PostAggregationSpec =>
  typeof input === 'string' ? { type: 'fieldAccess', fieldName: input } : input;

function ofNumbers<const T extends GreatestOrLeast>(type: T) {
  return <const N extends string>(name: N, fields: readonly Input[]) =>
    ({ type, name, fields: fields.map(spec) }) as const;
}

// Options that may be left out, and options with a member that may not.
type Rest<O> = object extends O ? [options?: O] : [options: O];

function ofSketch<const T extends keyof SketchFieldOptions>(type: T) {
  return <const N extends string>(name: N, field: Input, ...[options]: Rest<SketchFieldOptions[T]>) =>
    ({ type, name, field: spec(field), ...(options as SketchFieldOptions[T]) }) as const;
}

function ofSketches<const T extends keyof SketchFieldsOptions>(type: T) {
  return <const N extends string>(
    name: N,
    fields: readonly Input[],
    ...[options]: Rest<SketchFieldsOptions[T]>
  ) => ({ type, name, fields: fields.map(spec), ...(options as SketchFieldsOptions[T]) }) as const;
}

/**
 * Builders of post-aggregations. The first argument is the name in the result; inputs are names of aggregations, or
 * other post-aggregations.
 *
 * @example
 * postAggregation.arithmetic('average', '/', ['added', 'rows'])
 * postAggregation.quantilesDoublesSketchToQuantile('median', 'latencies', { fraction: 0.5 })
 */
export const postAggregation = {
  /** In floating point. `/` gives 0 for a division by 0, `quotient` an infinity or NaN. */
  arithmetic: <const N extends string>(name: N, fn: ArithmeticFn, fields: readonly Input[]) =>
    ({ type: 'arithmetic', name, fn, fields: fields.map(spec) }) as const,
  /** An aggregation's value; of a sketch, its bytes. */
  fieldAccess: <const N extends string, const F extends string>(name: N, fieldName: F) =>
    ({ type: 'fieldAccess', name, fieldName }) as const,
  /** An aggregation's value; of a sketch, the number that it stands for. */
  finalizingFieldAccess: <const N extends string, const F extends string>(name: N, fieldName: F) =>
    ({ type: 'finalizingFieldAccess', name, fieldName }) as const,
  constant: <const N extends string>(name: N, value: number) => ({ type: 'constant', name, value }) as const,
  /** Druid's expression over the names of aggregations; without `outputType`, its value is `unknown`. */
  expression: <
    const N extends string,
    const O extends { readonly outputType?: 'LONG' | 'DOUBLE' | 'FLOAT' | 'STRING' } = Record<never, never>,
  >(
    name: N,
    expression: string,
    options?: O,
  ) => ({ type: 'expression', name, expression, ...(options as O) }) as const,
  doubleGreatest: ofNumbers('doubleGreatest'),
  doubleLeast: ofNumbers('doubleLeast'),
  longGreatest: ofNumbers('longGreatest'),
  longLeast: ofNumbers('longLeast'),
  hyperUniqueCardinality: <const N extends string>(name: N, fieldName: string) =>
    ({ type: 'hyperUniqueCardinality', name, fieldName }) as const,
  thetaSketchEstimate: ofSketch('thetaSketchEstimate'),
  thetaSketchSetOp: ofSketches('thetaSketchSetOp'),
  thetaSketchToString: ofSketch('thetaSketchToString'),
  HLLSketchEstimate: ofSketch('HLLSketchEstimate'),
  HLLSketchEstimateWithBounds: ofSketch('HLLSketchEstimateWithBounds'),
  HLLSketchUnion: ofSketches('HLLSketchUnion'),
  HLLSketchToString: ofSketch('HLLSketchToString'),
  quantilesDoublesSketchToQuantile: ofSketch('quantilesDoublesSketchToQuantile'),
  quantilesDoublesSketchToQuantiles: ofSketch('quantilesDoublesSketchToQuantiles'),
  quantilesDoublesSketchToHistogram: ofSketch('quantilesDoublesSketchToHistogram'),
  quantilesDoublesSketchToRank: ofSketch('quantilesDoublesSketchToRank'),
  quantilesDoublesSketchToCDF: ofSketch('quantilesDoublesSketchToCDF'),
  quantilesDoublesSketchToString: ofSketch('quantilesDoublesSketchToString'),
  KllDoublesSketchToQuantile: ofSketch('KllDoublesSketchToQuantile'),
  KllDoublesSketchToQuantiles: ofSketch('KllDoublesSketchToQuantiles'),
  KllDoublesSketchToHistogram: ofSketch('KllDoublesSketchToHistogram'),
  KllDoublesSketchToRank: ofSketch('KllDoublesSketchToRank'),
  KllDoublesSketchToCDF: ofSketch('KllDoublesSketchToCDF'),
  KllDoublesSketchToString: ofSketch('KllDoublesSketchToString'),
  KllFloatsSketchToQuantile: ofSketch('KllFloatsSketchToQuantile'),
  KllFloatsSketchToQuantiles: ofSketch('KllFloatsSketchToQuantiles'),
  KllFloatsSketchToHistogram: ofSketch('KllFloatsSketchToHistogram'),
  KllFloatsSketchToRank: ofSketch('KllFloatsSketchToRank'),
  KllFloatsSketchToCDF: ofSketch('KllFloatsSketchToCDF'),
  KllFloatsSketchToString: ofSketch('KllFloatsSketchToString'),
  arrayOfDoublesSketchToEstimate: ofSketch('arrayOfDoublesSketchToEstimate'),
  arrayOfDoublesSketchToEstimateAndBounds: ofSketch('arrayOfDoublesSketchToEstimateAndBounds'),
  arrayOfDoublesSketchToNumEntries: ofSketch('arrayOfDoublesSketchToNumEntries'),
  arrayOfDoublesSketchToMeans: ofSketch('arrayOfDoublesSketchToMeans'),
  arrayOfDoublesSketchToVariances: ofSketch('arrayOfDoublesSketchToVariances'),
  arrayOfDoublesSketchToQuantilesSketch: ofSketch('arrayOfDoublesSketchToQuantilesSketch'),
  arrayOfDoublesSketchToString: ofSketch('arrayOfDoublesSketchToString'),
  arrayOfDoublesSketchSetOp: ofSketches('arrayOfDoublesSketchSetOp'),
  arrayOfDoublesSketchTTest: ofSketches('arrayOfDoublesSketchTTest'),
} as const;
