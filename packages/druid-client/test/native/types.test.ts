import { describe, expectTypeOf, it } from 'vitest';
import {
  aggregation,
  dataSource,
  dimension,
  DruidClient,
  extension,
  filter,
  groupByQuery,
  postAggregation,
  timeseriesQuery,
  type Filter,
  type RecordBatch,
  type ScanBatch,
  type ScanQuery,
} from '../../src/index.js';

const druid = new DruidClient({ url: 'http://localhost:8888' });
const base = { dataSource: 'edits', intervals: ['2026/2027'], granularity: 'day' } as const;

describe('rows of native queries', () => {
  it('have the names and types of their aggregations', () => {
    const query = () =>
      druid.native.timeseries({
        ...base,
        aggregations: [
          aggregation.count('rows'),
          aggregation.longSum('added'),
          aggregation.doubleMax('most', { expression: 'added * 2.0' }),
          aggregation.stringLast('last', 'page', { timeColumn: 'seen' }),
          aggregation.filtered(filter.equals('lang', 'en'), aggregation.longMax('english', 'added')),
          { type: 'floatSum', name: 'f', fieldName: 'ratio' },
          {
            type: 'filtered',
            name: 'named',
            filter: filter.isNull('a'),
            aggregator: { type: 'count', name: 'x' },
          },
        ],
      });
    expectTypeOf(query).returns.resolves.toEqualTypeOf<
      {
        readonly timestamp: number;
        readonly result: {
          rows: number;
          added: number | null;
          most: number | null;
          last: string | null;
          english: number | null;
          f: number | null;
          named: number;
        };
      }[]
    >();
  });

  it('have the types of their columns where a scan makes records', () => {
    const query = {
      dataSource: 'edits',
      intervals: ['2026/2027'],
      columns: ['__time', 'page', 'added', 'd'],
    };
    const records = { __time: 'timestamp', page: 'string', added: 'long', d: 'double', x: 'any' } as const;
    const scan = () => druid.native.scanRecords(query, { records, int64: 'bigint' });
    interface Row {
      __time: number;
      page: string | null;
      added: bigint | null;
      d: number | null;
      x: unknown;
    }
    expectTypeOf(scan).returns.toEqualTypeOf<AsyncIterable<RecordBatch<Row> | ScanBatch>>();
  });

  it('follow the modes', () => {
    const aggregations = [
      aggregation.count('rows'),
      aggregation.longSum('added'),
      aggregation.doubleSum('d'),
    ] as const;
    expectTypeOf(() =>
      druid.native.timeseries({ ...base, aggregations }, { int64: 'bigint', timestamps: 'date' }),
    ).returns.resolves.toEqualTypeOf<
      {
        readonly timestamp: Date;
        readonly result: { rows: bigint; added: bigint | null; d: number | null };
      }[]
    >();
    expectTypeOf(() => druid.native.timeseries({ ...base, aggregations }, { int64: 'string' }))
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<{ rows: string; added: string | null; d: number | null }>();
  });

  it('have a timestamp that may be null with a grand total', () => {
    expectTypeOf(() => druid.native.timeseries({ ...base, context: { grandTotal: true } }))
      .returns.resolves.items.toHaveProperty('timestamp')
      .toEqualTypeOf<number | null>();
    expectTypeOf(() => druid.native.timeseries({ ...base, context: { skipEmptyBuckets: true } }))
      .returns.resolves.items.toHaveProperty('timestamp')
      .toEqualTypeOf<number>();
  });

  it('hold sketches as numbers, or as bytes where they are not finalized', () => {
    expectTypeOf(() =>
      druid.native.timeseries({
        ...base,
        aggregations: [
          aggregation.thetaSketch('users', 'user'),
          aggregation.HLLSketchBuild('hll', 'user', { shouldFinalize: false, lgK: 14 }),
          aggregation.quantilesDoublesSketch('latencies', 'latency', { k: 256 }),
        ],
      }),
    )
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<{ users: number | null; hll: Uint8Array | null; latencies: number | null }>();
    expectTypeOf(() =>
      druid.native.timeseries({
        ...base,
        aggregations: [aggregation.thetaSketch('users', 'user'), aggregation.longSum('added')],
        context: { finalize: false },
      }),
    )
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<{ users: Uint8Array | null; added: number | null }>();
  });

  it('have post-aggregations, whose types may be those of what they refer to', () => {
    expectTypeOf(() =>
      druid.native.timeseries({
        ...base,
        aggregations: [
          aggregation.longSum('added'),
          aggregation.hyperUnique('users'),
          aggregation.quantilesDoublesSketch('q'),
        ],
        postAggregations: [
          postAggregation.arithmetic('average', '/', ['added', postAggregation.constant('two', 2)]),
          postAggregation.fieldAccess('same', 'added'),
          postAggregation.fieldAccess('sketch', 'users'),
          postAggregation.finalizingFieldAccess('estimate', 'users'),
          postAggregation.fieldAccess('nothing', 'nope'),
          postAggregation.expression('e', 'added + 1'),
          postAggregation.expression('text', "concat(added, '!')", { outputType: 'STRING' }),
          postAggregation.quantilesDoublesSketchToQuantiles('quartiles', 'q', { fractions: [0.25, 0.75] }),
          postAggregation.longGreatest('most', ['added']),
        ],
      }),
    )
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<{
        added: number | null;
        users: number | null;
        q: number | null;
        average: number | null;
        same: number | null;
        sketch: Uint8Array | null;
        estimate: number | null;
        nothing: unknown;
        e: unknown;
        text: string | null;
        quartiles: (number | null)[] | null;
        most: number | null;
      }>();
  });

  it('have the names and types of their dimensions', () => {
    const query = () =>
      druid.native.groupBy({
        ...base,
        dimensions: [
          'page',
          dimension.default('added', { outputType: 'LONG' }),
          dimension.default('ratio', { outputName: 'r', outputType: 'FLOAT' }),
          dimension.extraction('__time', { type: 'timeFormat', format: 'EEEE' }, { outputName: 'weekday' }),
          dimension.listFiltered(dimension.default('tags', { outputName: 'tag' }), ['a', 'b']),
          dimension.lookup('lang', 'languages', 'language'),
          { type: 'default', dimension: 'tags', outputName: 'all', outputType: 'ARRAY<STRING>' },
        ],
        aggregations: [aggregation.count('rows')],
      });
    interface Row {
      readonly version: string;
      readonly timestamp: number;
      readonly event: {
        page: string | null;
        added: number | null;
        r: number | null;
        weekday: string | null;
        tag: string | null;
        language: string | null;
        all: (string | null)[] | null;
        rows: number;
      };
    }
    expectTypeOf(query).returns.resolves.toEqualTypeOf<Row[]>();
  });

  it('are the same in a stream and for a query that was kept', () => {
    const query = groupByQuery({
      ...base,
      dimensions: ['page'],
      aggregations: [aggregation.longSum('added')],
    });
    interface Event {
      page: string | null;
      added: number | null;
    }
    expectTypeOf(() => druid.native.streamGroupBy(query)).returns.toEqualTypeOf<
      AsyncIterable<{ readonly version: string; readonly timestamp: number; readonly event: Event }[]>
    >();
    expectTypeOf(() => druid.native.groupBy({ ...query, dataSource: dataSource.query(query) }))
      .returns.resolves.items.toHaveProperty('event')
      .toEqualTypeOf<Event>();
  });

  it('sort a topN by a name of the result only', () => {
    const topN = {
      ...base,
      dimension: 'page',
      threshold: 3,
      aggregations: [aggregation.longSum('added')],
      postAggregations: [postAggregation.arithmetic('twice', '*', ['added', 'added'])],
    } as const;
    expectTypeOf(() => druid.native.topN({ ...topN, metric: 'added' })).returns.resolves.toEqualTypeOf<
      {
        readonly timestamp: number;
        readonly result: readonly { page: string | null; added: number | null; twice: number | null }[];
      }[]
    >();
    void (() => druid.native.topN({ ...topN, metric: 'twice' }));
    void (() => druid.native.topN({ ...topN, metric: { type: 'inverted', metric: 'added' } }));
    // @ts-expect-error no such aggregation
    void (() => druid.native.topN({ ...topN, metric: 'deleted' }));
  });

  it('are open where the query is', () => {
    const aggregations: ReturnType<typeof aggregation.longSum>[] = [];
    expectTypeOf(() => druid.native.timeseries({ ...base, aggregations }))
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<Record<string, number | null>>();
    expectTypeOf(() =>
      druid.native.timeseries({
        ...base,
        aggregations: [extension({ type: 'tDigestSketch', name: 't', fieldName: 'x' })],
      }),
    )
      .returns.resolves.items.toHaveProperty('result')
      .toEqualTypeOf<{ t: unknown }>();
  });

  it('tell one time boundary from both', () => {
    expectTypeOf(() => druid.native.timeBoundary({ dataSource: 'x' })).returns.resolves.toEqualTypeOf<
      { readonly minTime: number; readonly maxTime: number } | undefined
    >();
    expectTypeOf(() =>
      druid.native.timeBoundary({ dataSource: 'x', bound: 'maxTime' }, { timestamps: 'date' }),
    ).returns.resolves.toEqualTypeOf<{ readonly maxTime: Date } | undefined>();
  });
});

describe('native queries', () => {
  it('refuse what Druid would refuse', () => {
    const wrong = { name: 'x', fieldName: 'y' };
    // @ts-expect-error no such type
    void (() => druid.native.timeseries({ ...base, aggregations: [{ ...wrong, type: 'longSun' }] }));
    // @ts-expect-error neither a column nor an expression
    void (() => druid.native.timeseries({ ...base, aggregations: [{ type: 'longSum', name: 'x' }] }));
    // @ts-expect-error a name is missing
    void (() => druid.native.timeseries({ ...base, postAggregations: [{ type: 'constant', value: 1 }] }));
    // @ts-expect-error no such member
    void (() => druid.native.timeseries({ ...base, fitler: filter.isNull('a') }));
    // @ts-expect-error no such granularity
    void (() => druid.native.timeseries({ ...base, granularity: 'daily' }));
    // @ts-expect-error no fraction
    postAggregation.quantilesDoublesSketchToQuantile('median', 'q');
    // @ts-expect-error rows of segments have another shape
    void (() => druid.native.timeseries({ ...base, context: { bySegment: true } }));
    expectTypeOf<{ type: 'equals'; column: 'a' }>().not.toExtend<Filter>();
    expectTypeOf<{ type: 'tDigest' }>().not.toExtend<Filter>();
  });

  it('can be kept and nested', () => {
    const inner = timeseriesQuery({ ...base, aggregations: [aggregation.count('rows')] });
    expectTypeOf(inner.queryType).toEqualTypeOf<'timeseries'>();
    expectTypeOf(dataSource.query(inner)).toExtend<ScanQuery['dataSource']>();
    // @ts-expect-error not a query whose rows another could read
    void (() => dataSource.query({ queryType: 'timeBoundary', dataSource: 'x' }));
  });
});
