/** How values are folded into one, as Druid's aggregators of the same name do it. */
import { columnEncoders, type EncodedType } from '../schema/column-encoders.js';
import type { MetricSpec } from '../schema/column-types.js';

export type FoldedValue = number | bigint;

/** The next value; `undefined` where it would have no place in JSON: then the fold begins anew. */
type Step = (current: FoldedValue, value: FoldedValue) => FoldedValue | undefined;

/** One metric of a schema, compiled. */
export interface Fold {
  readonly name: string;
  /** The record's field; `undefined` for a count, whose value is always 1. */
  readonly field: string | undefined;
  /** The value that is folded, of one that is neither null nor undefined; `undefined` where the row would be rejected. */
  readonly read: (value: unknown) => FoldedValue | undefined;
  readonly step: Step;
  readonly encode: (value: FoldedValue) => string;
}

type FoldedMetric = Extract<MetricSpec['type'], `${'long' | 'double' | 'float'}${string}`>;

/** Whether a metric can be folded here: sketches cannot. */
export function isFoldable({ type }: MetricSpec): boolean {
  return type === 'count' || isFolded(type);
}

/**
 * The fold of a metric whose field is written as `written`; `undefined` where there is none: for sketches, and where Druid
 * would cut a value before it folds it.
 */
export function foldOf(name: string, spec: MetricSpec, written: EncodedType | undefined): Fold | undefined {
  if (spec.type === 'count') {
    return { name, field: undefined, read: () => 1, step: addLongs, encode: String };
  }
  const { type, field } = spec;
  if (!isFolded(type)) return undefined;
  const base = type.startsWith('long') ? 'long' : type.startsWith('double') ? 'double' : 'float';
  if (written !== 'long' && written !== 'double' && written !== 'float') return undefined;
  if (written !== base && base !== 'double') return undefined;
  const encoder = columnEncoders[base];
  return {
    name,
    field,
    read(value) {
      if (fits[written](value)) return value as number;
      const isRejected = typeof columnEncoders[written](value) !== 'string';
      return isRejected ? undefined : base === 'double' ? Number(value) : (value as bigint);
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
