/** `/druid/coordinator/v1`: datasources, segments and what is loaded. Everything published is loaded at once. */

import type { Catalog, DataSource } from './catalog.js';
import { druidException, plainAnswer } from './druid-error.js';
import { addUnusedRoutes } from './retirement-api.js';
import type { Request, Router } from './router.js';
import type { Store } from './store.js';
import { type Interval, intervalText, isoTime, parseInterval } from './time-text.js';
import { compareSegments, intersect, type Segment, segmentId, shardSpec } from './timeline.js';

export interface CoordinatorOptions {
  store: Store;
  catalog: Catalog;
  url: string;
  server: string;
  now(): number;
}

const API = '/druid/coordinator/v1';
/** Without an interval `loadstatus` looks at the last two weeks only. */
const LOAD_STATUS_WINDOW_MS = 14 * 86_400_000;

export function addCoordinatorRoutes(router: Router, options: CoordinatorOptions): void {
  const { catalog, url } = options;
  addUnusedRoutes(router, API, options);
  const find = ({ params }: Request): DataSource => {
    const source = catalog.find(params['dataSource'] ?? '');
    if (!source) throw plainAnswer(204, '', 'application/json');
    return source;
  };
  router
    .on(`GET ${API}/leader`, (_, answer) => answer.send(200, url))
    .on(`GET ${API}/isLeader`, (_, answer) => answer.json({ leader: true }))
    .on(`GET ${API}/loadstatus`, ({ query }, answer) => {
      const value = query.has('simple') ? '0' : '100.0';
      const fields = catalog.dataSources().map(({ name }) => `${JSON.stringify(name)}:${value}`);
      return answer.send(200, `{${fields.join(',')}}`);
    })
    .on(`GET ${API}/datasources`, ({ query }, answer) => {
      const sources = catalog.dataSources();
      if (query.has('full')) return answer.json(sources.map(full));
      if (query.has('simple'))
        return answer.json(sources.map((source) => ({ name: source.name, properties: summary(source) })));
      return answer.json(sources.map(({ name }) => name));
    })
    .on(`GET ${API}/metadata/datasources`, (_, answer) =>
      answer.json(catalog.dataSources().map(({ name }) => name)),
    )
    .on(`GET ${API}/metadata/segments`, ({ query }, answer) => {
      const wanted = query.getAll('datasources');
      const sources = catalog
        .dataSources()
        .filter(({ name }) => wanted.length === 0 || wanted.includes(name));
      return answer.json(sources.flatMap((source) => metadataSegments(source, query)));
    })
    .on(`GET ${API}/metadata/datasources/{dataSource}/segments`, ({ params, query }, answer) => {
      const source = catalog.find(params['dataSource'] ?? '');
      if (!source) throw plainAnswer(404, '', 'application/json');
      return answer.json(segmentList(source.segments, query));
    })
    .on(`GET ${API}/datasources/{dataSource}`, (request, answer) => {
      const source = find(request);
      return answer.json(request.query.has('full') ? full(source) : summary(source));
    })
    .on(`GET ${API}/datasources/{dataSource}/segments`, (request, answer) =>
      answer.json(segmentList(find(request).segments, request.query)),
    )
    .on(`GET ${API}/datasources/{dataSource}/intervals`, (request, answer) =>
      answer.json(intervals(find(request), request.query, options.server)),
    )
    .on(`GET ${API}/datasources/{dataSource}/loadstatus`, (request, answer) =>
      answer.send(200, loadStatus(find(request), request.query, options.now())),
    );
}

function summary({ segments }: DataSource): Record<string, unknown> {
  const size = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const min = Math.min(...segments.map(({ interval }) => interval.start));
  const max = Math.max(...segments.map(({ interval }) => interval.end));
  return {
    tiers: { _default_tier: { size, replicatedSize: size, segmentCount: segments.length } },
    segments: {
      maxTime: isoTime(max),
      size,
      minTime: isoTime(min),
      count: segments.length,
      replicatedSize: size,
    },
  };
}

const full = ({ name, segments }: DataSource): Record<string, unknown> => ({
  name,
  properties: {},
  segments: [...segments].sort(compareSegments).map(segmentJson),
});

/** A segment as the metadata APIs describe it. */
export function segmentJson(segment: Segment): Record<string, unknown> {
  return {
    dataSource: segment.dataSource,
    interval: intervalText(segment.interval),
    version: segment.version,
    loadSpec: { type: 'embedded' },
    dimensions: segment.dimensions.join(','),
    metrics: segment.metrics.join(','),
    shardSpec: shardSpec(segment),
    binaryVersion: 9,
    size: segment.sizeBytes,
    identifier: segmentId(segment),
  };
}

/** All used segments; with `includeOvershadowedStatus` also whether newer ones have taken a segment's place. */
function metadataSegments({ segments, visible }: DataSource, query: URLSearchParams): unknown[] {
  const sorted = [...segments].sort(compareSegments);
  if (!query.has('includeOvershadowedStatus')) return sorted.map(segmentJson);
  const seen = new Set(visible.map(({ segment }) => segment));
  return sorted.map((segment) => ({
    ...segmentJson(segment),
    overshadowed: !seen.has(segment),
    replicationFactor: 1,
  }));
}

function segmentList(segments: readonly Segment[], query: URLSearchParams): unknown[] {
  const sorted = [...segments].sort(compareSegments);
  return query.has('full') ? sorted.map(segmentJson) : sorted.map(segmentId);
}

/** Newest first, as a list, or with counts (`simple`) or segments (`full`). */
function intervals({ segments }: DataSource, query: URLSearchParams, server: string): unknown {
  const groups = new Map<string, Segment[]>();
  for (const segment of [...segments].sort(compareSegments).reverse()) {
    const key = intervalText(segment.interval);
    groups.set(key, [...(groups.get(key) ?? []), segment]);
  }
  if (query.has('full')) {
    const detail = (list: Segment[]): unknown =>
      Object.fromEntries(
        list.map((segment) => [segmentId(segment), { metadata: segmentJson(segment), servers: [server] }]),
      );
    return Object.fromEntries([...groups].map(([key, list]) => [key, detail(list)]));
  }
  if (!query.has('simple')) return [...groups.keys()];
  const count = (list: Segment[]): unknown => ({
    size: list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    count: list.length,
  });
  return Object.fromEntries([...groups].map(([key, list]) => [key, count(list)]));
}

function loadStatus({ name, segments }: DataSource, query: URLSearchParams, nowMs: number): string {
  if (!query.has('forceMetadataRefresh')) {
    throw plainAnswer(400, 'Invalid request. forceMetadataRefresh must be specified', 'application/json');
  }
  const wanted = loadStatusInterval(query.get('interval'), nowMs);
  if (!segments.some(({ interval }) => intersect(interval, wanted))) {
    throw plainAnswer(200, 'No used segment found for the given datasource and interval', 'application/json');
  }
  const key = JSON.stringify(name);
  if (query.has('full')) return `{"_default_tier":{${key}:0}}`;
  return query.has('simple') ? `{${key}:0}` : `{${key}:100.0}`;
}

function loadStatusInterval(text: string | null, nowMs: number): Interval {
  if (text === null) return { start: nowMs - LOAD_STATUS_WINDOW_MS, end: nowMs };
  const interval = parseInterval(text.replace('_', '/'));
  if (!interval) throw druidException(`Invalid interval [${text}]`);
  return interval;
}
