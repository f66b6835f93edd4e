import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidAbortedError,
  DruidDecodeError,
  DruidRemoteError,
  DruidTimeoutError,
  DruidTruncatedError,
} from '../src/errors.js';
import { encodeJson } from '../src/json-encode.js';
import { LineBlocks } from '../src/line-blocks.js';
import { SqlRowsFormat } from '../src/sql-rows-format.js';
import { arrayLines, collect, failure, fakeDruid, inPieces, json } from './fake-druid.js';

const columns = [
  ['name', 'STRING', 'VARCHAR'],
  ['n', 'LONG', 'BIGINT'],
] as const;
const twoRows = arrayLines(columns, ['["a",1]', '["b",2]']);

describe('sql.query', () => {
  it('asks for lines with all headers, in UTC, under an id of its own, with typed parameters', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, twoRows));
    const sql = 'SELECT * FROM t WHERE a = ? AND b = ?';
    const rows = await druid
      .client()
      .sql.query(sql, { parameters: ["x' OR 1=1", 9007199254740993n], context: { lane: 'x' } });
    expect(rows).toEqual([
      { name: 'a', n: 1 },
      { name: 'b', n: 2 },
    ]);
    const [request] = druid.seen;
    expect(request).toMatchObject({ method: 'POST', url: '/druid/v2/sql' });
    expect(request?.text).toContain('"value":9007199254740993}');
    expect(request?.body).toMatchObject({
      query: sql,
      resultFormat: 'arrayLines',
      header: true,
      typesHeader: true,
      sqlTypesHeader: true,
      context: { lane: 'x', sqlTimeZone: 'UTC', sqlQueryId: 'q1' },
      parameters: [{ type: 'VARCHAR', value: "x' OR 1=1" }, { type: 'BIGINT' }],
    });
  });

  it("keeps the user's time zone and query id", async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, twoRows));
    await druid
      .client()
      .sql.query('SELECT 1', { context: { sqlTimeZone: 'Europe/Paris', sqlQueryId: 'mine' } });
    expect(druid.seen[0]?.body['context']).toEqual({ sqlTimeZone: 'Europe/Paris', sqlQueryId: 'mine' });
  });

  it('gives an empty result and still its columns', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, []), 5));
    const seen: unknown[] = [];
    const rows = await druid.client().sql.query('SELECT', { onColumns: (found) => seen.push(...found) });
    expect(rows).toEqual([]);
    expect(seen).toEqual([
      { name: 'name', nativeType: 'STRING', sqlType: 'VARCHAR' },
      { name: 'n', nativeType: 'LONG', sqlType: 'BIGINT' },
    ]);
  });

  it('validates rows by the schema and names row and field', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, twoRows));
    const client = druid.client();
    const schema = z.object({ name: z.string(), n: z.number() });
    expect(await client.sql.query('SELECT', { schema })).toHaveLength(2);
    const strict = z.object({ name: z.string(), n: z.number().max(1) });
    const error = await failure(client.sql.query('SELECT', { schema: strict }));
    expect(DruidDecodeError.is(error) && error.details).toMatchObject({ row: 1, column: 'n' });
  });

  it.each([
    ['safe-number', undefined],
    ['bigint', [9223372036854775807n, 5n]],
    ['string', ['9223372036854775807', '5']],
  ] as const)('hands out 64-bit integers as %s', async (int64, expected) => {
    const lines = arrayLines([['id', 'LONG', 'BIGINT']], ['[9223372036854775807]', '[5]']);
    const druid = await fakeDruid((_, response) => inPieces(response, lines));
    const result = druid.client().sql.query('SELECT', { int64, rowFormat: 'array' });
    if (expected) {
      expect((await result).flat()).toEqual(expected);
    } else {
      const error = await failure(result);
      expect(DruidDecodeError.is(error) && error.details).toMatchObject({
        column: 'id',
        row: 0,
        value: '9223372036854775807',
      });
    }
  });

  it('decodes NaN and infinities in DOUBLE columns only, also inside arrays', async () => {
    const lines = arrayLines(
      [
        ['d', 'DOUBLE'],
        ['s', 'STRING', 'VARCHAR'],
        ['a', 'ARRAY<DOUBLE>', 'DOUBLE ARRAY'],
      ],
      ['["NaN","NaN",["Infinity",1]]', '["-Infinity","x",null]'],
    );
    const druid = await fakeDruid((_, response) => inPieces(response, lines));
    expect(await druid.client().sql.query('SELECT')).toEqual([
      { d: Number.NaN, s: 'NaN', a: [Infinity, 1] },
      { d: -Infinity, s: 'x', a: null },
    ]);
  });

  it('loses no column where two have the same name: arrays, or an error that says so', async () => {
    const twice = arrayLines(
      [
        ['a', 'LONG'],
        ['a', 'LONG'],
      ],
      ['[1,2]'],
    );
    const druid = await fakeDruid((_, response) => inPieces(response, twice));
    const { sql } = druid.client();
    expect(await sql.query('SELECT 1 AS a, 2 AS a', { rowFormat: 'array' })).toEqual([[1, 2]]);
    const error = await failure(sql.query('SELECT 1 AS a, 2 AS a'));
    expect(DruidDecodeError.is(error) && error.details).toMatchObject({ column: 'a' });
    expect((error as Error).message).toContain("Give them aliases, or ask for rowFormat: 'array'");
  });

  it('treats __proto__ as a column like any other', async () => {
    const druid = await fakeDruid((_, response) =>
      inPieces(response, arrayLines([['__proto__', 'STRING']], ['["x"]'])),
    );
    const [row] = await druid.client().sql.query('SELECT');
    expect(Object.entries(row ?? {})).toEqual([['__proto__', 'x']]);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
  });

  it.each([429, 502, 503, 504])('repeats after %i, under a new id', async (status) => {
    const druid = await fakeDruid((_, response, n) =>
      n < 3 ? json(response, status, { error: 'x' }) : inPieces(response, twoRows),
    );
    expect(await druid.client().sql.query('SELECT')).toHaveLength(2);
    expect(druid.sleeps).toEqual([200, 400]);
    const ids = druid.seen.map(({ body }) => (body['context'] as { sqlQueryId: string }).sqlQueryId);
    expect(ids).toEqual(['q1', 'q2', 'q3']);
  });

  it.each([400, 401, 403, 500])('does not repeat after %i', async (status) => {
    const druid = await fakeDruid((_, response) => json(response, status, { error: 'x' }));
    expect(DruidRemoteError.is(await failure(druid.client().sql.query('SELECT')))).toBe(true);
    expect(druid.seen).toHaveLength(1);
  });

  it('gives up after the last attempt', async () => {
    const druid = await fakeDruid((_, response) => json(response, 503, { error: 'x' }));
    await failure(druid.client({ retry: { maxAttempts: 3 } }).sql.query('SELECT'));
    expect(druid.seen).toHaveLength(3);
  });
});

describe('sql.stream', () => {
  it('equals JSON.parse for any rows and any chunks', () => {
    const cell = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell)), fc.array(fc.nat()), (rows, places) => {
        const text = arrayLines(
          [
            ['x', 'STRING'],
            ['y', 'STRING'],
          ],
          rows.map(encodeJson),
        );
        const bytes = Buffer.from(text);
        const cuts = [0, ...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
        const format = new SqlRowsFormat({
          int64: 'safe-number',
          asObjects: false,
          operation: 'test',
          onColumns: undefined,
        });
        const found = cuts.slice(1).flatMap((end, i) => format.push(bytes.subarray(cuts[i], end)));
        expect(found).toEqual(JSON.parse(JSON.stringify(rows)));
        expect(format.isComplete).toBe(true);
        expect(format.rowCount).toBe(rows.length);
      }),
    );
  });

  it('hands out rows across chunk boundaries inside characters and escapes', async () => {
    const lines = arrayLines(columns, ['["grün \\"\\n€",1]', '["日本",2]']);
    const druid = await fakeDruid((_, response) => inPieces(response, lines, 1));
    const batches = await collect(druid.client().sql.stream('SELECT', { rowFormat: 'array' }));
    expect(batches.flat()).toEqual([
      ['grün "\n€', 1],
      ['日本', 2],
    ]);
  });

  it('never calls a result complete that was cut off, at whatever byte', async () => {
    const bytes = Buffer.from(arrayLines(columns, ['["a",1]', '["b",2]', '["c",3]']));
    let length = 0;
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 404, {}) : inPieces(response, bytes.subarray(0, length)),
    );
    const client = druid.client({ retry: { maxAttempts: 1 } });
    for (length = 0; length < bytes.length; length++) {
      const rows: unknown[] = [];
      const error = await failure(
        (async () => {
          for await (const batch of client.sql.stream('SELECT')) rows.push(...batch);
        })(),
      );
      expect(DruidTruncatedError.is(error), `cut at ${length}`).toBe(true);
      expect((error as DruidTruncatedError).rowsReceived).toBe(rows.length);
    }
  });

  it('tells how many rows arrived when the connection breaks, and does not repeat', async () => {
    const cutOff = arrayLines(columns, ['["a",1]', '["b",2]', '["c"']).slice(0, -2);
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, cutOff, 40, 'break'),
    );
    const error = await failure(collect(druid.client().sql.stream('SELECT')));
    expect(DruidTruncatedError.is(error) && error.rowsReceived).toBe(2);
    expect(druid.seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it("believes the server's trailer over its own eyes", async () => {
    const druid = await fakeDruid((_, response) => {
      response.writeHead(200, { trailer: 'X-Druid-Response-Complete' });
      response.write(twoRows);
      response.addTrailers({ 'X-Druid-Response-Complete': 'false', 'X-Error-Message': 'Query timeout' });
      response.end();
    });
    const error = await failure(druid.client().sql.query('SELECT'));
    expect(DruidTruncatedError.is(error) && error.details).toMatchObject({
      rowsReceived: 2,
      serverMessage: 'Query timeout',
    });
  });

  it('reports a malformed line as such', async () => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE'
        ? json(response, 404, {})
        : inPieces(response, arrayLines(columns, ['["a",1]', 'oops'])),
    );
    expect(DruidDecodeError.is(await failure(druid.client().sql.query('SELECT')))).toBe(true);
  });

  it('reports a row that is too short as such', async () => {
    const druid = await fakeDruid((request, response) =>
      request.method === 'DELETE'
        ? json(response, 404, {})
        : inPieces(response, arrayLines(columns, ['["a"]'])),
    );
    expect(await failure(druid.client().sql.query('SELECT'))).toMatchObject({ code: 'DRUID_DECODE' });
  });

  it('sends nothing before it is iterated', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, twoRows));
    const stream = druid.client().sql.stream('SELECT');
    expect(druid.seen).toHaveLength(0);
    await collect(stream);
    expect(druid.seen).toHaveLength(1);
  });

  it('cancels the query on the server when the loop is left early, and frees the connection', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(twoRows.slice(0, -1)); // and then stay silent
    });
    for await (const rows of druid.client().sql.stream('SELECT')) {
      expect(rows).toHaveLength(2);
      break;
    }
    expect(druid.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /druid/v2/sql',
      'DELETE /druid/v2/sql/q1',
    ]);
    await expect.poll(() => druid.sockets.size).toBe(0);
  });

  it('cancels the query on the server when it is aborted in the middle', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(twoRows.slice(0, -1));
    });
    const abort = new AbortController();
    const error = await failure(
      (async () => {
        for await (const _ of druid.client().sql.stream('SELECT', { signal: abort.signal })) {
          setImmediate(() => abort.abort(new Error('enough')));
        }
      })(),
    );
    expect(DruidAbortedError.is(error) && (error.cause as Error).message).toBe('enough');
    expect(druid.seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/druid/v2/sql/q1' });
  });

  it('cancels a query that was aborted before its first byte, even if the cancel overtakes it', async () => {
    const abort = new AbortController();
    const druid = await fakeDruid((request, response, n) => {
      if (request.method === 'DELETE') return json(response, n < 3 ? 404 : 202, {});
      return abort.abort();
    });
    const error = await failure(druid.client().sql.query('SELECT', { signal: abort.signal }));
    expect(DruidAbortedError.is(error)).toBe(true);
    expect(druid.seen.map(({ method }) => method)).toEqual(['POST', 'DELETE', 'DELETE']);
  });

  it('sends nothing when it is aborted beforehand', async () => {
    const druid = await fakeDruid(() => undefined);
    expect(
      DruidAbortedError.is(
        await failure(druid.client().sql.query('SELECT', { signal: AbortSignal.abort() })),
      ),
    ).toBe(true);
    expect(druid.seen).toHaveLength(0);
  });

  it('ends and cancels a query on which the server falls silent', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(twoRows.slice(0, -1));
    });
    const error = await failure(druid.client().sql.query('SELECT', { timeoutMs: 50 }));
    expect(DruidTimeoutError.is(error)).toBe(true);
    expect(druid.seen.at(-1)?.method).toBe('DELETE');
  });

  it('does not read ahead of a consumer that pauses', async () => {
    const row = `["${'x'.repeat(1000)}",1]`;
    let written = 0;
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      response.write(arrayLines(columns, []).slice(0, -1));
      const pump = () => {
        while (written < 200_000 && response.write(`${row}\n`)) written++;
        if (written < 200_000) response.once('drain', pump);
      };
      return pump();
    });
    for await (const _ of druid.client().sql.stream('SELECT')) {
      let before = -1;
      // Until the sockets' buffers are full, the server goes on; then it must stop.
      await expect
        .poll(() => ([before, (before = written)] as const)[0] === written, { interval: 100 })
        .toBe(true);
      break;
    }
    expect(written).toBeLessThan(50_000);
  });

  it('ends in an error when the client is closed, and still cancels', async () => {
    const druid = await fakeDruid((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {});
      response.writeHead(200);
      return response.write(twoRows.slice(0, -1));
    });
    const client = druid.client();
    const error = await failure(
      (async () => {
        for await (const _ of client.sql.stream('SELECT')) client.close();
      })(),
    );
    expect(DruidAbortedError.is(error)).toBe(true);
    expect(druid.seen.at(-1)?.method).toBe('DELETE');
  });
});

describe('LineBlocks in use', () => {
  it('holds a long line in pieces without joining them again and again', () => {
    const lines = new LineBlocks();
    const piece = Buffer.alloc(1024, 0x31);
    for (let i = 0; i < 5000; i++) expect(lines.push(piece)).toBe('');
    expect(lines.push(Buffer.from('\n'))).toHaveLength(5000 * 1024 + 1);
  });
});
