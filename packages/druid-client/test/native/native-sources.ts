import { expect, it } from 'vitest';
import {
  aggregation,
  dataSource,
  dimension,
  eternity,
  extension,
  filter,
  groupByQuery,
  virtualColumn,
} from '../../src/index.js';
import type { NativeContext } from './native-behaviour.js';

/** Other columns, filters and datasources than those of a table, and the queries that are about segments. */
export function describeSources({ client, table, urls }: NativeContext): void {
  const base = { dataSource: table, intervals: ['2026-01-01/2026-01-03'], granularity: 'all' } as const;
  const rows = aggregation.count('rows');

  it('computes columns', async () => {
    const groups = await client().native.groupBy({
      ...base,
      virtualColumns: [
        virtualColumn.expression('twice', 'd * 2', 'DOUBLE'),
        virtualColumn.nestedField('city', 'j', '$.city', 'STRING'),
      ],
      dimensions: ['city'],
      aggregations: [aggregation.doubleSum('twice')],
      filter: filter.expression('d > -100'),
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { city: null, twice: 200 },
      { city: 'Bonn', twice: -4.5 },
      { city: 'Rome', twice: 3.5 },
    ]);
  });

  it.each([
    ['regex', filter.regex('page', '^M.i'), 2],
    ['bound', { type: 'bound', dimension: 'n', lower: '1', upper: '7', ordering: 'numeric' }, 2],
    ['columnComparison', { type: 'columnComparison', dimensions: ['lang', 'lang'] }, 5],
    ['extraction', { type: 'selector', dimension: 'lang', value: 'EN', extractionFn: { type: 'upper' } }, 3],
    [
      'search',
      {
        type: 'search',
        dimension: 'page',
        query: { type: 'fragment', values: ['a', 'M'], caseSensitive: true },
      },
      2,
    ],
    ['false', { type: 'false' }, 0],
    ['one that only the server knows', extension({ type: 'selector', dimension: 'lang', value: 'fr' }), 1],
  ] as const)('filters: %s', async (_, condition, count) => {
    const found = await client().native.timeseries({ ...base, filter: condition, aggregations: [rows] });
    expect(found[0]?.result.rows ?? 0).toBe(count);
  });

  it('reads other datasources', async () => {
    const count = async (
      source: ReturnType<typeof dataSource.table>,
      intervals = base.intervals[0] as string,
    ) =>
      (
        await client().native.timeseries({
          ...base,
          intervals: [intervals],
          dataSource: source,
          aggregations: [rows],
        })
      )[0]?.result.rows;
    const inner = groupByQuery({ ...base, dimensions: ['lang'], aggregations: [aggregation.count('n')] });
    const languages = dataSource.inline({ k: 'STRING', v: 'STRING' }, [
      ['en', 'English'],
      ['de', 'German'],
    ]);
    expect(await count(dataSource.table(table))).toBe(5);
    expect(await count(dataSource.union([table, table]))).toBe(10);
    expect(await count(dataSource.query(inner), eternity)).toBe(3);
    expect(await count(languages, eternity)).toBe(2);
    const joined = dataSource.join({
      left: table,
      right: languages,
      rightPrefix: 'r.',
      condition: 'lang == "r.k"',
    });
    const groups = await client().native.groupBy({
      ...base,
      dataSource: joined,
      dimensions: [dimension.default('r.v', { outputName: 'language' })],
      aggregations: [rows],
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { language: 'English', rows: 3 },
      { language: 'German', rows: 1 },
    ]);
    const tags = virtualColumn.expression('tag', '"tags"', 'STRING');
    expect(await count(dataSource.unnest(table, tags, filter.equals('tag', 'b')))).toBe(2);
  });

  it.each(['json', 'smile'] as const)('searches, by %s', async (format) => {
    const found = await client().native.search(
      { ...base, searchDimensions: ['page', 'lang'], query: { type: 'contains', value: 'A' } },
      { format },
    );
    expect(found).toEqual([
      {
        timestamp: Date.UTC(2026, 0, 1),
        result: [
          { dimension: 'page', value: 'Main', count: 2 },
          { dimension: 'page', value: 'Talk', count: 1 },
        ],
      },
    ]);
  });

  it('looks closely at segments', async () => {
    const [all, ...others] = await client().native.segmentMetadata({
      dataSource: table,
      intervals: [eternity],
      merge: true,
      analysisTypes: ['cardinality', 'interval', 'minmax', 'size', 'aggregators', 'rollup', 'timestampSpec'],
      toInclude: { type: 'list', columns: ['page', 'tags'] },
    });
    expect(others).toEqual([]);
    expect(all).toMatchObject({ id: expect.stringMatching(/merged$/), numRows: 5, rollup: false });
    expect(all?.intervals).toEqual(['2026-01-01T00:00:00.000Z/2026-01-03T00:00:00.000Z']);
    expect(Object.keys(all?.columns ?? {}).sort()).toEqual(['page', 'tags']);
    expect(all?.columns['tags']).toMatchObject({ hasMultipleValues: true, typeSignature: 'STRING' });
  });

  it('reads a registered lookup as a table, and as a dimension', async () => {
    const { native } = client();
    const name = `names_${table}`;
    // As the Coordinator tells the servers, which it would do in some minutes only.
    const lookup = { type: 'map', map: { en: 'English', de: 'German' } };
    const toLoad = { [name]: { version: 'v1', lookupExtractorFactory: lookup } };
    for (const url of urls) {
      const { origin, username, password } = new URL(url);
      const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      const headers = {
        'content-type': 'application/json',
        ...(username !== '' && { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
      };
      const response = await fetch(`${origin}/druid/listen/v1/lookups/updates`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ current: {}, toLoad, toDrop: [] }),
      });
      expect(response.status).toBe(202);
      const loaded = async () =>
        (await fetch(`${origin}/druid/listen/v1/lookups/${name}`, { headers })).status;
      await expect.poll(loaded, { timeout: 20_000 }).toBe(200);
    }
    const source = dataSource.lookup(name);
    const pairs = await native.groupBy({
      ...base,
      intervals: [eternity],
      dataSource: source,
      dimensions: ['k', 'v'],
    });
    expect(pairs.map(({ event }) => event)).toEqual([
      { k: 'de', v: 'German' },
      { k: 'en', v: 'English' },
    ]);
    const groups = await native.groupBy({
      ...base,
      dimensions: [
        dimension.lookup('lang', name, 'language', { retainMissingValue: true }),
        dimension.extraction('lang', { type: 'registeredLookup', lookup: name }, { outputName: 'known' }),
      ],
      aggregations: [rows],
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { language: 'English', known: 'English', rows: 3 },
      { language: 'German', known: 'German', rows: 1 },
      { language: 'fr', known: null, rows: 1 },
    ]);
  });

  it('filters the values of a column', async () => {
    const groups = await client().native.groupBy({
      ...base,
      virtualColumns: [{ type: 'mv-filtered', name: 'tag', delegate: 'tags', values: ['b'] }],
      dimensions: ['tag'],
      aggregations: [rows],
      filter: filter.equals('tag', 'b'),
    });
    expect(groups.map(({ event }) => event)).toEqual([{ tag: 'b', rows: 2 }]);
  });
}

/** What Druid 27 does not have. */
export function describeNewer({ client, table }: NativeContext): void {
  const base = { dataSource: table, intervals: ['2026-01-01/2026-01-03'], granularity: 'all' } as const;
  const rows = aggregation.count('rows');
  const tags = virtualColumn.expression('list', 'mv_to_array("tags")', 'ARRAY<STRING>');

  it.each([
    ['inType', { type: 'inType', column: 'n', matchValueType: 'LONG', sortedValues: [null, -5, 7n] }, 3],
    [
      'arrayContainsElement',
      {
        type: 'arrayContainsElement',
        column: 'list',
        elementMatchValueType: 'STRING',
        elementMatchValue: 'c',
      },
      1,
    ],
    [
      'equals an array',
      { type: 'equals', column: 'list', matchValueType: 'ARRAY<STRING>', matchValue: ['a', 'b'] },
      1,
    ],
  ] as const)('filters: %s', async (_, condition, count) => {
    const found = await client().native.timeseries({
      ...base,
      virtualColumns: [tags],
      filter: condition,
      aggregations: [rows],
    });
    expect(found[0]?.result.rows).toBe(count);
  });

  it('reads a filtered datasource', async () => {
    const source = { type: 'filter', base: table, filter: filter.equals('lang', 'en') } as const;
    const found = await client().native.timeseries({ ...base, dataSource: source, aggregations: [rows] });
    expect(found[0]?.result.rows).toBe(3);
  });

  it('groups by arrays', async () => {
    const groups = await client().native.groupBy({
      ...base,
      virtualColumns: [tags],
      dimensions: [dimension.default('list', { outputType: 'ARRAY<STRING>' })],
      aggregations: [rows],
      filter: filter.equals('page', 'Main'),
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { list: ['a', 'b'], rows: 1 },
      { list: ['b', 'c'], rows: 1 },
    ]);
  });
}
