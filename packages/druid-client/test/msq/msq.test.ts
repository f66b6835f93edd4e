import { describe, expect, it } from 'vitest';
import { DruidConfigError, DruidRemoteError } from '../../src/errors.js';
import type { MsqReport } from '../../src/msq/msq-report.js';
import { sql } from '../../src/sql-template.js';
import { failure, fakeDruid, json, type Handler } from '../fake-druid.js';

const taken = { taskId: 'query-load', state: 'RUNNING' };
const exists = {
  error: 'druidException',
  errorCode: 'general',
  errorMessage: 'Task[query-load] already exists',
};
const status = (statusCode: string) => ({
  task: 'query-load',
  status: {
    id: 'query-load',
    type: 'query_controller',
    statusCode,
    runnerStatusCode: 'RUNNING',
    duration: 5,
  },
});
const known: Handler = (_, response) => json(response, 200, status('RUNNING'));
const unknown: Handler = (_, response) => response.writeHead(404).end('Cannot find any task');

/** Answers posts by `post`, and questions for the task by `get`. */
function server(post: Handler, get: Handler) {
  let posts = 0;
  return fakeDruid((request, response) =>
    request.method === 'POST' ? post(request, response, ++posts) : get(request, response, 0),
  );
}

describe('msq.submit', () => {
  it('sends the query with its id, in UTC, with typed parameters', async () => {
    const druid = await server((_, response) => json(response, 202, taken), unknown);
    const options = { sqlQueryId: 'load', context: { maxNumTasks: 3 }, parameters: [7, 'a'] };
    expect(await druid.client().msq.submit('INSERT … ? ?', options)).toEqual({
      taskId: 'query-load',
      sqlQueryId: 'load',
      alreadyExists: false,
    });
    expect(druid.seen.map(({ url, body }) => [url, body])).toEqual([
      [
        '/druid/v2/sql/task',
        {
          query: 'INSERT … ? ?',
          context: { sqlTimeZone: 'UTC', arrayIngestMode: 'array', maxNumTasks: 3, sqlQueryId: 'load' },
          parameters: [
            { type: 'BIGINT', value: 7 },
            { type: 'VARCHAR', value: 'a' },
          ],
        },
      ],
    ]);
  });

  it.each<[string, Handler]>([
    ['500 "already exists" (27)', (_, response) => json(response, 500, exists)],
    [
      '400 "already exists"',
      (_, response) => json(response, 400, { ...exists, errorCode: 'entryAlreadyExists' }),
    ],
    ['a broken connection', (_, response) => response.destroy()],
    ['504', (_, response) => json(response, 504, {})],
    ['an answer that is no JSON', (_, response) => response.writeHead(200).end('<html>')],
  ])('asks for the task after %s, and does not post again if there is one', async (_, post) => {
    const druid = await server(post, known);
    const submission = await druid.client().msq.submit('INSERT …', { sqlQueryId: 'load' });
    expect(submission).toEqual({ taskId: 'query-load', sqlQueryId: 'load', alreadyExists: true });
    expect(druid.seen.map(({ method, url }) => [method, url])).toEqual([
      ['POST', '/druid/v2/sql/task'],
      ['GET', '/druid/indexer/v1/task/query-load/status'],
    ]);
  });

  it('posts again, with the same id, if the server knows no task', async () => {
    const druid = await server(
      (_, response, n) => (n === 1 ? response.destroy() : json(response, 202, taken)),
      unknown,
    );
    expect(await druid.client().msq.submit('INSERT …')).toMatchObject({ alreadyExists: false });
    const ids = druid.seen.filter(({ method }) => method === 'POST').map(({ body }) => body['context']);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toEqual(ids[1]);
  });

  it('refuses bad SQL at once, with the words inside the wrapper of the multi-stage engine', async () => {
    const error = {
      error: 'druidException',
      category: 'INVALID_INPUT',
      errorMessage: 'Received an unexpected token',
    };
    const druid = await server(
      (_, response) => json(response, 400, { taskId: 'load', state: 'FAILED', error }),
      unknown,
    );
    const refused = await failure(druid.client().msq.submit('INSERT'));
    expect(DruidRemoteError.is(refused) && refused.details.druid).toMatchObject(error);
    expect(druid.seen).toHaveLength(1);
  });

  it('takes a template, which brings its parameters', async () => {
    const druid = await server((_, response) => json(response, 202, taken), unknown);
    const { msq } = druid.client();
    await msq.submit(sql`INSERT INTO t SELECT * FROM u WHERE a = ${"x'"} PARTITIONED BY ALL`);
    expect(druid.seen[0]?.body).toMatchObject({
      query: 'INSERT INTO t SELECT * FROM u WHERE a = ? PARTITIONED BY ALL',
      parameters: [{ type: 'VARCHAR', value: "x'" }],
    });
    const both = msq.submit(sql`SELECT ${1}`, { parameters: [2] });
    expect(DruidConfigError.is(await failure(both))).toBe(true);
    expect(druid.seen).toHaveLength(1);
  });

  it('shows the line at fault, also to one who asked for the task in between', async () => {
    const error = {
      error: 'druidException',
      errorMessage: "Column 'nope' not found in any table (line [2], column [8])",
      context: { sourceType: 'sql', line: '2', column: '8', endLine: '2', endColumn: '11' },
    };
    for (const code of [400, 500]) {
      const druid = await server(
        (_, response) => json(response, code, { taskId: 'load', state: 'FAILED', error }),
        unknown,
      );
      const query = 'INSERT INTO t\nSELECT nope FROM u PARTITIONED BY ALL';
      const refused = await failure(druid.client({ retry: { maxAttempts: 1 } }).msq.submit(query));
      expect(DruidRemoteError.is(refused) && refused.details.sqlPosition).toMatchObject({
        line: 2,
        column: 8,
        endColumn: 11,
      });
      expect((refused as Error).message).toContain(
        '  2 | SELECT nope FROM u PARTITIONED BY ALL\n    |        ^^^^',
      );
    }
  });

  it.each(['', 'a/b', 'a\nb'])('refuses the id %j', async (sqlQueryId) => {
    const druid = await fakeDruid(() => undefined);
    expect(DruidConfigError.is(await failure(druid.client().msq.submit('INSERT', { sqlQueryId })))).toBe(
      true,
    );
    expect(druid.seen).toEqual([]);
  });
});

const payload = {
  status: {
    status: 'SUCCESS',
    startTime: 't',
    durationMs: 3640,
    pendingTasks: -1,
    runningTasks: 2,
    warnings: [],
  },
  stages: [
    {
      stageNumber: 0,
      definition: { input: [{ type: 'external' }, { type: 'stage' }] },
      phase: 'FINISHED',
      duration: 4,
    },
    { stageNumber: 1, definition: { input: [{ type: 'stage' }] }, sort: true },
  ],
  counters: {
    '0': {
      '0': {
        input0: { type: 'channel', rows: [3, 4], bytes: [10], files: [1] },
        input1: { type: 'channel', rows: [9] },
      },
      '1': { input0: { type: 'channel', rows: [5] } },
    },
    '1': {
      '0': {
        input0: { type: 'channel', rows: [12] },
        segmentGenerationProgress: { type: 'segmentGenerationProgress', rowsMerged: 12, rowsPushed: 11 },
      },
    },
  },
};
const report = (more = {}) => ({
  multiStageQuery: { taskId: 'query-load', payload: { ...payload, ...more } },
});

describe('msq.report', () => {
  it('sums what was read from outside and written, over all workers', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, report({ segmentReport: { numSegments: 2 } })),
    );
    expect(await druid.client().msq.report('query-load')).toMatchObject({
      status: 'SUCCESS',
      durationMs: 3640,
      pendingTasks: undefined,
      totals: { rowsRead: 12, bytesRead: 10, filesRead: 1, rowsWritten: 11 },
      stages: [{ phase: 'FINISHED', durationMs: 4 }, { sort: true }],
      payload: { segmentReport: { numSegments: 2 } },
    });
  });

  it('names code, worker and stage of an error', async () => {
    const errorReport = {
      taskId: 'query-load-worker0_0',
      host: 'h:8091',
      stageNumber: 1,
      error: { errorCode: 'RowTooLarge', maxFrameSize: 7, errorMessage: 'Row too large' },
    };
    const failed = { status: { status: 'FAILED', errorReport, warnings: [errorReport] } };
    const druid = await fakeDruid((_, response) => json(response, 200, report(failed)));
    const found = await druid.client().msq.report('query-load');
    const expected = {
      errorCode: 'RowTooLarge',
      errorMessage: 'Row too large',
      taskId: 'query-load-worker0_0',
      host: 'h:8091',
      stageNumber: 1,
      fault: { maxFrameSize: 7 },
    };
    expect(found?.error).toMatchObject(expected);
    expect(found?.warnings).toMatchObject([expected]);
  });

  it('is undefined while there is none', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1 ? response.writeHead(404).end('No task reports were found') : json(response, 200, {}),
    );
    const { msq } = druid.client();
    expect(await msq.report('query-load')).toBeUndefined();
    expect(await msq.report('query-load')).toBeUndefined();
  });
});

describe('msq.waitFor', () => {
  it('reports progress, survives a report that cannot be had, and ends with the report', async () => {
    let looks = 0;
    let reports = 0;
    const druid = await fakeDruid(({ url }, response) => {
      if (url.endsWith('status')) return json(response, 200, status(++looks < 3 ? 'RUNNING' : 'FAILED'));
      return ++reports === 1 ? json(response, 400, {}) : json(response, 200, report());
    });
    const seen: MsqReport[] = [];
    const outcome = await druid.client().msq.waitFor('query-load', { onProgress: (r) => void seen.push(r) });
    expect(outcome.status.statusCode).toBe('FAILED');
    expect(outcome.report?.taskId).toBe('query-load');
    expect(seen).toHaveLength(1);
    expect(reports).toBe(3);
  });
});
