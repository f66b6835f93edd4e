import { describe, expect, it } from 'vitest';
import type { ContractContext } from './describe-druid-contract.js';
import { filtersIn } from './filter-answers.js';

interface Pinned {
  itvl: string;
  ver: string;
  part: number;
}

interface Batch {
  segmentId: string | null;
  columns: string[];
  events: unknown[][];
  rowSignature: unknown[];
}

const INTERVALS = ['2024-01-01/2024-01-03'];

export function nativeContract(context: ContractContext): void {
  const scan = (more: Record<string, unknown>): Promise<Batch[]> =>
    context.druid.native({
      queryType: 'scan',
      dataSource: context.data.events,
      intervals: INTERVALS,
      resultFormat: 'compactedList',
      columns: ['__time', 'n'],
      ...more,
    }) as Promise<Batch[]>;
  const values = (batches: Batch[]): unknown[] =>
    batches.flatMap(({ events }) => events.map((event) => event.at(-1)));
  const segments = async (dataSource: string): Promise<Pinned[]> => {
    const rows = await context.druid.rows(
      `SELECT "start", "end", version, partition_num FROM sys.segments WHERE datasource = '${dataSource}' ORDER BY "start", version, partition_num`,
    );
    return rows.map(([start, end, ver, part]) => ({
      itvl: `${String(start)}/${String(end)}`,
      ver: String(ver),
      part: Number(part),
    }));
  };

  describe('scan', () => {
    it('gives one batch per segment, with its id, columns and signature', async () => {
      const [first, second] = await segments(context.data.events);
      const batches = await scan({ columns: undefined });
      expect(batches).toHaveLength(2);
      const { events } = context.data;
      const id = (segment: Pinned | undefined): string =>
        `${events}_${segment?.itvl.replace('/', '_')}_${segment?.ver}`;
      expect(batches.map(({ segmentId }) => segmentId)).toEqual([id(first), id(second)]);
      expect(batches[0]).toEqual({
        segmentId: id(first),
        columns: ['__time', 'page', 'user', 'n', 'd'],
        events: [
          [1704067200000, 'a', 'ann', 1, 1.5],
          [1704069000000, 'b,"q"', null, '9007199254740993', -2.25],
          [1704070800123, '', null, null, null],
          [1704075300000, 'ünï\ncode', 'bob', -5, 1e300],
        ],
        rowSignature: [
          { name: '__time', type: 'LONG' },
          { name: 'page', type: 'STRING' },
          { name: 'user', type: 'STRING' },
          { name: 'n', type: 'LONG' },
          { name: 'd', type: 'DOUBLE' },
        ],
      });
    });

    it('gives objects as list', async () => {
      const [batch] = await scan({ resultFormat: 'list', limit: 1 });
      expect(batch?.events).toEqual([{ __time: 1704067200000, n: 1 }]);
    });

    it('cuts batches at batchSize', async () => {
      expect((await scan({ batchSize: 3 })).map(({ events }) => events.length)).toEqual([3, 1, 2]);
    });

    it('applies limit and offset over all segments', async () => {
      expect(values(await scan({ limit: 3, offset: 2 }))).toEqual([null, -5, 7]);
    });

    it('orders by time', async () => {
      expect(values(await scan({ order: 'descending' }))).toEqual([7, 7, -5, null, '9007199254740993', 1]);
      expect(await scan({ order: 'ascending', limit: 2 })).toMatchObject([
        {
          segmentId: null,
          events: [
            [1704067200000, 1],
            [1704069000000, '9007199254740993'],
          ],
        },
      ]);
    });

    it('reads parts of segments and several intervals', async () => {
      expect(values(await scan({ intervals: ['2024-01-01T00:30/2024-01-02T06:00'] }))).toEqual([
        '9007199254740993',
        null,
        -5,
        7,
      ]);
      expect(
        values(await scan({ intervals: ['2024-01-01T00:00/2024-01-01T00:10', '2024-01-02T05/PT1H'] })),
      ).toEqual([1, 7]);
      expect(await scan({ intervals: ['2025-01-01/2025-01-02'] })).toEqual([]);
    });

    it('gives NULL for a column that does not exist', async () => {
      const [batch] = await scan({ columns: ['n', 'nope'], limit: 1 });
      expect(batch).toMatchObject({
        columns: ['n', 'nope'],
        events: [[1, null]],
        rowSignature: [{ name: 'n', type: 'LONG' }, { name: 'nope' }],
      });
    });

    it('reads exactly the pinned segments, in the order of time', async () => {
      const [first, second] = await segments(context.data.events);
      expect(values(await scan({ intervals: { type: 'segments', segments: [first] } }))).toEqual([
        1,
        '9007199254740993',
        null,
        -5,
      ]);
      expect(values(await scan({ intervals: { type: 'segments', segments: [second, first] } }))).toEqual([
        1,
        '9007199254740993',
        null,
        -5,
        7,
        7,
      ]);
    });

    it('drops unknown segments silently', async () => {
      const [first, second] = (await segments(context.data.events)) as [Pinned, Pinned];
      expect(
        values(await scan({ intervals: { type: 'segments', segments: [{ ...first, part: 9 }, second] } })),
      ).toEqual([7, 7]);
      expect(
        await scan({
          intervals: { type: 'segments', segments: [{ ...first, ver: '2020-01-01T00:00:00.000Z' }] },
        }),
      ).toEqual([]);
    });

    it('answers an unknown datasource with nothing', async () => {
      expect(await scan({ dataSource: 'nope' })).toEqual([]);
    });

    it.each(filtersIn(context.version))('filters by %j', async (filter, kept) => {
      expect(values(await scan({ filter }))).toEqual(kept);
    });

    it.each([
      [{ queryType: 'nope' }, /Could not resolve type id 'nope'/],
      [{ intervals: undefined }, /querySegmentSpec can't be null/],
      [{ dataSource: undefined }, /dataSource can't be null/],
      [{ limit: -1 }, /limit must be greater than 0/],
      [{ intervals: ['zzz'] }, /Format requires a '\/' separator: zzz/],
      [{ columns: ['n'], order: 'ascending' }, /The __time column must be selected/],
      [{ filter: { type: 'wat' } }, /Could not resolve type id 'wat'/],
      [{ filter: { type: 'and', fields: [] } }, /AND operator requires at least one field/],
    ])('refuses %j', async (change, message) => {
      const query = {
        queryType: 'scan',
        dataSource: context.data.events,
        intervals: INTERVALS,
        columns: ['__time'],
        ...change,
      };
      const answer = await context.druid.request('POST', '/druid/v2', query);
      expect(answer.status).toBe(400);
      const body = JSON.parse(answer.text) as { error: string; errorMessage: string };
      expect(body.error).toBe('Unknown exception');
      expect(body.errorMessage).toMatch(message);
    });
  });

  describe('timeseries and groupBy', () => {
    const aggregations = [
      { type: 'count', name: 'c' },
      { type: 'longSum', name: 'ns', fieldName: 'n' },
      { type: 'longMin', name: 'least', fieldName: 'n' },
      { type: 'longMax', name: 'most', fieldName: 'n' },
      { type: 'doubleSum', name: 'ds', fieldName: 'd' },
      { type: 'doubleMin', name: 'dl', fieldName: 'd' },
      { type: 'doubleMax', name: 'dm', fieldName: 'd' },
    ];
    const timeseries = (more: Record<string, unknown>): Promise<unknown> =>
      context.druid.native({
        queryType: 'timeseries',
        dataSource: context.data.events,
        intervals: INTERVALS,
        granularity: 'all',
        aggregations: [{ type: 'count', name: 'c' }],
        ...more,
      });
    const groupBy = (more: Record<string, unknown>): Promise<unknown> =>
      context.druid.native({
        queryType: 'groupBy',
        dataSource: context.data.events,
        intervals: INTERVALS,
        granularity: 'all',
        dimensions: ['page'],
        aggregations: [{ type: 'count', name: 'c' }],
        ...more,
      });
    const at = (timestamp: string, c: number): unknown => ({
      timestamp: `${timestamp}:00:00.000Z`,
      result: { c },
    });

    it('aggregates by day', async () => {
      expect(await timeseries({ granularity: 'day', aggregations })).toEqual([
        {
          timestamp: '2024-01-01T00:00:00.000Z',
          result: {
            c: 4,
            ns: '9007199254740989',
            least: -5,
            most: '9007199254740993',
            ds: 1e300,
            dl: -2.25,
            dm: 1e300,
          },
        },
        {
          timestamp: '2024-01-02T00:00:00.000Z',
          result: { c: 2, ns: 14, least: 7, most: 7, ds: 100.1, dl: 0.1, dm: 100 },
        },
      ]);
    });

    it('fills gaps inside the data of a segment only', async () => {
      const day = await timeseries({ granularity: { type: 'period', period: 'PT6H' } });
      expect(day).toEqual([
        at('2024-01-01T00', 4),
        at('2024-01-02T00', 1),
        at('2024-01-02T06', 0),
        at('2024-01-02T12', 0),
        at('2024-01-02T18', 1),
      ]);
      expect(
        await timeseries({ granularity: 'hour', intervals: ['2024-01-01T22:00/2024-01-02T06:00'] }),
      ).toEqual([at('2024-01-02T05', 1)]);
    });

    it('skips empty buckets when asked', async () => {
      const hours = (await timeseries({
        granularity: 'hour',
        context: { skipEmptyBuckets: true },
      })) as unknown[];
      expect(hours).toHaveLength(5);
    });

    it('limits and reverses', async () => {
      expect(await timeseries({ granularity: 'day', descending: true, limit: 1 })).toEqual([
        at('2024-01-02T00', 2),
      ]);
    });

    it('gives one row of granularity all without any data, and none otherwise', async () => {
      expect(await timeseries({ intervals: ['2025-01-01/2025-01-03'] })).toEqual([at('2025-01-01T00', 0)]);
      expect(await timeseries({ intervals: ['2025-01-01/2025-01-03'], granularity: 'day' })).toEqual([]);
      expect(await timeseries({ dataSource: 'nope' })).toEqual([at('2024-01-01T00', 0)]);
    });

    it('aggregates pinned segments', async () => {
      const [first] = await segments(context.data.events);
      expect(await timeseries({ intervals: { type: 'segments', segments: [first] } })).toEqual([
        at('2024-01-01T00', 4),
      ]);
    });

    it('aggregates with a filter, on the query and on an aggregator', async () => {
      const filter = { type: 'selector', dimension: 'page', value: 'a' };
      expect(await timeseries({ filter })).toEqual([at('2024-01-01T00', 2)]);
      expect(
        await timeseries({
          aggregations: [{ type: 'filtered', filter, aggregator: { type: 'count', name: 'c' } }],
        }),
      ).toEqual([at('2024-01-01T00', 2)]);
    });

    it('groups, sorted by the keys', async () => {
      const counts = ((await groupBy({})) as { event: { page: string; c: number } }[]).map(({ event }) => [
        event.page,
        event.c,
      ]);
      expect(counts).toEqual([
        ['', 1],
        ['a', 2],
        ['b,"q"', 1],
        ['c', 1],
        ['ünï\ncode', 1],
      ]);
    });

    it('groups by time and typed dimensions', async () => {
      const rows = (await groupBy({
        granularity: 'day',
        dimensions: ['user', { type: 'default', dimension: 'n', outputName: 'm', outputType: 'LONG' }],
      })) as unknown[];
      expect(rows[1]).toEqual({
        version: 'v1',
        timestamp: '2024-01-01T00:00:00.000Z',
        event: { user: null, m: '9007199254740993', c: 1 },
      });
      expect(rows).toHaveLength(6);
    });

    it('limits, orders and filters groups', async () => {
      const columns = [{ dimension: 'c', direction: 'descending' }];
      const rows = (await groupBy({ limitSpec: { type: 'default', limit: 2, columns } })) as {
        event: unknown;
      }[];
      expect(rows.map(({ event }) => event)).toEqual([
        { page: 'a', c: 2 },
        { page: '', c: 1 },
      ]);
      expect(await groupBy({ having: { type: 'greaterThan', aggregation: 'c', value: 1 } })).toMatchObject([
        { event: { page: 'a', c: 2 } },
      ]);
    });

    it('knows the time boundary', async () => {
      expect(
        await context.druid.native({ queryType: 'timeBoundary', dataSource: context.data.events }),
      ).toEqual([
        {
          timestamp: '2024-01-01T00:00:00.000Z',
          result: { minTime: '2024-01-01T00:00:00.000Z', maxTime: '2024-01-02T23:59:59.999Z' },
        },
      ]);
      expect(await context.druid.native({ queryType: 'timeBoundary', dataSource: 'nope' })).toEqual([]);
    });

    it('knows how far ingestion is', async () => {
      const query = { queryType: 'dataSourceMetadata', dataSource: context.data.events };
      expect(await context.druid.native(query)).toEqual([
        {
          timestamp: '2024-01-02T23:59:59.999Z',
          result: { maxIngestedEventTime: '2024-01-02T23:59:59.999Z' },
        },
      ]);
    });

    it('lists the datasources that can be queried', async () => {
      expect(await context.druid.json('/druid/v2/datasources')).toContain(context.data.events);
    });

    it('describes segments', async () => {
      const found = (await context.druid.native({
        queryType: 'segmentMetadata',
        dataSource: context.data.events,
        intervals: INTERVALS,
      })) as Record<string, unknown>[];
      expect(found.map(({ numRows }) => numRows)).toEqual([4, 2]);
      expect(found[0]?.['columns']).toMatchObject({
        __time: { type: 'LONG', hasNulls: false },
        user: { type: 'STRING', hasNulls: true, cardinality: 3, minValue: null, maxValue: 'bob' },
        n: { type: 'LONG', hasNulls: true, cardinality: null },
      });
    });
  });
}
