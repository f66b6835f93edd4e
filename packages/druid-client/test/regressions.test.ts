/** How other clients and sinks of Druid are known to fail, and that this one does not. */
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DruidClient,
  DruidDecodeError,
  DruidError,
  DruidRemoteError,
  extern,
  selectExtern,
  sql,
} from '../src/index.js';
import { arrayLines, collect, failure, fakeDruid, inPieces, json } from './fake-druid.js';
import { load, uniqueName } from './load.js';

const formats = ['object', 'array', 'objectLines', 'arrayLines', 'csv'] as const;

let server: EmbeddedDruid;
let client: DruidClient;

beforeAll(async () => {
  server = await EmbeddedDruid.start();
  client = new DruidClient({ url: server.url });
});

afterAll(async () => {
  client.close();
  await server.stop();
});

/** The same server and query as `read`, behind an answer that ends cleanly after each of its bytes in turn. */
async function cutAnywhere(read: (druid: DruidClient) => AsyncIterable<unknown> | Promise<unknown>) {
  let whole: Buffer = Buffer.alloc(0);
  let length: number | undefined;
  const proxy = await fakeDruid(async ({ method, url, text }, response) => {
    const answer = await fetch(server.url + url, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(text === '' ? {} : { body: text }),
    });
    whole = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(whole.subarray(0, length ?? whole.length));
  });
  const druid = proxy.client({ retry: { maxAttempts: 1 } });
  const run = async (): Promise<unknown> => {
    const result = read(druid);
    return Symbol.asyncIterator in result ? collect(result) : result;
  };
  await run();
  const wholeLength = whole.length;
  const believed: string[] = [];
  for (length = 0; length < wholeLength; length++) {
    const error = await run().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!DruidError.is(error)) believed.push(whole.subarray(0, length).toString());
  }
  return { wholeLength, believed };
}

describe('pydruid ends silently where a result is truncated', () => {
  const two = 'SELECT server, server_type FROM sys.servers';
  const scan = { dataSource: 'cut', intervals: ['2024/2025'], columns: ['__time', 's'] };

  beforeAll(() =>
    load(client, {
      datasource: 'cut',
      dimensions: ['s'],
      lines: [`{"t":"2024-01-01","s":"a\\"]}\\n"}`, `{"t":"2024-01-01","s":""}`, `{"t":"2024-01-02"}`],
    }),
  );

  it.each<readonly [string, (druid: DruidClient) => AsyncIterable<unknown> | Promise<unknown>]>([
    ['sql.query', (druid: DruidClient) => druid.sql.query(two)],
    ['sql.stream', (druid: DruidClient) => druid.sql.stream('SELECT s, __time FROM cut')],
    ['native.scan', (druid: DruidClient) => druid.native.scan(scan)],
    [
      'native.query',
      (druid: DruidClient) =>
        druid.native.query({ queryType: 'timeBoundary', dataSource: 'cut' }, { int64: 'bigint' }),
    ],
    ...formats.map(
      (resultFormat) =>
        [
          `sql.streamBytes ${resultFormat}`,
          (druid: DruidClient) =>
            druid.sql.streamBytes('SELECT s, __time FROM cut', { resultFormat, header: true }),
        ] as const,
    ),
  ])('%s is an error wherever its answer ends, however cleanly', async (_, read) => {
    const { wholeLength, believed } = await cutAnywhere(read);
    expect(wholeLength).toBeGreaterThan(50);
    // All that a JSON array may lack is the line break behind it.
    expect(believed.filter((text) => !/^\[[^]*\]$/.test(text))).toEqual([]);
    expect(believed.length).toBeLessThanOrEqual(1);
  });
});

describe('pydruid builds parameters by string interpolation', () => {
  it('keeps text and values apart, whatever either holds', async () => {
    const druid = await fakeDruid((_, response) =>
      inPieces(response, arrayLines([['n', 'LONG', 'BIGINT']], ['[1]'])),
    );
    const text = "SELECT COUNT(*) AS n FROM t WHERE a = ? AND b LIKE '%s%%' AND c = '{0}' AND d = ?";
    const values = ["x' OR 1=1 --", '%s ? {0} $1 :name'];
    await druid.client().sql.query(text, { parameters: values });
    expect(druid.seen[0]?.body).toMatchObject({
      query: text,
      parameters: values.map((value) => ({ type: 'VARCHAR', value })),
    });
  });
});

describe('Cube sends every parameter as VARCHAR', () => {
  it('sends each with its own type, so that numbers and times compare as such', async () => {
    const datasource = uniqueName('typed');
    await load(client, {
      datasource,
      dimensions: [
        { type: 'long', name: 'n' },
        { type: 'double', name: 'd' },
      ],
      lines: [9, 10, 100].map((n) => `{"t":"2024-01-01T00:00:00.${n + 100}Z","n":${n},"d":${n}.5}`),
    });
    const found = async (condition: ReturnType<typeof sql>): Promise<unknown[]> =>
      (
        await client.sql.query(
          sql`SELECT n FROM ${sql.identifier(datasource)} WHERE ${condition} ORDER BY __time`,
          {
            rowFormat: 'array',
          },
        )
      ).flat();
    expect(await found(sql`n > ${9}`)).toEqual([10, 100]);
    expect(await found(sql`n IN (${sql.list([100n, 9])})`)).toEqual([9, 100]);
    expect(await found(sql`d > ${9.5}`)).toEqual([10, 100]);
    expect(await found(sql`__time > ${new Date('2024-01-01T00:00:00.109Z')}`)).toEqual([10, 100]);
    expect(await found(sql`(n > 10) = ${true}`)).toEqual([100]);
  });
});

describe('Cube cancels on the wrong path', () => {
  it.each<[string, (druid: DruidClient, signal: AbortSignal) => Promise<unknown>, RegExp]>([
    ['SQL', (druid, signal) => druid.sql.query('SELECT 1', { signal }), /^\/druid\/v2\/sql\/(.+)$/],
    [
      'a native query',
      (druid, signal) => druid.native.query({ queryType: 'timeBoundary', dataSource: 't' }, { signal }),
      /^\/druid\/v2\/(.+)$/,
    ],
    [
      'a scan',
      (druid, signal) =>
        collect(druid.native.scan({ dataSource: 't', intervals: ['2024/2025'], columns: ['s'] }, { signal })),
      /^\/druid\/v2\/(.+)$/,
    ],
  ])('cancels %s by the id that it was sent with', async (_, run, path) => {
    const aborting = new AbortController();
    let cancelled: (url: string) => void = () => undefined;
    const cancellation = new Promise<string>((resolve) => (cancelled = resolve));
    const druid = await fakeDruid(({ method, url }, response) => {
      if (method === 'POST') return aborting.abort(); // and never an answer
      response.writeHead(202).end();
      cancelled(url);
    });
    await failure(run(druid.client(), aborting.signal));
    const context = druid.seen[0]?.body['context'] as { sqlQueryId?: string; queryId?: string };
    expect(path.exec(await cancellation)?.[1]).toBe(context.sqlQueryId ?? context.queryId);
  });
});

describe("SeaTunnel's sink ignores the HTTP status", () => {
  const task = { type: 'index_parallel', id: 'load', spec: {} };

  it.each([400, 401, 403, 404, 409, 500, 501, 502])(
    'takes no answer %i for a submission, even where its body looks like one',
    async (status) => {
      const druid = await fakeDruid((_, response) => json(response, status, { task: 'load' }));
      const error = await failure(druid.client({ retry: { maxAttempts: 1 } }).tasks.submit(task));
      expect(DruidRemoteError.is(error) && error.details.status).toBe(status);
    },
  );

  it('takes no 200 without a task for one', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, { ok: true }));
    expect(DruidDecodeError.is(await failure(druid.client().tasks.submit(task)))).toBe(true);
  });
});

describe("SeaTunnel's sink never clears its buffer", () => {
  it('writes into a statement the rows of its call, and no others', () => {
    const signature = { ts: 'string', s: 'string' } as const;
    const rows = [{ ts: '2024-01-01', s: 'first' }];
    const first = extern({ input: { rows }, signature });
    rows.push({ ts: '2024-01-01', s: 'second' });
    expect(first.toStatement().text).not.toContain('second');
    const second = extern({ input: { rows: rows.slice(1) }, signature });
    expect(second.toStatement().text).not.toContain('first');
  });
});

describe("SeaTunnel's sink replaces the hour on every flush, and stamps all rows with one time", () => {
  it('appends where it is told to, and leaves every row its own time', async () => {
    const datasource = uniqueName('appended');
    const flush = async (minutes: readonly number[], appendToExisting: boolean): Promise<void> => {
      const lines = minutes.map(
        (minute) => `{"t":"2024-01-01T00:${String(minute).padStart(2, '0')}:00Z","n":${minute}}`,
      );
      const { taskId } = await client.tasks.submit({
        type: 'index_parallel',
        id: `${datasource}-${minutes.join('-')}`,
        spec: {
          dataSchema: {
            dataSource: datasource,
            timestampSpec: { column: 't', format: 'iso' },
            dimensionsSpec: { dimensions: [{ type: 'long', name: 'n' }] },
            granularitySpec: { segmentGranularity: 'HOUR', queryGranularity: 'NONE', rollup: false },
          },
          ioConfig: {
            type: 'index_parallel',
            inputSource: { type: 'inline', data: lines.join('\n') },
            inputFormat: { type: 'json' },
            appendToExisting,
          },
          tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
        },
      });
      expect(await client.tasks.waitFor(taskId, { pollIntervalMs: 5 })).toMatchObject({
        statusCode: 'SUCCESS',
      });
    };
    const times = async (): Promise<unknown[]> =>
      (
        await client.sql.query(
          sql`SELECT EXTRACT(MINUTE FROM __time), n FROM ${sql.identifier(datasource)} ORDER BY __time`,
          { rowFormat: 'array' },
        )
      ).map(([minute, n]) => (expect(minute).toBe(n), n));
    await flush([1, 2], true);
    await flush([3], true);
    expect(await times()).toEqual([1, 2, 3]);
    await flush([4], false);
    expect(await times()).toEqual([4]);
  });

  it('has the time of a multi-stage load chosen among the columns', () => {
    const table = { input: { rows: [] }, signature: { ts: 'string', s: 'string' } } as const;
    expect(selectExtern(table, { column: 'ts' }).toStatement().text).toContain(
      'TIME_PARSE("ts") AS "__time"',
    );
    expect(() => selectExtern(table, { column: '__time' })).toThrow(/not in the signature/);
  });
});

describe("SeaTunnel's sink shifts columns on null", () => {
  it('reads every value under its own name, wherever nulls and gaps are', async () => {
    const datasource = uniqueName('nulls');
    const names = ['a', 'b', 'c'];
    const rows = [
      { a: null, b: 'b0', c: 'c0' },
      { b: 'b1' },
      { c: 'c2', a: 'a2', b: null },
      { a: '', b: 'b3', c: null },
    ];
    await load(client, {
      datasource,
      dimensions: names,
      lines: rows.map((row, i) => JSON.stringify({ t: `2024-01-01T00:00:0${i}Z`, ...row })),
    });
    const expected = rows.map((row: Record<string, string | null>) => ({
      a: null,
      b: null,
      c: null,
      ...row,
    }));
    const query = sql`SELECT a, b, c FROM ${sql.identifier(datasource)} ORDER BY __time`;
    expect(await client.sql.query(query)).toEqual(expected);
    expect(await client.sql.query(query, { rowFormat: 'array' })).toEqual(
      expected.map(({ a, b, c }) => [a, b, c]),
    );
    const columns = { c: 'string', a: 'string', b: 'string' } as const;
    expect(await client.sql.query(query, { columns })).toEqual(expected);
    const scanned = await collect(
      client.native.scan({ dataSource: datasource, intervals: ['2024/2025'], columns: names }),
    );
    expect(scanned.flatMap((batch) => batch.rows)).toEqual(expected.map(({ a, b, c }) => [a, b, c]));
    const csv = await collect(client.sql.streamBytes(query, { resultFormat: 'csv' }));
    expect(Buffer.concat(csv).toString()).toBe(',b0,c0\n,b1,\na2,,c2\n,b3,\n\n');
  });

  it('refuses a row that has fewer values than there are columns', async () => {
    const columns = [
      ['a', 'STRING', 'VARCHAR'],
      ['b', 'STRING', 'VARCHAR'],
    ] as const;
    const druid = await fakeDruid((_, response) =>
      inPieces(response, arrayLines(columns, ['["x","y"]', '["z"]'])),
    );
    const error = await failure(druid.client().sql.query('SELECT a, b FROM t'));
    expect(DruidDecodeError.is(error) && error.message).toContain('Row 1');
  });
});
