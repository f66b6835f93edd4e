import { DruidConfigError } from '../errors.js';
import type { ExtensionSpec } from './extension-spec.js';
import type { Filter } from './filters.js';
import type { SubQuery } from './queries.js';
import type { ColumnType, VirtualColumn } from './virtual-columns.js';

/** What a query reads, by the page "Datasources" of Druid's documentation. Text is the name of a table. */
export type DataSource =
  | string
  | { readonly type: 'table'; readonly name: string }
  | { readonly type: 'lookup'; readonly lookup: string }
  | { readonly type: 'union'; readonly dataSources: readonly string[] }
  | {
      readonly type: 'inline';
      readonly columnNames: readonly string[];
      readonly columnTypes?: readonly (ColumnType | null)[];
      readonly rows: readonly (readonly unknown[])[];
    }
  | { readonly type: 'query'; readonly query: SubQuery }
  | {
      readonly type: 'join';
      readonly left: DataSource;
      readonly right: DataSource;
      /** Before the name of each column of `right`. */
      readonly rightPrefix: string;
      /** An expression that compares for equality, such as `page == "r.k"`. */
      readonly condition: string;
      readonly joinType: 'INNER' | 'LEFT';
      readonly leftFilter?: Filter;
    }
  | {
      readonly type: 'unnest';
      readonly base: DataSource;
      readonly virtualColumn: VirtualColumn;
      readonly unnestFilter?: Filter;
    }
  | { readonly type: 'filter'; readonly base: DataSource; readonly filter: Filter }
  | ExtensionSpec;

/** A join, for `dataSource.join`. */
export interface JoinOptions {
  readonly left: DataSource;
  /** A lookup, a query or inline rows. */
  readonly right: DataSource;
  readonly rightPrefix: string;
  readonly condition: string;
  /** Default: `INNER`. */
  readonly joinType?: 'INNER' | 'LEFT';
  readonly leftFilter?: Filter;
}

/** Builders of {@link DataSource}. */
export const dataSource = {
  table: (name: string): DataSource => ({ type: 'table', name }),
  /** A lookup as a table of two columns of text, `k` and `v`. */
  lookup: (lookup: string): DataSource => ({ type: 'lookup', lookup }),
  union: (dataSources: readonly string[]): DataSource => ({ type: 'union', dataSources }),
  /**
   * Rows that are sent along. They have no time, so read them over {@link eternity}.
   *
   * @example dataSource.inline({ k: 'STRING', n: 'LONG' }, [['a', 1]])
   * @throws DruidConfigError for a row with more or fewer values than columns, and for several columns of which one is
   * named by a number
   */
  inline: (
    columns: Readonly<Record<string, ColumnType>>,
    rows: readonly (readonly unknown[])[],
  ): DataSource => {
    const columnNames = Object.keys(columns);
    requireOrder(columnNames);
    requireWidth(rows, columnNames.length);
    return { type: 'inline', columnNames, columnTypes: Object.values(columns), rows };
  },
  /**
   * The result of another query. Its rows have no time, so read them over {@link eternity}.
   *
   * @example dataSource.query(groupByQuery({ … }))
   */
  query: (query: SubQuery): DataSource => ({ type: 'query', query }),
  join: ({ joinType = 'INNER', ...join }: JoinOptions): DataSource => ({ type: 'join', joinType, ...join }),
  /** One row for each element of an array or a multi-value column. */
  unnest: (base: DataSource, virtualColumn: VirtualColumn, unnestFilter?: Filter): DataSource => ({
    type: 'unnest',
    base,
    virtualColumn,
    ...(unnestFilter !== undefined && { unnestFilter }),
  }),
} as const;

// An object has such names first, whatever the order in which they were written: the columns would be exchanged.
function requireOrder(columnNames: readonly string[]): void {
  const name = columnNames.find((each) => /^\d+$/.test(each));
  if (name === undefined || columnNames.length === 1) return;
  throw new DruidConfigError({
    message: `The inline column '${name}' is named by a number, so an object does not keep its place. Write { type: 'inline', columnNames, columnTypes, rows } instead.`,
    details: { option: 'dataSource' },
  });
}

function requireWidth(rows: readonly (readonly unknown[])[], width: number): void {
  const at = rows.findIndex((row) => row.length !== width);
  if (at < 0) return;
  throw new DruidConfigError({
    message: `Row ${at} of the inline datasource has ${rows[at]?.length} values for ${width} columns.`,
    details: { option: 'dataSource' },
  });
}
