import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aggregation, DruidClient, filter, having, interval, limitSpec } from '../../src/index.js';
import { collect } from '../fake-druid.js';

const name = `native_${Math.random().toString(36).slice(2, 8)}`;

// Raw lines: JSON.stringify cannot write integers beyond 2^53.
const data = [
  `{"t":"2026-01-01T00:00:00Z","page":"Main","lang":"en","n":1,"d":1.5,"tags":["a","b"],"j":{"city":"Rome"}}`,
  `{"t":"2026-01-01T01:00:00Z","page":"Main","lang":"de","n":9007199254740993,"d":-2.25,"tags":["b","c"],"j":{"city":"Bonn"}}`,
  `{"t":"2026-01-01T02:00:00Z","page":"grün 𝒳","lang":"en","n":7,"d":0.25,"tags":"a","j":{"city":"Rome"}}`,
  `{"t":"2026-01-02T03:00:00Z","page":"Talk","lang":"fr","n":-5,"d":100,"tags":[],"j":{"n":3}}`,
  `{"t":"2026-01-02T04:00:00Z","page":null,"lang":"en","n":null,"d":null,"tags":null,"j":null}`,
].join('\n');

const day = (date: number, hour = 0) => Date.UTC(2026, 0, date, hour);

/** What the tests behind this one are given. */
export interface NativeContext {
  readonly client: () => DruidClient;
  readonly table: string;
  /** The servers that data are queried of. */
  readonly urls: readonly string[];
}

/** A running Druid. */
export interface NativeServer {
  readonly url: string;
  readonly dataUrls: readonly string[];
  /** Absent: others use it too. */
  stop?(): Promise<void>;
}

/** What native queries must do on any Druid; more tests can be added behind it. */
export function describeNative(
  title: string,
  start: () => Promise<NativeServer>,
  options: {
    readonly hasMultiValues: boolean;
    readonly more?: readonly ((context: NativeContext) => void)[];
  },
): void {
  describe(`Native queries against ${title}`, () => {
    let server: NativeServer;
    const urls: string[] = [];
    let client: DruidClient;
    const base = { dataSource: name, intervals: ['2026-01-01/2026-01-03'], granularity: 'all' } as const;

    beforeAll(async () => {
      server = await start();
      urls.push(...server.dataUrls);
      client = new DruidClient({ url: server.url });
      const numbers = [
        { type: 'long', name: 'n' },
        { type: 'double', name: 'd' },
      ];
      const rich = options.hasMultiValues ? ['tags', { type: 'json', name: 'j' }] : [];
      const { taskId } = await client.tasks.submit({
        type: 'index_parallel',
        id: `load-${name}`,
        spec: {
          dataSchema: {
            dataSource: name,
            timestampSpec: { column: 't', format: 'iso' },
            dimensionsSpec: { dimensions: ['page', 'lang', ...numbers, ...rich] },
            granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
          },
          ioConfig: {
            type: 'index_parallel',
            inputSource: { type: 'inline', data },
            inputFormat: { type: 'json' },
          },
          tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
        },
      });
      expect((await client.tasks.waitFor(taskId)).statusCode).toBe('SUCCESS');
      await client.datasources.waitUntilQueryable(name);
    }, 240_000);

    afterAll(async () => {
      client.close();
      await server.stop?.();
    });

    it.each(['json', 'smile'] as const)('aggregates over time, by %s', async (format) => {
      const rows = await client.native.timeseries(
        {
          ...base,
          granularity: 'day',
          aggregations: [
            aggregation.count('rows'),
            aggregation.longSum('sum', 'n'),
            aggregation.doubleMax('most', 'd'),
            aggregation.filtered(filter.equals('lang', 'en'), aggregation.count('english')),
          ],
        },
        { int64: 'bigint', format },
      );
      expect(rows).toEqual([
        { timestamp: day(1), result: { rows: 3n, sum: 9007199254741001n, most: 1.5, english: 2n } },
        { timestamp: day(2), result: { rows: 2n, sum: -5n, most: 100, english: 1n } },
      ]);
    });

    it('refuses to round, and names the member', async () => {
      const rows = client.native.timeseries({ ...base, aggregations: [aggregation.longSum('sum', 'n')] });
      await expect(rows).rejects.toMatchObject({
        code: 'DRUID_DECODE',
        details: { column: 'sum', row: 0, value: '9007199254740996' },
      });
    });

    it('groups, keeps and sorts', async () => {
      const rows = await client.native.groupBy(
        {
          ...base,
          dimensions: ['lang'],
          aggregations: [aggregation.count('rows'), aggregation.doubleSum('sum', 'd')],
          having: having.greaterThan('rows', 0),
          limitSpec: limitSpec([{ dimension: 'rows', direction: 'descending' }, 'lang'], 2),
        },
        { timestamps: 'date' },
      );
      expect(rows).toEqual([
        { version: 'v1', timestamp: new Date(day(1)), event: { lang: 'en', rows: 3, sum: 1.75 } },
        { version: 'v1', timestamp: new Date(day(1)), event: { lang: 'de', rows: 1, sum: -2.25 } },
      ]);
    });

    it('gives dimensions as text, and as numbers where that is asked for', async () => {
      const query = { ...base, filter: filter.equals('lang', 'de') } as const;
      const options = { int64: 'bigint' } as const;
      const typed = { type: 'default', dimension: 'n', outputName: 'm', outputType: 'LONG' } as const;
      const batches = await collect(
        client.native.streamGroupBy({ ...query, dimensions: ['page', typed] }, options),
      );
      expect(batches.flat().map(({ event }) => event)).toEqual([{ page: 'Main', m: 9007199254740993n }]);
    });

    it.each([
      ['equals a number', filter.equals('n', 9007199254740993n), 1],
      ['is null', filter.isNull('n'), 1],
      ['in', filter.in('n', [1, -5n, 8]), 2],
      ['in, with null', filter.in('page', ['Talk', null]), 2],
      ['range', filter.range('n', { gte: 1, lt: 9007199254740993n }), 2],
      ['range of text', filter.range('lang', { gt: 'de' }), 4],
      ['like', filter.like('page', 'M%'), 2],
      ['interval', filter.interval([interval(new Date(day(2)), 'P1D')]), 2],
      [
        'and, or, not',
        filter.and(
          filter.or(filter.equals('lang', 'en'), filter.equals('lang', 'fr')),
          filter.not(filter.isNull('page')),
        ),
        3,
      ],
    ])('filters: %s', async (_, condition, count) => {
      const [row] = await client.native.timeseries({
        ...base,
        filter: condition,
        aggregations: [aggregation.count('rows')],
      });
      expect(row?.result.rows).toBe(count);
    });

    it('reads exact segments', async () => {
      const [segment] = await client.sql.system.segments({ datasource: name });
      const { start: from, end, version, partition_num: part } = segment ?? {};
      const segments = [{ itvl: `${from}/${end}`, ver: String(version), part: Number(part) }];
      const [row] = await client.native.timeseries({
        ...base,
        intervals: { type: 'segments', segments },
        aggregations: [aggregation.count('rows')],
      });
      // Not `num_rows`: it is 0 until the Broker has asked the segment's server.
      expect(row?.result.rows).toBe(Date.parse(String(from)) === day(1) ? 3 : 2);
    });

    it('knows the time boundary', async () => {
      const minTime = day(1);
      const maxTime = day(2, 4);
      expect(await client.native.timeBoundary({ dataSource: name })).toEqual({ minTime, maxTime });
      expect(
        await client.native.timeBoundary({ dataSource: name, bound: 'maxTime' }, { timestamps: 'date' }),
      ).toEqual({ maxTime: new Date(maxTime) });
      expect(await client.native.timeBoundary({ dataSource: 'nope' })).toBeUndefined();
      expect(await client.native.dataSourceMetadata({ dataSource: name })).toEqual({
        maxIngestedEventTime: maxTime,
      });
    });

    it('describes segments', async () => {
      const found = await client.native.segmentMetadata({ dataSource: name, intervals: base.intervals });
      expect(found.map(({ numRows }) => numRows)).toEqual([3, 2]);
      expect(found[0]?.columns['lang']).toMatchObject({ type: 'STRING', cardinality: 2, maxValue: 'en' });
      expect(found[0]?.columns['n']).toMatchObject({ type: 'LONG', hasMultipleValues: false });
    });

    for (const describeMore of options.more ?? []) describeMore({ client: () => client, table: name, urls });
  });
}
