import type { Dimension } from './dimensions.js';
import type { ExtensionSpec } from './extension-spec.js';

/** Druid's native types of columns. */
export type ColumnType = 'STRING' | 'LONG' | 'FLOAT' | 'DOUBLE' | `ARRAY<${string}>` | `COMPLEX<${string}>`;

/** A column that is computed while a query runs, by the page "Virtual columns" of Druid's documentation. */
export type VirtualColumn =
  | {
      readonly type: 'expression';
      readonly name: string;
      readonly expression: string;
      /** Default: FLOAT. */
      readonly outputType?: ColumnType;
    }
  | ({
      readonly type: 'nested-field';
      readonly columnName: string;
      readonly outputName: string;
      readonly expectedType?: ColumnType;
      /** True gives objects and arrays, too, as JSON_QUERY does. */
      readonly processFromRaw?: boolean;
    } & (
      | { readonly path: string; readonly useJqSyntax?: boolean }
      | { readonly pathParts: readonly NestedPathPart[] }
    ))
  | {
      readonly type: 'mv-filtered';
      readonly name: string;
      readonly delegate: Dimension;
      readonly values: readonly string[];
      readonly isAllowList?: boolean;
    }
  | ExtensionSpec;

/** A step into a COMPLEX<json> column. */
export type NestedPathPart =
  | { readonly type: 'field'; readonly field: string }
  | { readonly type: 'arrayElement'; readonly index: number };

/** Builders of {@link VirtualColumn}. */
export const virtualColumn = {
  /** @example virtualColumn.expression('total', 'added + deleted', 'LONG') */
  expression: (name: string, expression: string, outputType: ColumnType): VirtualColumn => ({
    type: 'expression',
    name,
    expression,
    outputType,
  }),
  /** A literal inside a COMPLEX<json> column. @example virtualColumn.nestedField('city', 'shipTo', '$.city', 'STRING') */
  nestedField: (
    outputName: string,
    columnName: string,
    path: string,
    expectedType: ColumnType,
  ): VirtualColumn => ({ type: 'nested-field', columnName, outputName, path, expectedType }),
} as const;
