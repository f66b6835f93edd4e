import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { aggregation, dimension, filter, postAggregation } from '../../src/index.js';
import { SmileReader } from '../../src/smile-decode.js';
import { collect, failure, fakeDruid, inPieces, json } from '../fake-druid.js';
import { SmileEncoder } from '../smile-encode.js';

const base = { dataSource: 'edits', intervals: ['2026/2027'], granularity: 'day' } as const;
const at = '2026-01-01T00:00:00.000Z';
const atMs = Date.UTC(2026, 0, 1);

describe('native.timeseries, topN, groupBy and search', () => {
  it('send what they were given, with their type', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, []));
    const { native } = druid.client();
    const more = {
      aggregations: [aggregation.count('c')],
      filter: filter.equals('n', 9007199254740993n),
    } as const;
    await native.timeseries({ ...base, ...more, descending: true });
    await native.topN({ ...base, ...more, dimension: 'page', threshold: 2, metric: 'c' });
    await native.groupBy({ ...base, ...more, dimensions: ['page'] });
    await native.search({ ...base, query: { type: 'all' } });
    expect(druid.seen.map(({ body }) => body['queryType'])).toEqual([
      'timeseries',
      'topN',
      'groupBy',
      'search',
    ]);
    expect(druid.seen[0]?.body).toMatchObject({ ...base, descending: true, context: { queryId: 'q1' } });
    expect(druid.seen[0]?.text).toContain('"matchValueType":"LONG","matchValue":9007199254740993}');
  });

  it('keep what they do not know', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [{ timestamp: at, result: { c: 1, more: [1] }, extra: 2 }]),
    );
    const rows = await druid.client().native.timeseries({ ...base, aggregations: [aggregation.count('c')] });
    expect(rows).toEqual([{ timestamp: atMs, result: { c: 1, more: [1] }, extra: 2 }]);
  });

  it.each([
    ['text for a number', { c: 'x' }, 'c', 'long'],
    ['null for a count', { c: null }, 'c', 'long'],
    ['nothing for a count', {}, 'c', 'long'],
    ['a number for text', { c: 1, s: 5 }, 's', 'string'],
    ['an object for a double', { c: 1, d: {} }, 'd', 'double'],
    ['no base64 for a sketch', { c: 1, b: '!' }, 'b', 'bytes'],
    ['a number for an array', { c: 1, q: 1 }, 'q', 'array<double>'],
  ])('refuse %s', async (_, result, column, kind) => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE'
        ? json(response, 202, {})
        : json(response, 200, [{ timestamp: at, result }]),
    );
    const error = await failure(
      druid.client().native.timeseries({
        ...base,
        aggregations: [
          aggregation.count('c'),
          aggregation.stringAny('s'),
          aggregation.doubleSum('d'),
          aggregation.thetaSketch('b', 'x', { shouldFinalize: false }),
        ],
        postAggregations: [postAggregation.KllDoublesSketchToCDF('q', 'd', { splitPoints: [1] })],
      }),
    );
    expect(error).toMatchObject({ code: 'DRUID_DECODE', details: { column, row: 0 } });
    expect((error as Error).message).toContain(`where ${kind} was expected`);
  });

  it('take members that are missing for null, and special numbers', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [{ version: 'v1', timestamp: atMs, event: { d: 'NaN', f: '-Infinity' } }]),
    );
    const [row] = await druid.client().native.groupBy({
      ...base,
      dimensions: ['page'],
      aggregations: [aggregation.doubleSum('d'), aggregation.floatMin('f'), aggregation.longSum('n')],
    });
    expect(row).toEqual({
      version: 'v1',
      timestamp: atMs,
      event: { page: null, d: Number.NaN, f: -Infinity, n: null },
    });
  });

  it('do not round inside of what has no type', async () => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE'
        ? json(response, 202, {})
        : inPieces(response, `[{"timestamp":"${at}","result":{"e":[9007199254740993]}}]`),
    );
    const { native } = druid.client();
    const query = { ...base, postAggregations: [postAggregation.expression('e', 'x')] } as const;
    expect(await failure(native.timeseries(query))).toMatchObject({
      details: { column: 'e', value: '9007199254740993' },
    });
    const [row] = await native.timeseries(query, { int64: 'string' });
    expect(row?.result.e).toEqual(['9007199254740993']);
  });

  it('take "__proto__" for a name like any other', async () => {
    const druid = await fakeDruid((_, response) =>
      inPieces(response, `[{"version":"v1","timestamp":"${at}","event":{"__proto__":"x"}}]`),
    );
    const [row] = await druid.client().native.groupBy({ ...base, dimensions: ['__proto__'] });
    expect(Object.entries(row?.event ?? {})).toEqual([['__proto__', 'x']]);
  });

  it.each([
    ['another shape', [{ timestamp: at, rows: [] }]],
    ['a number', [1]],
    ['no time', [{ timestamp: 'yesterday', result: {} }]],
  ])('refuse %s', async (_, answer) => {
    const druid = await fakeDruid((request, response) =>
      json(response, request.method === 'DELETE' ? 202 : 200, answer),
    );
    expect(await failure(druid.client().native.timeseries(base))).toMatchObject({ code: 'DRUID_DECODE' });
  });

  it.each(['bySegment', 'resultAsArray'])('refuse the context %s before anything is sent', async (key) => {
    const druid = await fakeDruid(() => undefined);
    const context = { [key]: true } as Record<never, never>;
    const error = await failure(druid.client().native.groupBy({ ...base, dimensions: [], context }));
    expect(error).toMatchObject({ code: 'DRUID_CONFIG', details: { option: `context.${key}` } });
    expect(druid.seen).toEqual([]);
  });

  it('never call an answer complete that was cut off, at whatever byte', async () => {
    const event = (page: string) => `{"version":"v1","timestamp":"${at}","event":{"page":"${page}","c":1}}`;
    const bytes = Buffer.from(`[${event('a')},${event('grün')},${event('c')}]`);
    let length = 0;
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, bytes.subarray(0, length)),
    );
    const { native } = druid.client({ retry: { maxAttempts: 1 } });
    const query = { ...base, dimensions: ['page'], aggregations: [aggregation.count('c')] } as const;
    for (length = 0; length < bytes.length; length++) {
      let seen = 0;
      const error = await failure(
        (async () => {
          for await (const batch of native.streamGroupBy(query)) seen += batch.length;
        })(),
      );
      expect(error, `cut at ${length}`).toMatchObject({ code: 'DRUID_TRUNCATED', rowsReceived: seen });
    }
  });

  it('cancel the query when the stream is left early', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(`[{"version":"v1","timestamp":"${at}","event":{}},`);
    });
    for await (const _ of druid.client().native.streamGroupBy({ ...base, dimensions: [] })) break;
    expect(druid.seen.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual(['DELETE /druid/v2/q1']);
  });

  it('give the same rows by JSON and by Smile, and those that were sent', async () => {
    const long = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt(-9n, 9n));
    const event = fc.record({
      page: fc.option(fc.string({ unit: 'binary' })),
      n: fc.option(long),
      d: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      q: fc.option(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 3 })),
    });
    let answer: Buffer = Buffer.alloc(0);
    const druid = await fakeDruid((_, response) => inPieces(response, answer, 64));
    const { native } = druid.client();
    const query = {
      ...base,
      dimensions: ['page'],
      aggregations: [aggregation.longSum('n'), aggregation.doubleSum('d')],
      postAggregations: [postAggregation.quantilesDoublesSketchToQuantiles('q', 'd', { fractions: [0.5] })],
    } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 5 }), async (events) => {
        const sent = events.map((each) => ({ version: 'v1', timestamp: at, event: each }));
        const texts = [
          Buffer.from(jsonOf(sent)),
          new SmileEncoder({ names: true, strings: true }).document(sent),
        ];
        for (answer of texts) {
          const batches = await collect(native.streamGroupBy(query, { int64: 'bigint' }));
          expect(batches.flat()).toEqual(
            events.map((each) => ({ version: 'v1', timestamp: atMs, event: each })),
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('a result in one piece', () => {
  it('is decoded item by item in Smile, not from its start for every chunk', async () => {
    const result = Array.from({ length: 2000 }, (_, n) => ({ page: `page ${n}`, c: n }));
    const bytes = new SmileEncoder({ names: true, strings: true }).document([{ timestamp: at, result }]);
    const original = SmileReader.prototype.value;
    let values = 0;
    const counting = vi.spyOn(SmileReader.prototype, 'value').mockImplementation(function (
      this: SmileReader,
    ) {
      values++;
      return original.call(this);
    });
    onTestFinished(() => counting.mockRestore());
    const druid = await fakeDruid((_, response) => inPieces(response, bytes, 100));
    const [row] = await druid.client().native.topN({
      ...base,
      dimension: 'page',
      threshold: 2000,
      metric: 'c',
      aggregations: [aggregation.count('c')],
    });
    expect(row?.result).toEqual(result);
    expect(values).toBeLessThan(4 * 2000 + 2 * (bytes.length / 100) * 3);
  });
});

describe('native.timeBoundary, dataSourceMetadata and segmentMetadata', () => {
  it('give undefined where there is nothing', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, []));
    const { native } = druid.client();
    expect(await native.timeBoundary({ dataSource: 'x' })).toBeUndefined();
    expect(await native.dataSourceMetadata({ dataSource: 'x' })).toBeUndefined();
    expect(await native.segmentMetadata({ dataSource: 'x' })).toEqual([]);
  });

  it('check what they are given', async () => {
    const druid = await fakeDruid((request, response) =>
      json(response, request.method === 'DELETE' ? 202 : 200, [
        { timestamp: at, result: { maxTime: 'soon' } },
      ]),
    );
    const { native } = druid.client();
    expect(await failure(native.timeBoundary({ dataSource: 'x' }))).toMatchObject({
      code: 'DRUID_DECODE',
      details: { column: 'maxTime' },
    });
    expect(await failure(native.segmentMetadata({ dataSource: 'x' }))).toMatchObject({
      code: 'DRUID_DECODE',
    });
  });
});

describe('dimension', () => {
  it('names its output as Druid does', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [
        { version: 'v1', timestamp: at, event: { a: '1', b: 2, c: '3', d: ['x', null] } },
      ]),
    );
    const [row] = await druid.client().native.groupBy({
      ...base,
      dimensions: [
        dimension.extraction('a', { type: 'upper' }),
        dimension.default('x', { outputName: 'b', outputType: 'LONG' }),
        dimension.prefixFiltered(dimension.lookup('y', 'names', 'c'), 'p'),
        dimension.default('d', { outputType: 'ARRAY<STRING>' }),
      ],
    });
    expect(row?.event).toEqual({ a: '1', b: 2, c: '3', d: ['x', null] });
  });
});

function jsonOf(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Object.is(value, -0)) return '-0.0';
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${jsonOf(member)}`)
    .join(',')}}`;
}
