import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidConfigError,
  DruidDecodeError,
  DruidRemoteError,
  DruidTruncatedError,
} from '../../src/errors.js';
import { filter } from '../../src/native/filters.js';
import { collect, failure, fakeDruid, inPieces, json } from '../fake-druid.js';
import { SmileEncoder } from '../smile-encode.js';

const element = (rows: string, segment = 's1') =>
  `{"segmentId":"${segment}","columns":["__time","id","d"],"events":${rows},` +
  `"rowSignature":[{"name":"d","type":"DOUBLE"},{"name":"__time","type":"LONG"},{"name":"id","type":"LONG"}]}`;
const scan = { dataSource: 'edits', intervals: ['2020/2021'], columns: ['__time', 'id', 'd'] };

describe('native.scan', () => {
  it('asks for compactedList under an id of its own and hands out batches with their types', async () => {
    const body = `[${element('[[1,2,"NaN"],[3,4,0.5]]')},${element('[[5,6,1.0]]', 's2')}]`;
    const druid = await fakeDruid((_, response) => inPieces(response, body, 7));
    const batches = await collect(
      druid.client().native.scan({ ...scan, batchSize: 2, filter: { type: 'true' } }),
    );
    const types = ['LONG', 'LONG', 'DOUBLE'];
    expect(batches).toEqual([
      {
        segmentId: 's1',
        columns: scan.columns,
        types,
        rows: [
          [1, 2, Number.NaN],
          [3, 4, 0.5],
        ],
      },
      { segmentId: 's2', columns: scan.columns, types, rows: [[5, 6, 1]] },
    ]);
    expect(druid.seen[0]?.body).toEqual({
      queryType: 'scan',
      resultFormat: 'compactedList',
      ...scan,
      batchSize: 2,
      filter: { type: 'true' },
      context: { queryId: 'q1' },
    });
  });

  it('asks for Smile and reads the same rows from it', async () => {
    const types = { __time: 'LONG', id: 'LONG', d: 'DOUBLE' };
    const rowSignature = Object.entries(types).map(([name, type]) => ({ name, type }));
    const events = [
      [1700000000000, 9007199254740993n, Number.NaN],
      [0, 7, -0],
    ];
    const answer = new SmileEncoder({ names: true, strings: false }).document([
      { segmentId: 's1', columns: scan.columns, events, rowSignature },
      { segmentId: 's2', columns: scan.columns, events: [], rowSignature },
    ]);
    const druid = await fakeDruid((_, response) => inPieces(response, answer, 7));
    const batches = await collect(druid.client().native.scan(scan, { format: 'smile', int64: 'bigint' }));
    expect(druid.seen[0]?.headers.accept).toBe('application/x-jackson-smile');
    expect(batches).toEqual([
      {
        segmentId: 's1',
        columns: scan.columns,
        types: Object.values(types),
        rows: [
          [1700000000000, 9007199254740993n, Number.NaN],
          [0, 7n, -0],
        ],
      },
      { segmentId: 's2', columns: scan.columns, types: Object.values(types), rows: [] },
    ]);
  });

  it('reads JSON from a server that knows no Smile', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, `[${element('[[1,2,3]]')}]`));
    const [batch] = await collect(druid.client().native.scan(scan, { format: 'smile' }));
    expect(batch?.rows).toEqual([[1, 2, 3]]);
  });

  it('never calls Smile complete that was cut off, at whatever byte', async () => {
    const events = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const bytes = new SmileEncoder({ names: true, strings: true }).document([
      { segmentId: 's1', columns: scan.columns, events },
    ]);
    let length = 0;
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, bytes.subarray(0, length)),
    );
    const client = druid.client({ retry: { maxAttempts: 1 } });
    for (length = 0; length < bytes.length; length++) {
      let rows = 0;
      const error = await failure(
        (async () => {
          for await (const batch of client.native.scan(scan, { format: 'smile' })) rows += batch.rows.length;
        })(),
      );
      expect(DruidTruncatedError.is(error), `cut at ${length}`).toBe(true);
      expect((error as DruidTruncatedError).rowsReceived).toBe(rows);
    }
  });

  it.each([
    ['whole', (bytes: Buffer) => bytes, 'Query timed out'],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, 20), undefined],
  ])('understands a refusal in Smile, %s', async (_, cut, errorMessage) => {
    const bytes = new SmileEncoder({ names: true, strings: false }).document({
      error: 'druidException',
      category: 'TIMEOUT',
      errorMessage: 'Query timed out',
    });
    const druid = await fakeDruid((_request, response) => {
      response.writeHead(504, { 'Content-Type': 'application/x-jackson-smile' });
      response.end(cut(bytes));
    });
    const client = druid.client({ retry: { maxAttempts: 1 } });
    const error = await failure(collect(client.native.scan(scan, { format: 'smile' })));
    expect(DruidRemoteError.is(error) && error.details).toMatchObject({ status: 504 });
    expect(DruidRemoteError.is(error) && error.details.druid.errorMessage).toBe(errorMessage);
  });

  it('pins segments', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, '[]'));
    const segments = [{ itvl: '2020-01-01/2020-01-02', ver: 'v', part: 3 }];
    await collect(druid.client().native.scan({ dataSource: 'edits', segments, columns: ['a'] }));
    expect(druid.seen[0]?.body['intervals']).toEqual({ type: 'segments', segments });
    expect(druid.seen[0]?.body).not.toHaveProperty('segments');
  });

  it('surfaces missing segments before the first batch', async () => {
    const missing = [{ itvl: '2020/2021', ver: 'v', part: 0 }];
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [], {
        'X-Druid-Response-Context': JSON.stringify({ missingSegments: missing, x: 1 }),
      }),
    );
    const infos: unknown[] = [];
    await collect(druid.client().native.scan(scan, { onResponse: (info) => infos.push(info) }));
    expect(infos).toEqual([{ queryId: 'q1', context: { missingSegments: missing, x: 1 } }]);
  });

  it('tolerates a response context that Druid cut off', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [], { 'X-Druid-Response-Context': '{"missing' }),
    );
    const infos: unknown[] = [];
    await collect(druid.client().native.scan(scan, { onResponse: (info) => infos.push(info) }));
    expect(infos).toEqual([{ queryId: 'q1', context: undefined }]);
  });

  it.each([
    ['bigint', [1700000000000, 9007199254740993n, 0.5]],
    ['string', [1700000000000, '9007199254740993', 0.5]],
  ] as const)('keeps integers exact as %s', async (int64, row) => {
    const druid = await fakeDruid((_, response) =>
      inPieces(response, `[${element('[[1700000000000,9007199254740993,0.5]]')}]`),
    );
    const [batch] = await collect(druid.client().native.scan(scan, { int64 }));
    expect(batch?.rows).toEqual([row]);
  });

  it('refuses to round an integer, and names its column', async () => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE'
        ? json(response, 202, {})
        : inPieces(response, `[${element('[[0,9007199254740993,0]]')}]`),
    );
    const error = await failure(collect(druid.client().native.scan(scan)));
    expect(DruidDecodeError.is(error) && error.details).toMatchObject({ column: 'id', row: 0 });
  });

  it('never calls a result complete that was cut off, at whatever byte', async () => {
    const bytes = Buffer.from(`[${element('[[1,2,3]]')},${element('[[4,5,6],[7,8,9]]')}]`);
    let length = 0;
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, bytes.subarray(0, length)),
    );
    const client = druid.client({ retry: { maxAttempts: 1 } });
    for (length = 0; length < bytes.length; length++) {
      let rows = 0;
      const error = await failure(
        (async () => {
          for await (const batch of client.native.scan(scan)) rows += batch.rows.length;
        })(),
      );
      expect(DruidTruncatedError.is(error), `cut at ${length}`).toBe(true);
      expect((error as DruidTruncatedError).rowsReceived).toBe(rows);
    }
  });

  it('cancels on the native path when the loop is left early', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(`[${element('[[1,2,3]]')},`);
    });
    for await (const _ of druid.client().native.scan(scan)) break;
    expect(druid.seen.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual(['DELETE /druid/v2/q1']);
  });

  it('never turns a filter with NaN into one without bounds, nor a parameter into null', async () => {
    const druid = await fakeDruid(() => undefined);
    const { native, sql } = druid.client();
    for (const call of [
      collect(native.scan({ ...scan, filter: filter.range('d', { gt: Number.NaN }) })),
      sql.query('SELECT ?', { parameters: [{ type: 'DOUBLE', value: Infinity }] }),
    ]) {
      const error = await failure(call);
      expect(DruidConfigError.is(error) && error.message).toContain('no number that JSON can carry');
    }
    expect(druid.seen).toEqual([]);
  });

  it('refuses a scan without columns', async () => {
    const druid = await fakeDruid(() => undefined);
    for (const columns of [[], undefined as never]) {
      const error = await failure(collect(druid.client().native.scan({ ...scan, columns })));
      expect(DruidConfigError.is(error) && error.message).toContain("at least one entry in 'columns'");
    }
  });
});

describe('native.query', () => {
  it('returns what Druid says, checked by the schema', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [{ timestamp: 't', result: { n: 1 } }]),
    );
    const schema = z.array(z.object({ result: z.object({ n: z.number() }) }));
    const result = await druid
      .client()
      .native.query({ queryType: 'timeseries', dataSource: 'x' }, { schema });
    expect(result).toEqual([{ result: { n: 1 } }]);
    expect(druid.seen[0]?.body).toEqual({
      queryType: 'timeseries',
      dataSource: 'x',
      context: { queryId: 'q1' },
    });
  });

  it('does not round', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, '[{"max":9223372036854775807}]'));
    const client = druid.client();
    const query = { queryType: 'timeseries' };
    expect(DruidDecodeError.is(await failure(client.native.query(query)))).toBe(true);
    expect(await client.native.query(query, { int64: 'bigint' })).toEqual([{ max: 9223372036854775807n }]);
  });

  it('takes half an answer for an error', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, '[{"a":1}'));
    expect(await failure(druid.client().native.query({ queryType: 'x' }))).toMatchObject({
      code: 'DRUID_DECODE',
    });
  });
});
