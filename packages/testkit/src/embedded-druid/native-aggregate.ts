/** `timeseries` and `groupBy`. */

import type { Catalog } from './catalog.js';
import { notSupported } from './druid-error.js';
import { bucketFrom, bucketSql, bucketStart, type Granularity, parseGranularity } from './granularity.js';
import { filterSql } from './native-filters.js';
import { type Json, type NativeQuery, querySource, refuseQuery } from './native-query.js';
import type { CellKind } from './result-text.js';
import type { Interval } from './time-text.js';
import { type ColumnType, intersect } from './timeline.js';

/** A column of the result and how its values are written. */
export interface ResultField {
  name: string;
  kind: CellKind;
  sql: string;
}

const AGGREGATORS: Record<string, { fn: 'sum' | 'min' | 'max'; type: ColumnType }> = {
  longSum: { fn: 'sum', type: 'LONG' },
  longMin: { fn: 'min', type: 'LONG' },
  longMax: { fn: 'max', type: 'LONG' },
  doubleSum: { fn: 'sum', type: 'DOUBLE' },
  doubleMin: { fn: 'min', type: 'DOUBLE' },
  doubleMax: { fn: 'max', type: 'DOUBLE' },
  floatSum: { fn: 'sum', type: 'FLOAT' },
  floatMin: { fn: 'min', type: 'FLOAT' },
  floatMax: { fn: 'max', type: 'FLOAT' },
};

/** @throws DruidHttpError 501 for aggregators that are not translated */
export function aggregations(query: NativeQuery): ResultField[] {
  if (((query.body['postAggregations'] ?? []) as unknown[]).length > 0)
    throw notSupported('A post-aggregation');
  return ((query.body['aggregations'] ?? []) as Json[]).map((spec) => aggregation(spec, query, ''));
}

function aggregation(spec: Json, query: NativeQuery, filter: string): ResultField {
  const name = String(spec['name']);
  if (spec['type'] === 'filtered') {
    if (filter !== '') throw notSupported('A filtered aggregator inside another');
    const inner = spec['aggregator'] as Json;
    const field = aggregation(inner, query, ` FILTER (WHERE ${filterSql(spec['filter'], query.find)})`);
    return { ...field, name: spec['name'] === undefined || spec['name'] === null ? field.name : name };
  }
  if (spec['type'] === 'count') return { name, kind: 'long', sql: `count(*)${filter}` };
  const known = AGGREGATORS[String(spec['type'])];
  if (!known || spec['expression']) throw notSupported(`The aggregator [${String(spec['type'])}]`);
  const column = query.find(String(spec['fieldName']));
  if (column?.type === 'STRING')
    throw notSupported(`The aggregator [${String(spec['type'])}] on a STRING column`);
  const kind = known.type === 'LONG' ? 'long' : known.type === 'DOUBLE' ? 'double' : 'float';
  const duck = known.type === 'LONG' ? 'BIGINT' : known.type;
  if (!column) return { name, kind, sql: `CAST(max(CAST(NULL AS ${duck})) AS ${duck})` };
  if (known.type === 'LONG' && column.type !== 'LONG')
    throw notSupported(`The aggregator [${String(spec['type'])}] on a ${column.type} column`);
  const value = known.type === 'LONG' ? column.sql : `CAST(${column.sql} AS DOUBLE)`;
  return { name, kind, sql: `CAST(${known.fn}(${value})${filter} AS ${duck})` };
}

export function granularityOf(query: NativeQuery): Granularity {
  const granularity = parseGranularity(query.body['granularity'] ?? 'all');
  if (!granularity) throw notSupported(`granularity ${JSON.stringify(query.body['granularity'])}`);
  return granularity;
}

/** Time of the one bucket of granularity `all`. */
export const allStart = (query: NativeQuery): number => query.intervals[0]?.start ?? 0;

/** The statement of a timeseries: `b`, then the aggregations; every bucket that Druid would emit. */
export function timeseriesSql(query: NativeQuery, catalog: Catalog, fields: readonly ResultField[]): string {
  const granularity = granularityOf(query);
  if (granularity.kind === 'none') throw notSupported('A timeseries of granularity none');
  const list = fields.map(({ sql }, index) => `${sql} AS o${index}`);
  const source = `FROM ${querySource(query, catalog)} AS rows${query.where}`;
  if (granularity.kind === 'all')
    return `SELECT ${[`CAST(${allStart(query)} AS BIGINT) AS b`, ...list].join(', ')} ${source}`;
  const grouped = `SELECT ${[`${bucketSql('t', granularity)} AS b`, ...list].join(', ')} ${source} GROUP BY 1`;
  const skipEmpty =
    query.context['skipEmptyBuckets'] === true || query.context['skipEmptyBuckets'] === 'true';
  const buckets = skipEmpty ? [] : emittedBuckets(query, granularity);
  const direction = query.body['descending'] === true ? 'DESC' : 'ASC';
  if (buckets.length === 0) return `${grouped} ORDER BY b ${direction}`;
  const counts = fields.map(({ sql }, index) =>
    sql.startsWith('count(') ? `coalesce(o${index}, 0) AS o${index}` : `o${index}`,
  );
  return `SELECT ${['b', ...counts].join(', ')} FROM (SELECT unnest([${buckets.join(', ')}]::BIGINT[]) AS b) LEFT JOIN (${grouped}) USING (b) ORDER BY b ${direction}`;
}

/** Druid fills gaps inside the time range of the data of each segment, not of the whole interval. */
function emittedBuckets(query: NativeQuery, granularity: Granularity): number[] {
  const starts = new Set<number>();
  for (const { segment, parts } of query.slices) {
    if (segment.rows === 0) continue;
    const data: Interval = { start: segment.minTime, end: segment.maxTime + 1 };
    for (const part of parts) {
      const range = intersect(part, data);
      if (!range) continue;
      for (
        let start = bucketStart(range.start, granularity);
        start < range.end;
        start = bucketFrom(start, granularity).end
      )
        starts.add(start);
      if (starts.size > MAX_BUCKETS) throw notSupported(`A timeseries of more than ${MAX_BUCKETS} buckets`);
    }
  }
  return [...starts].sort((a, b) => a - b);
}

const MAX_BUCKETS = 100_000;

export interface GroupByPlan {
  sql: string;
  /** Result columns after the time bucket. */
  fields: ResultField[];
}

export function planGroupBy(query: NativeQuery, catalog: Catalog): GroupByPlan {
  const { body } = query;
  const granularity = granularityOf(query);
  if (granularity.kind === 'none') throw notSupported('A groupBy of granularity none');
  if (body['subtotalsSpec']) throw notSupported('A subtotalsSpec');
  const dimensions = ((body['dimensions'] ?? []) as unknown[]).map((spec) => dimension(spec, query));
  const aggregates = aggregations(query);
  const fields = [...dimensions, ...aggregates];
  const list = fields.map(({ sql }, index) => `${sql} AS o${index}`);
  const bucket = bucketSql('t', granularity, allStart(query));
  const keys = [...(granularity.kind === 'all' ? [] : ['b']), ...dimensions.map((_, index) => `o${index}`)];
  const source = `FROM ${querySource(query, catalog)} AS rows${query.where}`;
  const head = granularity.kind === 'all' ? `CAST(${allStart(query)} AS BIGINT)` : bucket;
  const group = keys.length > 0 ? ` GROUP BY ${keys.join(', ')}` : '';
  const having = body['having'] ? ` HAVING ${havingSql(body['having'] as Json, fields)}` : '';
  return {
    sql: `SELECT ${[`${head} AS b`, ...list].join(', ')} ${source}${group}${having}${limitSql(body, fields, keys)}`,
    fields,
  };
}

function dimension(spec: unknown, query: NativeQuery): ResultField {
  const {
    type = 'default',
    dimension: name,
    outputName,
    outputType,
  } = (typeof spec === 'string' ? { dimension: spec } : spec) as Json;
  if (type !== 'default' || typeof name !== 'string')
    throw notSupported(`A dimension of type [${String(type)}]`);
  const column = query.find(name);
  const wanted = outputType ?? 'STRING';
  const stored = column?.type ?? 'STRING';
  if (wanted !== stored && !(wanted === 'STRING' && stored === 'LONG'))
    throw notSupported(`A ${stored} column as a ${String(wanted)} dimension`);
  const sql = column?.sql ?? 'CAST(NULL AS VARCHAR)';
  const kind =
    wanted === 'STRING' ? 'text' : wanted === 'LONG' ? 'long' : wanted === 'DOUBLE' ? 'double' : 'float';
  return { name: String(outputName ?? name), kind, sql: wanted === stored ? sql : `CAST(${sql} AS VARCHAR)` };
}

function havingSql(having: Json, fields: readonly ResultField[]): string {
  const op = { greaterThan: '>', lessThan: '<', equalTo: '=' }[String(having['type'])];
  const field = fields.find(({ name }) => name === having['aggregation']);
  if (!op || !field || typeof having['value'] !== 'number')
    throw notSupported(`having ${JSON.stringify(having)}`);
  return `${field.sql} ${op} ${having['value']}`;
}

function limitSql(body: Json, fields: readonly ResultField[], keys: readonly string[]): string {
  const spec = (body['limitSpec'] ?? {}) as Json;
  if (spec['type'] !== undefined && spec['type'] !== 'default')
    throw notSupported(`limitSpec [${String(spec['type'])}]`);
  const order = ((spec['columns'] ?? []) as unknown[]).map((entry) => {
    const {
      dimension: name,
      direction = 'ascending',
      dimensionOrder,
    } = (typeof entry === 'string' ? { dimension: entry } : entry) as Json;
    const index = fields.findIndex((field) => field.name === name);
    if (index < 0)
      throw refuseQuery('groupby.GroupByQuery', `Unknown column in order clause[${JSON.stringify(entry)}]`);
    const ordering = dimensionOrder ?? 'lexicographic';
    const numeric = fields[index]?.kind !== 'text';
    if (!numeric && ordering !== 'lexicographic') throw notSupported(`dimensionOrder [${String(ordering)}]`);
    const down = String(direction).toLowerCase().startsWith('desc');
    return `o${index} ${down ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`;
  });
  const sorted = [...order, ...keys.map((key) => `${key} ASC NULLS FIRST`)];
  const number = (key: string): string =>
    typeof spec[key] === 'number' ? ` ${key.toUpperCase()} ${spec[key]}` : '';
  return `${sorted.length > 0 ? ` ORDER BY ${sorted.join(', ')}` : ''}${number('limit')}${number('offset')}`;
}
