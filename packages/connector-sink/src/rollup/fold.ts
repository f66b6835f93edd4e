/** How values are folded into one, as Druid's aggregators of the same name do it. */
import { columnEncoders } from '../schema/column-encoders.js';
import type { MetricSpec } from '../schema/column-types.js';
import type { Rejection } from '../schema/rejection.js';

export type FoldedValue = number | bigint;

/** The next value; `undefined` where it would have no place in JSON: then the fold begins anew. */
type Step = (current: FoldedValue, value: FoldedValue) => FoldedValue | undefined;

/** One metric of a schema, compiled. */
export interface Fold {
  readonly name: string;
  /** The record's field; `undefined` for a count, whose value is always 1. */
  readonly field: string | undefined;
  /** What is wrong with a value that is neither null nor undefined. */
  readonly reject: (value: unknown) => Rejection | undefined;
  readonly step: Step;
  readonly encode: (value: FoldedValue) => string;
}

type FoldedMetric = Extract<MetricSpec['type'], `${'long' | 'double' | 'float'}${string}`>;

/** `undefined` for metrics that cannot be folded here: sketches. */
export function foldOf(name: string, spec: MetricSpec): Fold | undefined {
  if (spec.type === 'count') {
    return { name, field: undefined, reject: () => undefined, step: addLongs, encode: String };
  }
  const { type, field } = spec;
  if (!isFolded(type)) return undefined;
  const base = type.startsWith('long') ? 'long' : type.startsWith('double') ? 'double' : 'float';
  const encoder = columnEncoders[base];
  return {
    name,
    field,
    reject(value) {
      if (fits[base](value)) return undefined;
      const encoded = encoder(value);
      return typeof encoded === 'string' ? undefined : encoded;
    },
    step: steps[type],
    encode: (value) => encoder(value) as string,
  };
}

/** The usual cases, without making a text of the value. */
const fits = {
  long: Number.isSafeInteger,
  double: Number.isFinite,
  float: (value: unknown) => Number.isFinite(value) && Math.fround(value as number) === value,
};

function isFolded(type: string): type is FoldedMetric {
  return Object.hasOwn(steps, type);
}

/** Numbers while they are exact, bigints beyond; wraps at 64 bits as Java does. */
function addLongs(a: FoldedValue, b: FoldedValue): FoldedValue {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return BigInt.asIntN(64, BigInt(a) + BigInt(b));
}

const finite = (value: number) => (Number.isFinite(value) ? value : undefined);
const min: Step = (a, b) => (b < a ? b : a);
const max: Step = (a, b) => (b > a ? b : a);
// These know that -0 is less than 0.
const minOfDoubles: Step = (a, b) => Math.min(a as number, b as number);
const maxOfDoubles: Step = (a, b) => Math.max(a as number, b as number);

const steps: Readonly<Record<FoldedMetric, Step>> = {
  longSum: addLongs,
  longMin: min,
  longMax: max,
  doubleSum: (a, b) => finite((a as number) + (b as number)),
  doubleMin: minOfDoubles,
  doubleMax: maxOfDoubles,
  floatSum: (a, b) => finite(Math.fround((a as number) + (b as number))),
  floatMin: minOfDoubles,
  floatMax: maxOfDoubles,
};
