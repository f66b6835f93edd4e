import type {
  PlainAggregation,
  SimpleAggregationType,
  SketchOptions,
  TimedAggregationType,
  TimedOptions,
} from './aggregations.js';
import type { Filter } from './filters.js';

/** A column by its name, or an expression of Druid's. */
type Field = string | { readonly expression: string };

function simple<const T extends SimpleAggregationType>(type: T) {
  return <const N extends string>(name: N, field: Field = name) =>
    ({ type, name, ...(typeof field === 'string' ? { fieldName: field } : field) }) as const;
}

function timed<const T extends TimedAggregationType, O extends TimedOptions>(type: T) {
  return <const N extends string>(name: N, fieldName: string = name, options?: O) =>
    ({ type, name, fieldName, ...(options as O) }) as const;
}

type TextOptions = TimedOptions & { readonly maxStringBytes?: number };

function sketch<const T extends keyof SketchOptions>(type: T) {
  return <const N extends string, const O extends SketchOptions[T] = Record<never, never>>(
    name: N,
    fieldName: string = name,
    options?: O,
  ) => ({ type, name, fieldName, ...(options as O) }) as const;
}

/**
 * Builders of aggregations. The first argument is the name in the result; the column has the same unless given.
 *
 * @example
 * aggregation.longSum('added') // { type: 'longSum', name: 'added', fieldName: 'added' }
 * aggregation.filtered(filter.equals('lang', 'en'), aggregation.count('english'))
 */
export const aggregation = {
  /** Rows of Druid, which with rollup are fewer than the events. */
  count: <const N extends string>(name: N) => ({ type: 'count', name }) as const,
  longSum: simple('longSum'),
  longMin: simple('longMin'),
  longMax: simple('longMax'),
  longAny: simple('longAny'),
  doubleSum: simple('doubleSum'),
  doubleMin: simple('doubleMin'),
  doubleMax: simple('doubleMax'),
  doubleAny: simple('doubleAny'),
  doubleMean: simple('doubleMean'),
  floatSum: simple('floatSum'),
  floatMin: simple('floatMin'),
  floatMax: simple('floatMax'),
  floatAny: simple('floatAny'),
  longFirst: timed<'longFirst', TimedOptions>('longFirst'),
  longLast: timed<'longLast', TimedOptions>('longLast'),
  doubleFirst: timed<'doubleFirst', TimedOptions>('doubleFirst'),
  doubleLast: timed<'doubleLast', TimedOptions>('doubleLast'),
  floatFirst: timed<'floatFirst', TimedOptions>('floatFirst'),
  floatLast: timed<'floatLast', TimedOptions>('floatLast'),
  stringFirst: timed<'stringFirst', TextOptions>('stringFirst'),
  stringLast: timed<'stringLast', TextOptions>('stringLast'),
  stringAny: <const N extends string>(
    name: N,
    fieldName: string = name,
    options: { readonly maxStringBytes?: number; readonly aggregateMultipleValues?: boolean } = {},
  ) => ({ type: 'stringAny', name, fieldName, ...options }) as const,
  /** Distinct values of some columns together, or with `byRow` distinct combinations of them; an estimate. */
  cardinality: <const N extends string>(
    name: N,
    fields: readonly string[],
    options: { readonly byRow?: boolean; readonly round?: boolean } = {},
  ) => ({ type: 'cardinality', name, fields, ...options }) as const,
  hyperUnique: sketch('hyperUnique'),
  thetaSketch: sketch('thetaSketch'),
  HLLSketchBuild: sketch('HLLSketchBuild'),
  HLLSketchMerge: sketch('HLLSketchMerge'),
  quantilesDoublesSketch: sketch('quantilesDoublesSketch'),
  KllDoublesSketch: sketch('KllDoublesSketch'),
  KllFloatsSketch: sketch('KllFloatsSketch'),
  arrayOfDoublesSketch: sketch('arrayOfDoublesSketch'),
  /** Which of `groupings` are left out of a row of a `subtotalsSpec`, as bits. */
  grouping: <const N extends string>(name: N, groupings: readonly string[]) =>
    ({ type: 'grouping', name, groupings }) as const,
  /** `aggregator` over those rows only that `filter` accepts. */
  filtered: <const A extends PlainAggregation>(filter: Filter, aggregator: A) =>
    ({ type: 'filtered', filter, aggregator }) as const,
} as const;
