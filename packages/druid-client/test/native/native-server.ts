import { expect, it } from 'vitest';
import {
  aggregation,
  dataSource,
  dimension,
  eternity,
  filter,
  granularity,
  having,
  limitSpec,
  postAggregation,
  type TopNMetric,
  type TransferredBytes,
} from '../../src/index.js';
import { collect } from '../fake-druid.js';
import type { NativeContext } from './native-behaviour.js';

/** What only a real server can do, of any version that the client promises. */
export function describeServer({ client, table }: NativeContext): void {
  const base = { dataSource: table, intervals: ['2026-01-01/2026-01-03'], granularity: 'all' } as const;
  const rows = aggregation.count('rows');

  it('knows the beginning of all times', async () => {
    const query = { ...base, intervals: [eternity], dimensions: [], aggregations: [rows] } as const;
    const groups = [{ version: 'v1', timestamp: -(2 ** 62), event: { rows: 5 } }];
    expect(await client().native.groupBy(query)).toEqual(groups);
    const context = { serializeDateTimeAsLong: true };
    for (const format of ['json', 'smile'] as const) {
      expect(await client().native.groupBy({ ...query, context }, { format })).toEqual(groups);
    }
    await expect(client().native.groupBy(query, { timestamps: 'date' })).rejects.toThrow("timestamps: 'ms'");
  });

  it('buckets by period, duration and zone, and adds a total', async () => {
    const times = async (wanted: ReturnType<typeof granularity.period | typeof granularity.duration>) =>
      (
        await client().native.timeseries({
          ...base,
          granularity: wanted,
          aggregations: [rows],
          context: { grandTotal: true, skipEmptyBuckets: true },
        })
      ).map(({ timestamp, result }) => [timestamp, result.rows]);
    const midnight = Date.UTC(2026, 0, 1);
    const hour = 3_600_000;
    expect(await times(granularity.period('P1D', { timeZone: 'America/New_York' }))).toEqual([
      [midnight - 19 * hour, 3],
      [midnight + 5 * hour, 2],
      [null, 5],
    ]);
    expect(await times(granularity.duration(2 * hour))).toEqual([
      [midnight, 2],
      [midnight + 2 * hour, 1],
      [midnight + 26 * hour, 1],
      [midnight + 28 * hour, 1],
      [null, 5],
    ]);
  });

  it.each(['json', 'smile'] as const)(
    'aggregates first, last, any, mean and the like, by %s',
    async (format) => {
      const [row] = await client().native.timeseries(
        {
          ...base,
          aggregations: [
            aggregation.longFirst('first', 'n'),
            aggregation.doubleLast('last', 'd'),
            aggregation.stringFirst('page'),
            aggregation.stringLast('lang', 'lang', { maxStringBytes: 100 }),
            aggregation.stringAny('any', 'lang'),
            aggregation.doubleMean('mean', 'd'),
            aggregation.longMin('least', 'n'),
            aggregation.longMax('most', 'n'),
            aggregation.doubleSum('twice', { expression: 'd * 2' }),
            aggregation.floatSum('f', 'd'),
            aggregation.cardinality('langs', ['lang'], { round: true }),
            {
              type: 'expression',
              name: 'folded',
              fields: ['d'],
              initialValue: '0.0',
              fold: '__acc + d',
              combine: '__acc + folded',
              shouldAggregateNullInputs: false,
            },
          ],
        },
        { int64: 'string', format },
      );
      expect(row?.result).toMatchObject({
        first: '1',
        page: 'Main',
        lang: 'en',
        least: '-5',
        most: '9007199254740993',
        twice: 199,
        f: 99.5,
        langs: 3,
        folded: 99.5,
      });
      expect(['en', 'de', 'fr']).toContain(row?.result.any);
    },
  );

  it('computes of aggregations', async () => {
    const [row] = await client().native.timeseries({
      ...base,
      aggregations: [rows, aggregation.doubleSum('sum', 'd'), aggregation.longMin('least', 'n')],
      postAggregations: [
        postAggregation.arithmetic('average', '/', ['sum', 'rows']),
        postAggregation.arithmetic('endless', 'quotient', ['sum', postAggregation.constant('zero', 0)]),
        postAggregation.constant('seven', 7),
        postAggregation.expression('next', 'rows + 1', { outputType: 'LONG' }),
        postAggregation.expression('text', "concat('n', rows)", { outputType: 'STRING' }),
        postAggregation.doubleGreatest('most', ['sum', 'rows']),
        postAggregation.longLeast('lowest', ['least', 'rows']),
      ],
    });
    expect(row?.result).toEqual({
      rows: 5,
      sum: 99.5,
      least: -5,
      average: 19.9,
      endless: Infinity,
      seven: 7,
      next: 6,
      text: 'n5',
      most: 99.5,
      lowest: -5,
    });
  });

  it.each(['json', 'smile'] as const)('finds the first groups, by %s', async (format) => {
    const query = {
      ...base,
      threshold: 2,
      aggregations: [rows, aggregation.doubleSum('sum', 'd')],
      postAggregations: [postAggregation.arithmetic('average', '/', ['sum', 'rows'])],
    } as const;
    const options = { format } as const;
    expect(await client().native.topN({ ...query, dimension: 'lang', metric: 'average' }, options)).toEqual([
      {
        timestamp: Date.UTC(2026, 0, 1),
        result: [
          { lang: 'fr', rows: 1, sum: 100, average: 100 },
          { lang: 'en', rows: 3, sum: 1.75, average: 1.75 / 3 },
        ],
      },
    ]);
    const first = async (metric: TopNMetric) =>
      (
        await client().native.topN(
          { ...query, dimension: dimension.default('lang', { outputName: 'l' }), metric },
          options,
        )
      )[0]?.result.map(({ l }) => l);
    expect(await first({ type: 'dimension', ordering: 'lexicographic' })).toEqual(['de', 'en']);
    expect(await first({ type: 'dimension', previousStop: 'de' })).toEqual(['en', 'fr']);
    expect(await first({ type: 'inverted', metric: 'sum' })).toEqual(['de', 'en']);
  });

  it('groups by extracted, filtered and looked-up dimensions', async () => {
    const map = { type: 'map', map: { en: 'English' } } as const;
    const groups = await client().native.groupBy({
      ...base,
      filter: filter.contains('tags', 'B'),
      dimensions: [
        dimension.extraction('lang', { type: 'upper' }, { outputName: 'upper' }),
        dimension.extraction(
          '__time',
          { type: 'timeFormat', format: 'EEEE', locale: 'en' },
          { outputName: 'weekday' },
        ),
        dimension.listFiltered(dimension.default('tags', { outputName: 'tag' }), ['a', 'c']),
        { type: 'lookup', dimension: 'lang', outputName: 'language', lookup: map, retainMissingValue: true },
      ],
      aggregations: [rows],
      limitSpec: limitSpec(['upper']),
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { upper: 'DE', weekday: 'Thursday', tag: 'c', language: 'de', rows: 1 },
      { upper: 'EN', weekday: 'Thursday', tag: 'a', language: 'English', rows: 1 },
    ]);
    for (const delegate of [
      dimension.prefixFiltered(dimension.default('tags', { outputName: 'tag' }), 'c'),
      dimension.regexFiltered(dimension.default('tags', { outputName: 'tag' }), '^c$'),
    ]) {
      const filtered = await client().native.groupBy({
        ...base,
        dimensions: [delegate],
        aggregations: [rows],
      });
      expect(filtered.map(({ event }) => event)).toContainEqual({ tag: 'c', rows: 1 });
    }
  });

  it('groups several ways at once', async () => {
    const groups = await client().native.groupBy({
      ...base,
      dimensions: ['page', 'lang'],
      aggregations: [rows, aggregation.grouping('without', ['page', 'lang'])],
      subtotalsSpec: [['lang'], []],
    });
    expect(groups.map(({ event }) => event)).toEqual([
      { page: null, lang: 'de', rows: 1, without: 2 },
      { page: null, lang: 'en', rows: 3, without: 2 },
      { page: null, lang: 'fr', rows: 1, without: 2 },
      { page: null, lang: null, rows: 5, without: 3 },
    ]);
  });

  it('keeps the groups that it is told to', async () => {
    const langs = async (condition: ReturnType<typeof having.equalTo>) =>
      (
        await client().native.groupBy({
          ...base,
          dimensions: ['lang'],
          aggregations: [rows],
          having: condition,
        })
      ).map(({ event }) => event.lang);
    expect(await langs(having.equalTo('rows', 1))).toEqual(['de', 'fr']);
    expect(await langs(having.lessThan('rows', 3n))).toEqual(['de', 'fr']);
    expect(await langs(having.not(having.dimSelector('lang', 'de')))).toEqual(['en', 'fr']);
    expect(await langs(having.filter(filter.in('lang', ['en'])))).toEqual(['en']);
    expect(await langs(having.or(having.greaterThan('rows', 2), having.dimSelector('lang', 'fr')))).toEqual([
      'en',
      'fr',
    ]);
    expect(await langs(having.and(having.greaterThan('rows', 2), having.dimSelector('lang', 'fr')))).toEqual(
      [],
    );
  });

  it('says when a query was refused', async () => {
    const wrong = client().native.timeseries({
      ...base,
      postAggregations: [postAggregation.fieldAccess('x', 'nope')],
    });
    await expect(wrong).rejects.toMatchObject({ code: 'DRUID_REMOTE', details: { status: 400 } });
  });

  it('makes records of the rows of a scan while it decodes them', async () => {
    const lists = Array.from({ length: 2000 }, (_, n) => [n * 9_999_991, n / 7, `text ${n % 7}`, `ü${n}`]);
    const records = { n: 'long', d: 'double', s: 'string', u: 'string' } as const;
    const scan = {
      dataSource: dataSource.inline({ n: 'LONG', d: 'DOUBLE', s: 'STRING', u: 'STRING' }, lists),
      intervals: [eternity],
      columns: Object.keys(records),
    } as const;
    const batches = await collect(client().native.scanRecords(scan, { records }));
    expect(batches.flatMap((batch): unknown[] => ('records' in batch ? batch.records : [batch]))).toEqual(
      lists.map(([n, d, s, u]) => ({ n, d, s, u })),
    );
  });

  it.each(['json', 'smile'] as const)('scans with gzip, by %s', async (format) => {
    const lists = Array.from({ length: 2000 }, (_, n) => [n, `text ${n % 7}`]);
    const scan = {
      dataSource: dataSource.inline({ n: 'LONG', s: 'STRING' }, lists),
      intervals: [eternity],
      columns: ['n', 's'],
    } as const;
    const transfers: TransferredBytes[] = [];
    const onTransfer = (transfer: TransferredBytes) => transfers.push(transfer);
    for (const gzip of [false, true]) {
      const batches = await collect(client().native.scan(scan, { format, gzip, onTransfer }));
      expect(batches.flatMap((batch) => batch.rows)).toEqual(lists);
    }
    const [plain, packed] = transfers;
    expect(plain?.networkBytes).toBe(plain?.bytes);
    expect(packed?.bytes).toBeGreaterThan(0.9 * (plain?.bytes ?? 0));
    expect(packed?.networkBytes).toBeLessThan((plain?.bytes ?? 0) / 2);
  });

  it('queries with gzip, natively and by SQL', async () => {
    const transfers: TransferredBytes[] = [];
    const options = { gzip: true, onTransfer: (transfer: TransferredBytes) => transfers.push(transfer) };
    const groups = await client().native.groupBy(
      { ...base, dimensions: ['lang'], aggregations: [rows] },
      options,
    );
    expect(groups).toHaveLength(3);
    expect(await client().sql.query(`SELECT COUNT(*) AS c FROM "${table}"`, options)).toEqual([{ c: 5 }]);
    const query = { queryType: 'timeBoundary', dataSource: table };
    expect(await client().native.query(query, options)).toHaveLength(1);
    expect(transfers).toHaveLength(3);
  });
}
