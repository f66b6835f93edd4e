import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidConfigError,
  DruidDecodeError,
  DruidRemoteError,
  DruidTimeoutError,
  DruidTruncatedError,
} from '../../src/errors.js';
import { sql } from '../../src/sql-template.js';
import { collect, failure, fakeDruid, json, type Handler } from '../fake-druid.js';

const schema = [
  { name: '__time', type: 'TIMESTAMP', nativeType: 'LONG' },
  { name: 'n', type: 'BIGINT', nativeType: 'LONG' },
  { name: 'x', type: 'DOUBLE', nativeType: 'DOUBLE' },
];
const status = (state: string, more = {}) => ({
  queryId: 'query-s',
  state,
  createdAt: 't',
  schema,
  durationMs: -1,
  ...more,
});
const result = (...numRows: (number | undefined)[]) => ({
  result: {
    numTotalRows: numRows.reduce((sum: number, n) => sum + (n ?? 0), 0),
    totalSizeInBytes: 9,
    dataSource: '__query_select',
    pages: numRows.map((n, id) => ({ id, numRows: n, sizeInBytes: 9 })),
  },
});
const line = (n: number | string) => `{"__time":1767225600000,"n":${n},"x":"NaN"}\n`;

/** A server with a successful statement, whose pages are texts; null breaks the connection after one row. */
function pages(found: object, ...texts: (string | null)[]) {
  const handler: Handler = ({ url }, response) => {
    const page = /results\?page=(\d+)&resultFormat=objectLines/.exec(url)?.[1];
    if (page === undefined) return json(response, 200, found);
    const text = texts[Number(page)];
    if (typeof text === 'string') return response.writeHead(200).end(text);
    response.writeHead(200).write(line(1));
    return setImmediate(() => response.destroy());
  };
  return fakeDruid(handler);
}

describe('statements.submit', () => {
  it('takes a template, and shows the line at fault', async () => {
    const error = { errorMessage: "Object 'nope' not found (line [1], column [23])" };
    const druid = await fakeDruid((_, response) => json(response, 400, { state: 'FAILED', error }));
    const refused = await failure(druid.client().statements.submit(sql`SELECT ${1} AS one FROM nope`));
    expect(druid.seen[0]?.body).toMatchObject({
      query: 'SELECT ? AS one FROM nope',
      parameters: [{ type: 'BIGINT', value: 1 }],
    });
    expect(DruidRemoteError.is(refused) && refused.details.sqlPosition).toMatchObject({ column: 23 });
  });

  it('runs asynchronously under the id of its task', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status('ACCEPTED')));
    const accepted = await druid.client().statements.submit('SELECT ?', { sqlQueryId: 's', parameters: [1] });
    expect(accepted).toMatchObject({
      queryId: 'query-s',
      state: 'ACCEPTED',
      durationMs: undefined,
      result: undefined,
    });
    expect(druid.seen[0]?.body).toMatchObject({
      context: { executionMode: 'ASYNC', sqlQueryId: 's', sqlTimeZone: 'UTC' },
      parameters: [{ type: 'BIGINT', value: 1 }],
    });
  });

  it('finds the statement of an earlier try instead of running it twice', async () => {
    const druid = await fakeDruid(({ method }, response) =>
      method === 'POST'
        ? json(response, 500, { error: 'druidException', errorMessage: 'Task[query-s] already exists' })
        : json(response, 200, status('RUNNING')),
    );
    expect(await druid.client().statements.submit('SELECT 1', { sqlQueryId: 's' })).toMatchObject({
      state: 'RUNNING',
    });
    expect(druid.seen.map(({ url }) => url)).toEqual([
      '/druid/v2/sql/statements',
      '/druid/v2/sql/statements/query-s',
    ]);
  });
});

describe('statements.waitFor and cancel', () => {
  it('resolves on SUCCESS and FAILED, with what Druid said', async () => {
    const errorDetails = { errorCode: 'InsertTimeNull', errorMessage: 'Null timestamp' };
    const druid = await fakeDruid((_, response, n) =>
      json(response, 200, n === 1 ? status('RUNNING') : status('FAILED', { errorDetails })),
    );
    const states: string[] = [];
    const { statements } = druid.client();
    const last = await statements.waitFor('query-s', { onStatus: ({ state }) => states.push(state) });
    expect(last.errorDetails).toEqual(errorDetails);
    expect(states).toEqual(['RUNNING', 'FAILED']);
    const error = await failure(collect(statements.results('query-s')));
    expect((error as Error).message).toContain('it is FAILED (Null timestamp)');
  });

  it('ends at the time limit', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status('RUNNING')));
    let clock = 0;
    const client = druid.client({ now: () => clock, sleep: async (ms) => void (clock += ms) });
    const error = await failure(client.statements.waitFor('query-s', { timeoutMs: 900 }));
    expect(DruidTimeoutError.is(error)).toBe(true);
  });

  it('tells unknown statements apart', async () => {
    const druid = await fakeDruid((_, response) => json(response, 404, { error: 'druidException' }));
    const { statements } = druid.client();
    expect(await statements.status('query-s', { detail: true })).toBeUndefined();
    expect(await statements.cancel('query-s')).toBe(false);
    const error = await failure(statements.waitFor('query-s'));
    expect(DruidRemoteError.is(error) && error.details.status).toBe(404);
    expect(druid.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /druid/v2/sql/statements/query-s?detail=true',
      'DELETE /druid/v2/sql/statements/query-s',
      'GET /druid/v2/sql/statements/query-s',
    ]);
  });
});

describe('statements.results', () => {
  const success = (...numRows: (number | undefined)[]) => status('SUCCESS', result(...numRows));

  it('hands out all pages, with exact integers, and times as milliseconds', async () => {
    const druid = await pages(
      success(2, 0, 1),
      `${line(1)}${line('9007199254740993')}\n`,
      '\n',
      `${line(3)}\n`,
    );
    const read: number[] = [];
    const rows = await collect(
      druid.client().statements.results('query-s', { int64: 'bigint', onPage: ({ id }) => read.push(id) }),
    );
    expect(rows.flat()).toEqual(
      [1n, 9007199254740993n, 3n].map((n) => ({ __time: 1767225600000, n, x: Number.NaN })),
    );
    expect(read).toEqual([0, 1, 2]);
  });

  it('goes on from a page, and checks rows by a schema', async () => {
    const druid = await pages(success(1, 1), `${line(1)}\n`, `${line(2)}\n`);
    const { statements } = druid.client();
    const rowSchema = z.object({ n: z.number() });
    const rows = await collect(statements.results('query-s', { fromPage: 1, schema: rowSchema }));
    expect(rows.flat()).toEqual([{ n: 2 }]);
    const wrong = await failure(
      collect(statements.results('query-s', { schema: z.object({ n: z.string() }) })),
    );
    expect(DruidDecodeError.is(wrong) && wrong.details).toMatchObject({ row: 0, column: 'n' });
  });

  it('decodes by declared columns, and reads no more than the pages asked for', async () => {
    const druid = await pages(
      success(1, 1, 1),
      `${line(1)}\n`,
      `${line('9007199254740993')}\n`,
      `${line(3)}\n`,
    );
    const { statements } = druid.client();
    const columns = { n: 'long not null', __time: 'timestamp not null' } as const;
    let networkBytes = 0;
    const one = {
      fromPage: 1,
      toPage: 1,
      onTransfer: (transfer: { networkBytes: number }) => void (networkBytes += transfer.networkBytes),
    };
    const rows = await collect(statements.results('query-s', { ...one, columns, int64: 'string' }));
    expect(rows.flat()).toEqual([{ n: '9007199254740993', __time: 1767225600000 }]);
    expect(druid.seen.map(({ url }) => url).filter((url) => url.includes('results'))).toEqual([
      '/druid/v2/sql/statements/query-s/results?page=1&resultFormat=objectLines',
    ]);
    expect(networkBytes).toBe(line('9007199254740993').length + 1);
    const unsafe = await failure(collect(statements.results('query-s', { ...one, columns })));
    expect(DruidDecodeError.is(unsafe) && unsafe.details).toMatchObject({ column: 'n', row: 0 });
    const missing = await failure(collect(statements.results('query-s', { columns: { y: 'long' } })));
    expect((missing as Error).message).toContain("no column 'y'");
  });

  it.each([-1, 0.5, Number.NaN])('refuses to go on from page %s', async (fromPage) => {
    const druid = await pages(success(1));
    const error = await failure(collect(druid.client().statements.results('query-s', { fromPage })));
    expect(DruidConfigError.is(error) && error.details.option).toBe('fromPage');
    expect(druid.seen).toEqual([]);
  });

  it.each<[string, number | undefined, string | null, number]>([
    ['fewer rows than announced', 2, `${line(1)}\n`, 1],
    ['more rows than announced', 1, `${line(1)}${line(2)}\n`, 2],
    ['a line cut in two', 1, line(1).slice(0, 9), 0],
    ['no blank line where no number was announced', undefined, line(1), 1],
    ['a broken connection', 2, null, 1],
  ])('ends in an error on %s', async (_, numRows, text, rowsReceived) => {
    const druid = await pages(success(numRows), text);
    const error = await failure(collect(druid.client().statements.results('query-s')));
    expect(DruidTruncatedError.is(error) && error.details).toMatchObject({
      rowsReceived,
      queryId: 'query-s',
    });
  });

  it('refuses a result whose pages Druid cannot tell, which is not an empty one', async () => {
    const unlisted = { result: { dataSource: '__query_select', numTotalRows: null, pages: null } };
    const unknown = await pages(status('SUCCESS', unlisted));
    const error = await failure(collect(unknown.client().statements.results('query-s')));
    expect((error as Error).message).toContain('does not say which pages');
    const empty = await pages(success());
    expect(await collect(empty.client().statements.results('query-s'))).toEqual([]);
  });

  it('refuses pages that do not add up, and rows of another shape', async () => {
    const wrongSum = { ...result(1), result: { ...result(1).result, numTotalRows: 5 } };
    const first = await pages(status('SUCCESS', wrongSum), `${line(1)}\n`);
    const sum = await failure(collect(first.client().statements.results('query-s')));
    expect((sum as Error).message).toContain('hold 1 rows together, but its result has 5');
    const second = await pages(success(1), '{"n":1,"x":1}\n\n');
    const shape = await failure(collect(second.client().statements.results('query-s')));
    expect(DruidDecodeError.is(shape) && shape.details.column).toBe('__time');
  });
});
