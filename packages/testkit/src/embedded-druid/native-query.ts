/** What all native queries share: the datasource, the intervals or pinned segments, the filter, the columns. */

import { type Catalog, type DataSource, rowsSql, type Slice } from './catalog.js';
import { notSupported, unreadableRequest } from './druid-error.js';
import { type ColumnLookup, filterSql, type NativeColumn } from './native-filters.js';
import { type Interval, parseInterval } from './time-text.js';
import { compareSegments, intersect, merge, type Segment } from './timeline.js';

export type Json = Record<string, unknown>;

/** A native query, resolved against the catalog. */
export interface NativeQuery {
  body: Json;
  /** The segments and the parts of them to read, in Druid's order. */
  slices: Slice[];
  /** What was asked for, joined. */
  intervals: Interval[];
  source: DataSource | undefined;
  find: ColumnLookup;
  where: string;
  context: Json;
}

const VALUE_INSTANTIATION = 'com.fasterxml.jackson.databind.exc.ValueInstantiationException';

/** Refuses a query as Jackson does when a constructor throws. */
export const refuseQuery = (kind: string, problem: string): Error =>
  unreadableRequest(
    `Cannot construct instance of \`org.apache.druid.query.${kind}\`, problem: ${problem}`,
    VALUE_INSTANTIATION,
  );

export function resolveQuery(body: Json, catalog: Catalog, kind: string, needsIntervals = true): NativeQuery {
  const name = dataSourceName(body, kind);
  const source = catalog.find(name);
  const { intervals, slices } = resolveIntervals(body, source, kind, needsIntervals);
  if (body['virtualColumns'] && (body['virtualColumns'] as unknown[]).length > 0)
    throw notSupported('A virtual column');
  const columns = new Map<string, NativeColumn>([['__time', { name: '__time', type: 'LONG', sql: 't' }]]);
  source?.columns.forEach((column, index) => columns.set(column.name, { ...column, sql: `c${index}` }));
  const find: ColumnLookup = (wanted) => columns.get(wanted);
  const { filter } = body;
  const where = filter === null || filter === undefined ? '' : ` WHERE ${filterSql(filter, find)}`;
  return { body, slices, intervals, source, find, where, context: (body['context'] ?? {}) as Json };
}

function dataSourceName(body: Json, kind: string): string {
  const { dataSource } = body;
  if (dataSource === null || dataSource === undefined) throw refuseQuery(kind, "dataSource can't be null");
  if (typeof dataSource === 'string') return dataSource;
  const { type, name } = dataSource as Json;
  if (type !== 'table' || typeof name !== 'string')
    throw notSupported(`A datasource of type [${String(type)}]`);
  return name;
}

function resolveIntervals(
  body: Json,
  source: DataSource | undefined,
  kind: string,
  needed: boolean,
): { intervals: Interval[]; slices: Slice[] } {
  const spec = body['intervals'];
  const all: Interval = { start: Number.MIN_SAFE_INTEGER, end: Number.MAX_SAFE_INTEGER };
  if (spec === null || spec === undefined) {
    if (needed) throw refuseQuery(kind, "querySegmentSpec can't be null");
    return { intervals: [all], slices: source ? [...source.visible] : [] };
  }
  const pinned =
    typeof spec === 'object' && (spec as Json)['type'] === 'segments'
      ? ((spec as Json)['segments'] as Json[])
      : undefined;
  if (pinned) return pin(pinned, source);
  const list =
    typeof spec === 'string' ? spec.split(',') : Array.isArray(spec) ? spec : (spec as Json)['intervals'];
  if (!Array.isArray(list))
    throw refuseQuery('spec.LegacySegmentSpec', `Unknown type[${typeof spec}] for intervals`);
  const intervals = merge(list.map((text) => readInterval(String(text))));
  const slices = (source?.visible ?? []).flatMap(({ segment, parts }) => {
    const left = parts
      .flatMap((part) => intervals.map((interval) => intersect(part, interval)))
      .filter((part) => part !== undefined);
    return left.length > 0 ? [{ segment, parts: left }] : [];
  });
  return { intervals, slices };
}

function readInterval(text: string): Interval {
  const interval = parseInterval(text);
  if (interval) return interval;
  if (/(^|\/)[-+]?\d{5,}-/.test(text))
    throw notSupported(`An interval beyond the years 0 to 9999, '${text}',`);
  const problem = text.includes('/')
    ? `Invalid format: "${text}"`
    : `Format requires a '/' separator: ${text}`;
  throw refuseQuery('spec.LegacySegmentSpec', problem);
}

/** Exactly the named segments, overshadowed ones included; unknown ones are dropped silently, as the Broker does. */
function pin(
  wanted: readonly Json[],
  source: DataSource | undefined,
): { intervals: Interval[]; slices: Slice[] } {
  const parts = new Map<Segment, Interval[]>();
  const intervals: Interval[] = [];
  for (const { itvl, ver, part } of wanted) {
    const interval = readInterval(String(itvl));
    intervals.push(interval);
    const found = (source?.segments ?? []).find(
      (segment) =>
        segment.version === ver &&
        segment.partition === Number(part) &&
        segment.interval.start <= interval.start &&
        segment.interval.end >= interval.end,
    );
    if (found) parts.set(found, [...(parts.get(found) ?? []), interval]);
  }
  const slices = [...parts].map(([segment, list]) => ({ segment, parts: merge(list) }));
  return {
    intervals: merge(intervals),
    slices: slices.sort((a, b) => compareSegments(a.segment, b.segment)),
  };
}

/** The rows of all slices, with all columns of the datasource. */
export function querySource(query: NativeQuery, catalog: Catalog): string {
  return `(${rowsSql(catalog, query.slices, query.source?.columns ?? [])})`;
}
