import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DruidHttp } from '../../src/contract/druid-http.js';
import { ingestionTask, lines } from '../../src/contract/fixtures.js';
import type { EmbeddedDruid } from '../../src/index.js';
import { startDruid } from './support/client.js';

const SQL = '/druid/v2/sql';
const TASK = '/druid/indexer/v1/task';
const one = (dataSource: string, more: Record<string, unknown> = {}): Record<string, unknown> =>
  ingestionTask({
    dataSource,
    dimensions: ['k'],
    data: '{"__time":"2024-01-01T00:00:00Z","k":"a"}',
    ...more,
  });

let druid: EmbeddedDruid;
let http: DruidHttp;

beforeEach(async () => ({ druid, http } = await startDruid()));
afterEach(() => druid.stop());

describe('starting and stopping', () => {
  it('stops twice without harm and refuses connections afterwards', async () => {
    await druid.stop();
    await druid.stop();
    await expect(http.get('/status/health')).rejects.toThrow();
  });

  it('fails running tasks when it stops', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'embedded-stop-'));
    const slow = await startDruid({ dataDir, ingestDelayMs: 60_000 });
    await slow.http.submit(one('x', { id: 'slow' }));
    await slow.druid.stop();
    const again = await startDruid({ dataDir });
    expect(await again.http.ended('slow')).toMatchObject({
      status: 'FAILED',
      errorMsg: 'The server was stopped',
    });
    await again.druid.stop();
    await rm(dataDir, { recursive: true });
  });

  it('keeps everything in a dataDir', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'embedded-keep-'));
    const first = await startDruid({ dataDir });
    await first.http.run(one('kept', { id: 'k1' }));
    const before = await first.http.rows('SELECT segment_id, num_rows, version FROM sys.segments');
    await first.druid.stop();
    const second = await startDruid({ dataDir });
    expect(await second.http.rows('SELECT segment_id, num_rows, version FROM sys.segments')).toEqual(before);
    await second.http.run(one('kept', { appendToExisting: true }));
    expect(await second.http.rows('SELECT COUNT(*) FROM kept')).toEqual([[2]]);
    expect((await second.http.submit(one('kept', { id: 'k1' }))).status).toBe(400);
    await second.druid.stop();
    await rm(dataDir, { recursive: true });
  });

  it('takes versions and creation times from the clock, and still moves versions on when it stands still', async () => {
    const now = Date.UTC(2030, 0, 1);
    const still = await startDruid({ clock: { now: () => now } });
    await still.http.run(one('x', { id: 'a' }));
    await still.http.run(one('x', { id: 'b' }));
    expect(await still.http.rows('SELECT version, is_overshadowed FROM sys.segments ORDER BY 1')).toEqual([
      ['2030-01-01T00:00:00.000Z', 1],
      ['2030-01-01T00:00:00.001Z', 0],
    ]);
    expect(await still.http.ended('a')).toMatchObject({ createdTime: '2030-01-01T00:00:00.000Z' });
    await still.druid.stop();
  });
});

describe('tasks', () => {
  it('shows RUNNING for ingestDelayMs, and can be shut down', async () => {
    const slow = await startDruid({ ingestDelayMs: 60_000 });
    await slow.http.submit(one('x', { id: 'slow' }));
    expect(JSON.parse((await slow.http.get(`${TASK}/slow/status`)).text)).toMatchObject({
      status: { status: 'RUNNING', duration: -1 },
    });
    await slow.http.request('POST', `${TASK}/slow/shutdown`);
    expect(await slow.http.ended('slow')).toMatchObject({
      status: 'FAILED',
      errorMsg: 'Task shut down by user request',
    });
    await slow.druid.stop();
  });

  it('fails when the HTTP input breaks off, and publishes nothing', async () => {
    let asked = 0;
    const source = createServer((_, response) => {
      asked += 1;
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"__time":"2024-01-01T00:00:00Z","k":"a"}\n', () => response.destroy());
    });
    await new Promise<void>((done) => source.listen(0, '127.0.0.1', done));
    const uri = `http://127.0.0.1:${(source.address() as AddressInfo).port}/x`;
    const status = await http.run(one('broken', { inputSource: { type: 'http', uris: [uri] } }));
    expect(status['status']).toBe('FAILED');
    expect(asked).toBe(3);
    expect((await http.sql('SELECT COUNT(*) FROM broken')).text).toContain("Object 'broken' not found");
    source.close();
  });

  it('replaces only the chunks that have rows, and hides the rest of an interval with dropExisting', async () => {
    const days = (list: number[]): string =>
      lines(list.map((day) => ({ __time: `2024-01-0${day}T00:00:00Z`, k: `d${day}` })));
    await http.run(one('x', { data: days([1, 2, 3]) }));
    await http.run(one('x', { data: days([2]), intervals: ['2024-01-01/2024-01-03'], dropExisting: true }));
    expect(await http.rows('SELECT k FROM x ORDER BY __time')).toEqual([['d2'], ['d3']]);
    const segments = await http.rows(
      `SELECT num_rows, is_active FROM sys.segments WHERE shard_spec LIKE '%tombstone%'`,
    );
    expect(segments).toEqual([[0, 1]]);
  });

  it('shows what is left of a day when an hour of it was replaced', async () => {
    const hours = (list: number[], k: string): string =>
      lines(list.map((hour) => ({ __time: `2024-01-01T0${hour}:00:00Z`, k: `${k}${hour}` })));
    await http.run(one('x', { data: hours([1, 2, 3], 'old') }));
    await http.run(one('x', { data: hours([2], 'new'), segmentGranularity: 'HOUR' }));
    expect(await http.rows('SELECT k FROM x ORDER BY __time')).toEqual([['old1'], ['new2'], ['old3']]);
    const intervals = ['2024-01-01/2024-01-02'];
    const count = {
      queryType: 'timeseries',
      dataSource: 'x',
      intervals,
      granularity: 'all',
      aggregations: [{ type: 'count', name: 'c' }],
    };
    expect(await http.native(count)).toMatchObject([{ result: { c: 3 } }]);
  });

  it('appends finer chunks to the coarser segment that is there', async () => {
    await http.run(one('x'));
    await http.run(
      one('x', {
        data: '{"__time":"2024-01-01T05:00:00Z","k":"b"}',
        segmentGranularity: 'HOUR',
        appendToExisting: true,
      }),
    );
    expect(await http.rows('SELECT "end", partition_num FROM sys.segments ORDER BY partition_num')).toEqual([
      ['2024-01-02T00:00:00.000Z', 0],
      ['2024-01-02T00:00:00.000Z', 1],
    ]);
  });

  it('reads a column whose type changed as the wider type', async () => {
    const day = (number: number, v: unknown, type: string): Record<string, unknown> =>
      one('x', {
        data: JSON.stringify({ __time: `2024-01-0${number}T00:00:00Z`, v }),
        dimensions: [{ type, name: 'v' }],
      });
    await http.run(day(1, 7, 'long'));
    await http.run(day(2, 2.5, 'double'));
    expect(await http.rows('SELECT v FROM x ORDER BY __time')).toEqual([[7], [2.5]]);
    await http.run(day(3, 'text', 'string'));
    expect(await http.rows('SELECT v FROM x ORDER BY __time DESC LIMIT 1')).toEqual([['text']]);
  });

  it('runs many tasks at once into one datasource', async () => {
    const tasks = Array.from({ length: 20 }, (_, index) =>
      one('x', { id: `t${index}`, appendToExisting: true }),
    );
    const ends = await Promise.all(tasks.map((task) => http.run(task)));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['SUCCESS']));
    expect(await http.rows('SELECT COUNT(*) FROM x')).toEqual([[20]]);
    const partitions = (await http.rows('SELECT partition_num FROM sys.segments ORDER BY 1')).flat();
    expect(partitions).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it('fails a task with a multi-value string rather than storing something else', async () => {
    const status = await http.run(one('x', { data: '{"__time":"2024-01-01T00:00:00Z","k":["a","b"]}' }));
    expect(status['errorMsg']).toMatch(/multi-value string .* is not supported by EmbeddedDruid/);
  });

  it.each([
    ['a file that it reads at once', [1, 2]],
    ['a file that it reads line by line', [1, 'x']],
  ])('gives every row the text of a transform, in %s', async (_, numbers) => {
    const data = numbers
      .map((n) => JSON.stringify({ __time: '2024-01-01T00:00:00Z', k: 'old', n }))
      .join('\n');
    const task = one('x', { data }) as { spec: Record<string, Record<string, unknown>> };
    task.spec['dataSchema'] = {
      ...task.spec['dataSchema'],
      dimensionsSpec: { dimensions: ['k', { type: 'long', name: 'n' }] },
      transformSpec: { transforms: [{ type: 'expression', name: 'k', expression: "'new'" }] },
    };
    await http.run(task);
    const rows = await http.rows('SELECT k, COUNT(*) FROM x GROUP BY 1');
    expect(rows.map(([k]) => k)).toEqual(['new']);
  });

  it.each([
    [
      'a transform that computes something',
      (spec: Record<string, Record<string, unknown>>) =>
        ((spec['dataSchema'] as Record<string, unknown>)['transformSpec'] = {
          transforms: [{ type: 'expression', name: 'k', expression: 'upper("k")' }],
        }),
    ],
    [
      'an unknown input format',
      (spec: Record<string, Record<string, unknown>>) =>
        ((spec['ioConfig'] as Record<string, unknown>)['inputFormat'] = { type: 'orc' }),
    ],
    [
      'hashed partitions',
      (spec: Record<string, Record<string, unknown>>) =>
        ((spec['tuningConfig'] as Record<string, unknown>)['partitionsSpec'] = { type: 'hashed' }),
    ],
  ])('refuses %s with 501', async (_, change) => {
    const task = one('x') as { spec: Record<string, Record<string, unknown>> };
    change(task.spec);
    const answer = await http.submit(task);
    expect(answer.status).toBe(501);
    expect(JSON.parse(answer.text)).toMatchObject({
      error: 'druidException',
      category: 'UNSUPPORTED',
      context: { server: 'EmbeddedDruid' },
    });
  });
});

describe('supervisors', () => {
  const spec = { type: 'kafka', spec: { dataSchema: { dataSource: 's' }, ioConfig: { topic: 'clicks' } } };
  const path = '/druid/indexer/v1/supervisor';

  it('refuses to run one, because it consumes nothing', async () => {
    expect((await http.request('POST', path, spec)).status).toBe(501);
    expect(await http.json(path)).toEqual([]);
  });

  it('stores a suspended one and says so', async () => {
    expect(JSON.parse((await http.request('POST', path, { ...spec, suspended: true })).text)).toEqual({
      id: 's',
    });
    expect(await http.json(`${path}/s/status`)).toMatchObject({
      id: 's',
      payload: { state: 'SUSPENDED', stream: 'clicks' },
    });
    expect((await http.request('POST', `${path}/s/resume`)).status).toBe(501);
    expect(await http.rows('SELECT supervisor_id, state, suspended FROM sys.supervisors')).toEqual([
      ['s', 'SUSPENDED', 1],
    ]);
    await http.request('POST', `${path}/s/terminate`);
    expect(await http.json(path)).toEqual([]);
  });
});

describe('deleting', () => {
  it('marks a datasource unused', async () => {
    await http.run(one('x'));
    await http.request('DELETE', '/druid/coordinator/v1/datasources/x');
    expect(await http.json('/druid/coordinator/v1/datasources')).toEqual([]);
    await http.run(one('x'));
    expect(await http.rows('SELECT COUNT(*) FROM x')).toEqual([[1]]);
  });

  it('marks the segments of an interval unused', async () => {
    await http.run(
      one('x', { data: lines([1, 2].map((day) => ({ __time: `2024-01-0${day}T00:00:00Z`, k: `d${day}` }))) }),
    );
    await http.request('POST', '/druid/indexer/v1/datasources/x/markUnused', {
      interval: '2024-01-01/2024-01-02',
    });
    expect(await http.rows('SELECT k FROM x')).toEqual([['d2']]);
  });

  it('marks segments unused by id', async () => {
    await http.run(one('x'));
    const [id] = (await http.json('/druid/coordinator/v1/datasources/x/segments')) as string[];
    const path = '/druid/coordinator/v1/datasources/x/markUnused';
    const answer = await http.request('POST', path, { segmentIds: [id, 'nope'] });
    expect(JSON.parse(answer.text)).toEqual({ numChangedSegments: 1, segmentStateChanged: true });
    expect((await http.request('POST', path, {})).status).toBe(400);
  });

  it('drops what was hidden for longer than Druid keeps it', async () => {
    let now = Date.UTC(2030, 0, 1);
    const aging = await startDruid({ clock: { now: () => now } });
    await aging.http.run(one('x'));
    await aging.http.run(one('x'));
    now += 16 * 60_000;
    await aging.http.run(one('x', { appendToExisting: true }));
    await aging.http.until('the hidden segment to go', async () =>
      (await aging.http.rows('SELECT COUNT(*) FROM sys.segments'))[0]?.[0] === 2 ? true : undefined,
    );
    expect(await aging.http.rows('SELECT COUNT(*) FROM x')).toEqual([[2]]);
    await aging.druid.stop();
  });
});

describe('queries', () => {
  it('cancels a running statement by its id', async () => {
    const data = lines(
      Array.from({ length: 2000 }, (_, n) => ({ __time: '2024-01-01T00:00:00Z', k: `k${n}` })),
    );
    await http.run(one('x', { data }));
    const heavy =
      "SELECT COUNT(*) FROM x a CROSS JOIN x b CROSS JOIN x c WHERE a.k || b.k || c.k = 'nothing'";
    const running = http.sql(heavy, { context: { sqlQueryId: 'heavy' } });
    const cancelled = await http.until('the statement to run', async () => {
      const { status } = await http.request('DELETE', `${SQL}/heavy`);
      return status === 202 ? status : undefined;
    });
    expect(cancelled).toBe(202);
    expect((await running).status).toBe(500);
    const late = await http.sql(heavy, { context: { timeout: 50 } });
    expect([late.status, (JSON.parse(late.text) as { error: string }).error]).toEqual([504, 'Query timeout']);
  });

  it('says 501 where it cannot give the answer of Druid', async () => {
    await http.run(one('x'));
    for (const statement of [
      'SELECT LATEST(k) FROM x',
      'SELECT ROW_NUMBER() OVER (ORDER BY __time) FROM x',
      'SELECT ARRAY[1]',
      "SELECT REGEXP_LIKE(k, 'a') FROM x",
    ]) {
      expect((await http.sql(statement)).status, statement).toBe(501);
    }
    expect((await http.sql('SELECT 1', { context: { sqlTimeZone: 'America/New_York' } })).status).toBe(501);
    expect(
      (
        await http.request('POST', '/druid/v2', {
          queryType: 'topN',
          dataSource: 'x',
          intervals: ['2024/2025'],
        })
      ).status,
    ).toBe(501);
    const eternity = '-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z';
    const everything = { queryType: 'segmentMetadata', dataSource: 'nothing', intervals: [eternity] };
    expect((await http.request('POST', '/druid/v2', everything)).status).toBe(501);
    expect((await http.request('POST', '/druid/v2/sql/statements', { query: 'SELECT 1' })).status).toBe(501);
    expect((await http.get('/druid/indexer/v1/nothing')).status).toBe(501);
  });

  it('does not let SQL reach the database behind it', async () => {
    await http.run(one('x'));
    for (const statement of [
      'SELECT * FROM druid_tasks',
      "SELECT * FROM read_text('/etc/hostname')",
      'SELECT * FROM duckdb_tables()',
      "SELECT getenv('HOME')",
      "COPY x TO 'y'",
    ]) {
      expect((await http.sql(statement)).status, statement).toBe(400);
    }
    expect(await http.rows(`SELECT 'it''s; DROP TABLE d1; --' || k FROM x`)).toEqual([
      ["it's; DROP TABLE d1; --a"],
    ]);
  });
});

describe('scripted faults', () => {
  it('answers with a status, a body and headers, as often as told', async () => {
    druid.failNext({
      path: SQL,
      status: 503,
      body: { error: 'busy' },
      headers: { 'Retry-After': '1' },
      times: 2,
    });
    const first = await http.sql('SELECT 1');
    expect([first.status, first.text, first.headers.get('retry-after')]).toEqual([
      503,
      '{"error":"busy"}',
      '1',
    ]);
    expect((await http.get('/status/health')).status).toBe(200);
    expect((await http.sql('SELECT 1')).status).toBe(503);
    expect((await http.sql('SELECT 1')).status).toBe(200);
  });

  it('drops a connection before handling', async () => {
    druid.failNext({ method: 'post', path: TASK, dropConnection: true });
    await expect(http.submit(one('x', { id: 'lost' }))).rejects.toThrow();
    expect((await http.get(`${TASK}/lost/status`)).status).toBe(404);
  });

  it('accepts a task and loses the acknowledgement', async () => {
    druid.failNext({ method: 'POST', path: TASK, dropConnection: 'after-handling' });
    await expect(http.submit(one('x', { id: 'taken' }))).rejects.toThrow();
    expect(await http.ended('taken')).toMatchObject({ status: 'SUCCESS' });
    expect((await http.submit(one('x', { id: 'taken' }))).status).toBe(400);
  });

  it('breaks an answer off', async () => {
    druid.failNext({ path: /sql$/, truncateAfterBytes: 5 });
    await expect(http.sql('SELECT 1')).rejects.toThrow();
    expect((await http.sql('SELECT 1')).text).toBe('[{"EXPR$0":1}]\n');
  });

  it('forgets faults on request', async () => {
    druid.failNext({ status: 500 });
    druid.clearFaults();
    expect((await http.get('/status/health')).status).toBe(200);
  });
});
