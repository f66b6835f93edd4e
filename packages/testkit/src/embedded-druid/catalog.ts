/**
 * What is published: datasources, their segments and the DuckDB tables that hold them.
 *
 * The catalog is a copy in memory of `druid_segments` and `druid_tables`; it changes in the same turn of the event
 * loop in which a task becomes SUCCESS, so nobody sees one without the other.
 */

import type { Interval } from './time-text.js';
import type { Store } from './store.js';
import {
  type ColumnDef,
  mergedColumns,
  type Segment,
  visibleSegments,
  type VisibleSegment,
} from './timeline.js';

/** Where the rows of one schema of a datasource live: columns `seg`, `t` and `c0`, `c1`… in the order of `columns`. */
export interface DataTable {
  name: string;
  dataSource: string;
  columns: ColumnDef[];
}

/** One datasource: all used segments, those that queries see, and the columns they have. */
export interface DataSource {
  name: string;
  segments: Segment[];
  visible: VisibleSegment[];
  columns: ColumnDef[];
}

export class Catalog {
  readonly #segments = new Map<string, Segment[]>();
  readonly #views = new Map<string, DataSource>();
  readonly #tables: DataTable[] = [];
  #lastSegmentNo = 0;
  #lastTableNo = 0;

  async load(store: Store): Promise<void> {
    for (const [name, dataSource, columns] of await store.rows(
      'SELECT name, datasource, columns FROM druid_tables',
    )) {
      this.addTable({
        name: String(name),
        dataSource: String(dataSource),
        columns: JSON.parse(String(columns)),
      });
    }
    const rows = await store.rows('SELECT no, used, detail FROM druid_segments ORDER BY no');
    for (const [no, used, detail] of rows) {
      this.#lastSegmentNo = Math.max(this.#lastSegmentNo, Number(no));
      if (used === true) this.publish([JSON.parse(String(detail)) as Segment]);
    }
  }

  /** The highest segment number; rows with a larger one belong to a commit that this catalog does not know yet. */
  get lastSegmentNo(): number {
    return this.#lastSegmentNo;
  }

  dataSources(): DataSource[] {
    return [...this.#segments.keys()].sort().map((name) => this.find(name) as DataSource);
  }

  find(name: string): DataSource | undefined {
    const segments = this.#segments.get(name);
    if (!segments || segments.length === 0) return undefined;
    let view = this.#views.get(name);
    if (!view) {
      const visible = visibleSegments(segments);
      view = { name, segments: [...segments], visible, columns: mergedColumns(visible) };
      this.#views.set(name, view);
    }
    return view;
  }

  publish(segments: readonly Segment[]): void {
    for (const segment of segments) {
      const list = this.#segments.get(segment.dataSource) ?? [];
      list.push(segment);
      this.#segments.set(segment.dataSource, list);
      this.#views.delete(segment.dataSource);
      this.#lastSegmentNo = Math.max(this.#lastSegmentNo, segment.no);
    }
  }

  /** Takes segments out of use, by number. */
  retire(dataSource: string, numbers: ReadonlySet<number>): void {
    const left = (this.#segments.get(dataSource) ?? []).filter((segment) => !numbers.has(segment.no));
    if (left.length === 0) this.#segments.delete(dataSource);
    else this.#segments.set(dataSource, left);
    this.#views.delete(dataSource);
  }

  table(name: string): DataTable | undefined {
    return this.#tables.find((table) => table.name === name);
  }

  tableFor(dataSource: string, columns: readonly ColumnDef[]): DataTable | undefined {
    const wanted = JSON.stringify(columns);
    return this.#tables.find(
      (table) => table.dataSource === dataSource && JSON.stringify(table.columns) === wanted,
    );
  }

  newTableName(): string {
    return `d${this.#lastTableNo + 1}`;
  }

  addTable(table: DataTable): void {
    this.#tables.push(table);
    this.#lastTableNo = Math.max(this.#lastTableNo, Number(table.name.slice(1)));
  }
}

/** The pieces of segments that a query reads, table by table. */
export interface Slice {
  segment: Segment;
  parts: Interval[];
}

/**
 * A DuckDB sub-select over the given slices with the columns `seg`, `t` and the requested ones as `c0`, `c1`…
 *
 * Columns that a table lacks are NULL; a column whose type differs is cast to the requested (wider) one.
 */
export function rowsSql(
  catalog: Catalog,
  slices: readonly Slice[],
  columns: readonly ColumnDef[],
  allVisible = false,
): string {
  const byTable = new Map<string, Slice[]>();
  for (const slice of slices) {
    if (slice.segment.kind === 'tombstone') continue;
    byTable.set(slice.segment.table, [...(byTable.get(slice.segment.table) ?? []), slice]);
  }
  const selects = [...byTable].map(([name, of]) => {
    const table = catalog.table(name);
    if (!table) throw new Error(`no table ${name} for segment ${of[0]?.segment.no}`);
    const list = columns.map((column, index) => `${columnSql(table, column)} AS c${index}`);
    return `SELECT ${['seg', 't', ...list].join(', ')} FROM ${name} WHERE ${sliceSql(of, allVisible, catalog)}`;
  });
  if (selects.length > 0) return selects.join(' UNION ALL ');
  const empty = columns.map((column, index) => `CAST(NULL AS ${DUCKDB_TYPE[column.type]}) AS c${index}`);
  return `SELECT ${['CAST(0 AS INTEGER) AS seg', 'CAST(0 AS BIGINT) AS t', ...empty].join(', ')} WHERE false`;
}

export const DUCKDB_TYPE = { STRING: 'VARCHAR', LONG: 'BIGINT', DOUBLE: 'DOUBLE', FLOAT: 'FLOAT' } as const;

function columnSql(table: DataTable, column: ColumnDef): string {
  const index = table.columns.findIndex((candidate) => candidate.name === column.name);
  const stored = table.columns[index];
  if (!stored) return `CAST(NULL AS ${DUCKDB_TYPE[column.type]})`;
  return stored.type === column.type ? `c${index}` : `CAST(c${index} AS ${DUCKDB_TYPE[column.type]})`;
}

function sliceSql(slices: readonly Slice[], allVisible: boolean, catalog: Catalog): string {
  const whole = slices.filter(({ segment, parts }) => isWhole(segment, parts));
  // Every row of this table up to the newest segment that the catalog knows (see `Store`, invariant 2).
  if (allVisible && whole.length === slices.length) return `seg <= ${catalog.lastSegmentNo}`;
  const conditions = slices
    .filter(({ segment, parts }) => !isWhole(segment, parts))
    .map(({ segment, parts }) => `(seg = ${segment.no} AND (${parts.map(timeSql).join(' OR ')}))`);
  if (whole.length > 0) conditions.push(`seg IN (${whole.map(({ segment }) => segment.no).join(', ')})`);
  return `(${conditions.join(' OR ')})`;
}

const isWhole = ({ interval }: Segment, parts: readonly Interval[]): boolean =>
  parts.length === 1 && parts[0]?.start === interval.start && parts[0].end === interval.end;

const timeSql = ({ start, end }: Interval): string => `(t >= ${start} AND t < ${end})`;

/** All rows that a plain query of a datasource sees. */
export function visibleRowsSql(catalog: Catalog, source: DataSource, columns: readonly ColumnDef[]): string {
  const retired = source.visible.length !== source.segments.length;
  return rowsSql(catalog, source.visible, columns, !retired);
}
