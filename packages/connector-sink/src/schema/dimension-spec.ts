import type { DimensionColumn } from './druid-schema.js';

/** A dimension of Druid's `dimensionsSpec`. */
export type DimensionSpec =
  | {
      readonly type: 'string' | 'long' | 'double' | 'float' | 'json';
      readonly name: string;
      readonly multiValueHandling?: 'ARRAY';
    }
  /** `auto` alone picks a type by the values of each segment; the cast makes it the same in all. Druid 27 does not know it yet. */
  | { readonly type: 'auto'; readonly name: string; readonly castToType: `ARRAY<${string}>` };

export function dimensionSpecOf({ name, type }: DimensionColumn): DimensionSpec {
  switch (type) {
    // Druid's default sorts multi-value columns.
    case 'string[]':
      return { type: 'string', name, multiValueHandling: 'ARRAY' };
    case 'array<string>':
      return { type: 'auto', name, castToType: 'ARRAY<STRING>' };
    case 'array<long>':
      return { type: 'auto', name, castToType: 'ARRAY<LONG>' };
    case 'array<double>':
      return { type: 'auto', name, castToType: 'ARRAY<DOUBLE>' };
    default:
      return { type, name };
  }
}
