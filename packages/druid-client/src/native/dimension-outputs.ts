import type { Dimension, DimensionSpec } from './dimensions.js';
import type { OutputType } from './output-types.js';

const outputs = {
  STRING: 'string',
  LONG: 'long',
  FLOAT: 'double',
  DOUBLE: 'double',
  'ARRAY<STRING>': 'array<string>',
  'ARRAY<LONG>': 'array<long>',
  'ARRAY<DOUBLE>': 'array<double>',
} as const satisfies Readonly<Record<string, OutputType>>;

type Outputs = typeof outputs;

/** The name that a dimension has in the result. */
export type DimensionName<D> = D extends string
  ? D
  : D extends { readonly delegate: infer Inner }
    ? PlainName<Inner>
    : PlainName<D>;

type PlainName<D> = D extends { readonly outputName: infer N extends string }
  ? N
  : D extends { readonly dimension: infer N extends string }
    ? N
    : never;

/** What a dimension gives: text, unless its `outputType` says otherwise. */
export type DimensionOutput<D> = D extends { readonly delegate: infer Inner }
  ? PlainOutput<Inner>
  : PlainOutput<D>;

type PlainOutput<D> = D extends { readonly outputType: infer T extends keyof Outputs }
  ? Outputs[T]
  : D extends string | { readonly type: 'default' | 'extraction' | 'lookup' }
    ? 'string'
    : 'any';

/** The name at run time. */
export function dimensionName(dimension: Dimension): string {
  if (typeof dimension === 'string') return dimension;
  if ('delegate' in dimension) return dimensionName(dimension.delegate);
  return dimension.outputName ?? ('dimension' in dimension ? dimension.dimension : '');
}

const textTypes: ReadonlySet<string> = new Set(['default', 'extraction', 'lookup']);

/** The output at run time. */
export function dimensionOutput(dimension: Dimension): OutputType {
  if (typeof dimension === 'string') return 'string';
  if ('delegate' in dimension) return dimensionOutput(dimension.delegate);
  const { type, outputType } = dimension as DimensionSpec & { readonly outputType?: keyof Outputs };
  return outputType === undefined ? (textTypes.has(type) ? 'string' : 'any') : outputs[outputType];
}
