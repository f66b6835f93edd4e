/** `timeBoundary`, `dataSourceMetadata` and an unmerged `segmentMetadata`. */

import { type Catalog, rowsSql } from './catalog.js';
import { notSupported } from './druid-error.js';
import type { NativeQuery } from './native-query.js';
import { quoted, type Store } from './store.js';
import { intervalText, isoTime } from './time-text.js';
import { type Segment, segmentId } from './timeline.js';

const withRows = (query: NativeQuery): Segment[] =>
  query.slices.map(({ segment }) => segment).filter(({ rows }) => rows > 0);

function refuseRestrictions(query: NativeQuery, what: string): void {
  if (query.where !== '') throw notSupported(`A ${what} with a filter`);
  const { intervals } = query.body;
  if (intervals !== undefined && intervals !== null) throw notSupported(`A ${what} with intervals`);
}

/** From the time ranges of the segments, without looking at rows. */
export function timeBoundaryJson(query: NativeQuery): unknown[] {
  refuseRestrictions(query, 'timeBoundary');
  const segments = withRows(query);
  if (segments.length === 0) return [];
  const minTime = isoTime(Math.min(...segments.map((segment) => segment.minTime)));
  const maxTime = isoTime(Math.max(...segments.map((segment) => segment.maxTime)));
  const { bound } = query.body;
  if (bound === 'maxTime') return [{ timestamp: maxTime, result: { maxTime } }];
  if (bound === 'minTime') return [{ timestamp: minTime, result: { minTime } }];
  return [{ timestamp: minTime, result: { maxTime, minTime } }];
}

export function dataSourceMetadataJson(query: NativeQuery): unknown[] {
  refuseRestrictions(query, 'dataSourceMetadata');
  const segments = withRows(query);
  if (segments.length === 0) return [];
  const maxTime = isoTime(Math.max(...segments.map((segment) => segment.maxTime)));
  return [{ timestamp: maxTime, result: { maxIngestedEventTime: maxTime } }];
}

/** Columns with types, null flags, cardinality and extremes of each segment. */
export async function segmentMetadataJson(
  query: NativeQuery,
  catalog: Catalog,
  store: Pick<Store, 'rows'>,
): Promise<unknown[]> {
  const { merge, analysisTypes } = query.body;
  if (merge === true) throw notSupported('segmentMetadata with merge');
  if (analysisTypes !== undefined && JSON.stringify(analysisTypes) !== '[]')
    throw notSupported('segmentMetadata with analysisTypes');
  const isFull = analysisTypes === undefined;
  const analyses = query.slices
    .filter(({ segment }) => segment.kind !== 'tombstone')
    .map(({ segment }) => analyse(segment, catalog, store, isFull));
  return Promise.all(analyses);
}

async function analyse(
  segment: Segment,
  catalog: Catalog,
  store: Pick<Store, 'rows'>,
  isFull: boolean,
): Promise<unknown> {
  const rows = rowsSql(catalog, [{ segment, parts: [segment.interval] }], segment.columns);
  const lists = segment.columns.map(({ type }, index) => {
    const column = `c${index}`;
    const extremes = type === 'STRING' && isFull;
    return [
      `count(*) > count(${column})`,
      extremes ? `count(DISTINCT ${column}) + CAST(count(*) > count(${column}) AS INTEGER)` : '0',
      extremes ? `CASE WHEN count(*) = count(${column}) THEN min(${column}) END` : 'NULL',
      extremes ? `max(${column})` : 'NULL',
    ].join(', ');
  });
  const values = (await store.rows(`SELECT ${[quoted(''), ...lists].join(', ')} FROM (${rows})`))[0] ?? [];
  const columns: Record<string, unknown> = { __time: column('LONG', false, null, null, null) };
  segment.columns.forEach(({ name, type }, index) => {
    const [hasNulls, cardinality, min, max] = values.slice(index * 4 + 1, index * 4 + 5);
    columns[name] = column(
      type,
      hasNulls === true,
      type === 'STRING' ? Number(cardinality) : null,
      min ?? null,
      max ?? null,
    );
  });
  return {
    id: segmentId(segment),
    intervals: isFull ? [intervalText(segment.interval)] : null,
    columns,
    size: 0,
    numRows: segment.rows,
    aggregators: null,
    timestampSpec: null,
    queryGranularity: null,
    rollup: null,
  };
}

function column(
  type: string,
  hasNulls: boolean,
  cardinality: number | null,
  minValue: unknown,
  maxValue: unknown,
): unknown {
  return {
    typeSignature: type,
    type,
    hasMultipleValues: false,
    hasNulls,
    size: 0,
    cardinality,
    minValue,
    maxValue,
    errorMessage: null,
  };
}
