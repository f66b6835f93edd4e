import { describe, expect, it } from 'vitest';
import { DruidAbortedError, DruidRemoteError, DruidTimeoutError } from '../../src/errors.js';
import type { TaskStatus } from '../../src/management/task-status.js';
import { failure, fakeDruid, json } from '../fake-druid.js';

const status = (statusCode: string, more = {}) => ({
  task: 't 1',
  status: {
    id: 't 1',
    groupId: 't 1',
    type: 'index_parallel',
    createdTime: '2026-01-01T00:00:00.000Z',
    queueInsertionTime: '1970-01-01T00:00:00.000Z',
    statusCode,
    status: statusCode,
    runnerStatusCode: 'PENDING',
    duration: -1,
    location: { host: null, port: -1, tlsPort: -1 },
    dataSource: 'edits',
    errorMsg: null,
    ...more,
  },
});
const spec = { type: 'index_parallel', id: 't 1' };
const exists = {
  error: 'druidException',
  errorCode: 'entryAlreadyExists',
  errorMessage: 'Task[t 1] already exists',
};

describe('tasks.submit', () => {
  it('tells a new task from one that is there already', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1 ? json(response, 200, { task: 't 1' }) : json(response, 400, exists),
    );
    const client = druid.client();
    expect(await client.tasks.submit(spec)).toEqual({ taskId: 't 1', alreadyExists: false });
    expect(await client.tasks.submit(spec)).toEqual({ taskId: 't 1', alreadyExists: true });
  });

  it('understands old servers, which say it in prose', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 400, { error: 'Task[t 1] already exists!' }),
    );
    expect(await druid.client().tasks.submit(spec)).toEqual({ taskId: 't 1', alreadyExists: true });
  });

  it('repeats a POST with an id, and finds that the first one arrived', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1 ? response.destroy() : json(response, 400, exists),
    );
    expect(await druid.client().tasks.submit(spec)).toEqual({ taskId: 't 1', alreadyExists: true });
    expect(druid.sleeps).toHaveLength(1);
  });

  it('waits out an Overlord without a leader', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n < 4 ? response.writeHead(503).end() : json(response, 200, { task: 't 1' }),
    );
    expect(await druid.client().tasks.submit(spec)).toEqual({ taskId: 't 1', alreadyExists: false });
    expect(druid.sleeps).toEqual([200, 400, 800]);
  });

  it.each([
    ['a broken connection', undefined],
    ['429', 429],
    ['503', 503],
    ['504', 504],
  ])('never repeats a POST without an id: %s', async (_, code) => {
    const druid = await fakeDruid((_request, response) =>
      code === undefined ? response.destroy() : json(response, code, {}),
    );
    await failure(druid.client().tasks.submit({ type: 'index_parallel' }));
    expect(druid.seen).toHaveLength(1);
    expect(druid.sleeps).toEqual([]);
  });

  it('does not take another 400 for "exists"', async () => {
    const druid = await fakeDruid((_, response) => json(response, 400, { error: 'dataSchema' }));
    expect(DruidRemoteError.is(await failure(druid.client().tasks.submit(spec)))).toBe(true);
  });
});

describe('tasks.status', () => {
  it('is parsed, with unknown fields and absent values tolerated', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1
        ? json(response, 200, status('RUNNING'))
        : json(response, 200, status('SUCCESS', { duration: 12, location: { host: 'h', port: 1 }, new: 1 })),
    );
    const { tasks } = druid.client();
    expect(await tasks.status('t 1')).toEqual({
      id: 't 1',
      groupId: 't 1',
      type: 'index_parallel',
      dataSource: 'edits',
      createdTime: '2026-01-01T00:00:00.000Z',
      statusCode: 'RUNNING',
      runnerStatusCode: 'PENDING',
      durationMs: undefined,
      errorMsg: undefined,
      location: undefined,
    });
    expect(druid.seen[0]?.url).toBe('/druid/indexer/v1/task/t%201/status');
    expect(await tasks.status('t 1')).toMatchObject({ durationMs: 12, location: { host: 'h', port: 1 } });
  });

  it('is undefined for an unknown task, and an error for an unknown path', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1
        ? response.writeHead(404, { 'content-type': 'text/plain' }).end('Cannot find any task with id: [t 1]')
        : response
            .writeHead(404, { 'content-type': 'text/html' })
            .end('<html><h2>HTTP ERROR 404</h2></html>'),
    );
    const { tasks } = druid.client();
    expect(await tasks.status('t 1')).toBeUndefined();
    const error = await failure(tasks.status('t 1'));
    expect((error as Error).message).toContain('Does this URL point to a Druid Router?');
  });
});

describe('tasks.waitFor', () => {
  it.each(['SUCCESS', 'FAILED'])('resolves on %s', async (final) => {
    const druid = await fakeDruid((_, response, n) => json(response, 200, status(n < 3 ? 'RUNNING' : final)));
    const seen: TaskStatus[] = [];
    const result = await druid
      .client()
      .tasks.waitFor('t 1', { pollIntervalMs: 50, onStatus: (s) => seen.push(s) });
    expect(result.statusCode).toBe(final);
    expect(seen.map(({ statusCode }) => statusCode)).toEqual(['RUNNING', 'RUNNING', final]);
    expect(druid.sleeps).toEqual([50, 50]);
  });

  it('ends at the time limit with what it saw last', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status('RUNNING')));
    let clock = 0;
    const client = druid.client({ now: () => clock, sleep: async (ms) => void (clock += ms) });
    const error = await failure(client.tasks.waitFor('t 1', { pollIntervalMs: 400, timeoutMs: 1000 }));
    expect(DruidTimeoutError.is(error) && error.details).toMatchObject({
      timeoutMs: 1000,
      lastSeen: { statusCode: 'RUNNING' },
    });
    expect(clock).toBe(1000);
    expect(druid.seen).toHaveLength(4);
  });

  it('ends at once when aborted, and leaves the task alone', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status('RUNNING')));
    const abort = new AbortController();
    const { sleep } = await import('../../src/sleep.js');
    const client = druid.client({ sleep });
    const onStatus = () => setImmediate(() => abort.abort());
    const error = await failure(
      client.tasks.waitFor('t 1', { pollIntervalMs: 60_000, signal: abort.signal, onStatus }),
    );
    expect(DruidAbortedError.is(error)).toBe(true);
    expect(druid.seen).toHaveLength(1);
  });

  it('does not wait for a task that nobody knows', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(404).end());
    const error = await failure(druid.client().tasks.waitFor('nope'));
    expect(DruidRemoteError.is(error) && error.details.status).toBe(404);
  });
});

describe('tasks.reports and tasks.shutdown', () => {
  it('tell unknown tasks apart', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url.includes('nope')
        ? response
            .writeHead(404, { 'content-type': 'text/plain' })
            .end('Cannot find any task with id: [nope]')
        : json(response, 200, url.endsWith('reports') ? { ingestionStatsAndErrors: {} } : { task: 't' }),
    );
    const { tasks } = druid.client();
    expect(await tasks.reports('t')).toEqual({ ingestionStatsAndErrors: {} });
    expect(await tasks.reports('nope')).toBeUndefined();
    expect(await tasks.shutdown('t')).toBe(true);
    expect(await tasks.shutdown('nope')).toBe(false);
  });
});
