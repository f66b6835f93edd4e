/** The data that the contract is written about, and the specs that load it. */

import type { DruidHttp } from './druid-http.js';

/** Options of an ingestion spec, named as in Druid. */
export interface SpecOptions {
  id?: string;
  dataSource: string;
  dimensions: unknown[];
  data?: string;
  inputSource?: Record<string, unknown>;
  timestampSpec?: Record<string, unknown>;
  metricsSpec?: Record<string, unknown>[];
  segmentGranularity?: string;
  queryGranularity?: string;
  rollup?: boolean;
  intervals?: string[];
  appendToExisting?: boolean;
  dropExisting?: boolean;
  tuningConfig?: Record<string, unknown>;
}

/** An `index_parallel` task. */
export function ingestionTask(options: SpecOptions): Record<string, unknown> {
  const { id, dataSource, dimensions, data = '', appendToExisting, dropExisting, intervals } = options;
  return {
    type: 'index_parallel',
    ...(id === undefined ? {} : { id }),
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: options.timestampSpec ?? { column: '__time', format: 'iso' },
        dimensionsSpec: { dimensions },
        metricsSpec: options.metricsSpec ?? [],
        granularitySpec: {
          segmentGranularity: options.segmentGranularity ?? 'DAY',
          queryGranularity: options.queryGranularity ?? 'NONE',
          rollup: options.rollup ?? false,
          ...(intervals === undefined ? {} : { intervals }),
        },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: options.inputSource ?? { type: 'inline', data },
        inputFormat: { type: 'json' },
        ...(appendToExisting === undefined ? {} : { appendToExisting }),
        ...(dropExisting === undefined ? {} : { dropExisting }),
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' }, ...options.tuningConfig },
    },
  };
}

export const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

/** Six rows on two days: an empty string, a NULL, a quote, a line break, an integer beyond 2^53, a huge double. */
export const EVENTS = `{"__time":"2024-01-01T00:00:00.000Z","page":"a","user":"ann","n":1,"d":1.5}
{"__time":"2024-01-01T00:30:00.000Z","page":"b,\\"q\\"","user":null,"n":9007199254740993,"d":-2.25}
{"__time":"2024-01-01T01:00:00.123Z","page":"","n":null,"d":null}
{"__time":"2024-01-01T02:15:00Z","page":"ünï\\ncode","user":"bob","n":-5,"d":1e300}
{"__time":"2024-01-02T05:00:00Z","page":"a","user":"ann","n":7,"d":0.1}
{"__time":"2024-01-02T23:59:59.999Z","page":"c","user":"cat","n":7,"d":100}
`;

export const EVENT_DIMENSIONS = ['page', 'user', { type: 'long', name: 'n' }, { type: 'double', name: 'd' }];

/** Rows that roll up to three at hour granularity. */
export const CLICKS = `{"ts":1704067200000,"k":"x","v":1,"w":0.5}
{"ts":1704067500000,"k":"x","v":2,"w":0.25}
{"ts":1704067500000,"k":"y","v":10,"w":1}
{"ts":1704070800000,"k":"x","v":5,"w":2}
`;

/** Eleven lines of which Druid refuses five and keeps one with a NULL in place of a bad number. */
export const DIRTY = `{"__time":"2024-01-01T00:00:00Z","page":"ok","n":1}
{not json
{"__time":"nonsense","page":"badtime","n":2}
{"page":"notime","n":3}
{"__time":"2024-01-01T00:00:01Z","page":"badnum","n":"abc"}
{"__time":"2024-01-01T00:00:02Z","page":"strnum","n":"12"}
{"__time":"2024-01-01T00:00:03Z","page":"frac","n":3.9}
{"__time":"2024-01-01T00:00:04Z","page":{"x":1},"n":4}
{"__time":"2024-01-01T00:00:05Z","page":true,"n":1e3}

[1,2]
{"__time":"2024-01-01T00:00:06Z","page":12.50,"n":99999999999999999999}
{"__time":"2024-01-01T00:00:07Z","page":"first","n":1}{"__time":"2024-01-01T00:00:08Z","page":"second","n":1}
`;

/** The datasources of one run; names are unique, so that the contract can run twice against one server. */
export interface Fixtures {
  events: string;
  clicks: string;
  dirty: string;
  changing: string;
  taskIds: { events: string; clicks: string; dirty: string };
}

/** Loads everything that the contract reads, concurrently. */
export async function loadFixtures(druid: DruidHttp, prefix: string): Promise<Fixtures> {
  const fixtures: Fixtures = {
    events: `${prefix}_events`,
    clicks: `${prefix}_clicks`,
    dirty: `${prefix}_dirty`,
    changing: `${prefix}_changing`,
    taskIds: { events: `${prefix}-events`, clicks: `${prefix}-clicks`, dirty: `${prefix}-dirty` },
  };
  const { taskIds } = fixtures;
  const tasks = [
    ingestionTask({
      id: taskIds.events,
      dataSource: fixtures.events,
      dimensions: EVENT_DIMENSIONS,
      data: EVENTS,
    }),
    ingestionTask({
      id: taskIds.clicks,
      dataSource: fixtures.clicks,
      dimensions: ['k'],
      data: CLICKS,
      timestampSpec: { column: 'ts', format: 'millis' },
      queryGranularity: 'HOUR',
      rollup: true,
      metricsSpec: [
        { type: 'count', name: 'cnt' },
        { type: 'longSum', name: 'v_sum', fieldName: 'v' },
        { type: 'doubleSum', name: 'w_sum', fieldName: 'w' },
        { type: 'longMin', name: 'v_min', fieldName: 'v' },
        { type: 'doubleMax', name: 'w_max', fieldName: 'w' },
      ],
    }),
    ingestionTask({
      id: taskIds.dirty,
      dataSource: fixtures.dirty,
      dimensions: ['page', { type: 'long', name: 'n' }],
      data: DIRTY,
      tuningConfig: { maxSavedParseExceptions: 20, logParseExceptions: true },
    }),
    ingestionTask({
      dataSource: fixtures.changing,
      dimensions: ['k'],
      data: lines([
        { __time: '2024-01-01T00:00:00Z', k: 'a' },
        { __time: '2024-01-01T01:00:00Z', k: 'b' },
      ]),
      appendToExisting: true,
    }),
  ];
  for (const status of await Promise.all(tasks.map((task) => druid.run(task)))) {
    if (status['status'] !== 'SUCCESS') throw new Error(`a fixture failed: ${JSON.stringify(status)}`);
  }
  await Promise.all([
    druid.visible(fixtures.events, 6),
    druid.visible(fixtures.clicks, 3),
    druid.visible(fixtures.dirty, 8),
    druid.visible(fixtures.changing, 2),
  ]);
  return fixtures;
}
