import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidAbortedError, DruidConfigError, DruidTimeoutError } from '../../src/errors.js';
import { arrayLines, failure, fakeDruid, json } from '../fake-druid.js';

const status = { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } };

/** A server that answers when the test says so. */
async function slowDruid() {
  const open: ServerResponse[] = [];
  const druid = await fakeDruid((_, response) => void open.push(response));
  return { druid, open, answer: () => json(open.shift() as ServerResponse, 200, status) };
}

describe('the pool', () => {
  it('has no more requests under way than it may', async () => {
    const { druid, open, answer } = await slowDruid();
    const client = druid.client({ pool: { maxConnections: 2 } });
    const calls = [1, 2, 3, 4].map(() => client.cluster.version());
    await expect.poll(() => open).toHaveLength(2);
    expect(druid.seen).toHaveLength(2);
    answer();
    await expect.poll(() => druid.seen).toHaveLength(3);
    for (let n = 0; n < 3; n++) {
      await expect.poll(() => open.length).toBeGreaterThan(0);
      answer();
    }
    expect(await Promise.all(calls)).toHaveLength(4);
    expect(druid.sockets.size).toBe(2);
  });

  it('says what is in the way when a call waits for a connection too long', async () => {
    const { druid, open } = await slowDruid();
    const client = druid.client({ pool: { maxConnections: 1 }, retry: { maxAttempts: 1 } });
    void client.cluster.version().catch(() => undefined);
    await expect.poll(() => open).toHaveLength(1);
    const error = await failure(client.cluster.workerCapacity({ timeoutMs: 20 }));
    expect(DruidTimeoutError.is(error)).toBe(true);
    expect((error as Error).message).toContain(
      'all 1 connections are in use. Read results to their end or leave them',
    );
    expect(druid.seen).toHaveLength(1);
  });

  it('lets who waits leave by his signal, and all by close', async () => {
    const { druid, open } = await slowDruid();
    const client = druid.client({ pool: { maxConnections: 1 } });
    const first = failure(client.cluster.version());
    await expect.poll(() => open).toHaveLength(1);
    const abort = new AbortController();
    const aborted = failure(client.cluster.workerCapacity({ signal: abort.signal }));
    const closed = failure(client.cluster.version());
    abort.abort();
    expect(DruidAbortedError.is(await aborted)).toBe(true);
    client.close();
    for (const error of await Promise.all([first, closed])) expect(DruidAbortedError.is(error)).toBe(true);
    expect(druid.seen).toHaveLength(1);
  });

  it('does not make a cancellation wait for the streams that hold the connections', async () => {
    const druid = await fakeDruid(({ method }, response) => {
      if (method === 'DELETE') return void response.writeHead(202).end();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(arrayLines([['n', 'LONG', 'BIGINT']], ['[1]']).trimEnd() + '\n');
    });
    const client = druid.client({ pool: { maxConnections: 2 } });
    const streams = [1, 2].map(() => client.sql.stream('SELECT n FROM t')[Symbol.asyncIterator]());
    await Promise.all(streams.map((stream) => stream.next()));
    await streams[0]?.return?.();
    expect(druid.seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/druid/v2/sql/q1' });
    // What was left has given its place back.
    await client.sql.stream('SELECT n FROM t')[Symbol.asyncIterator]().next();
    await streams[1]?.return?.();
  });

  it.each([
    { pool: { maxIdleConnections: 1 }, left: 1 },
    { pool: { idleTimeoutMs: 20 }, left: 0 },
  ])('keeps idle connections within its limits: $pool', async ({ pool, left }) => {
    const { druid, open, answer } = await slowDruid();
    const client = druid.client({ pool });
    const calls = [1, 2, 3].map(() => client.cluster.version());
    await expect.poll(() => open).toHaveLength(3);
    for (let n = 0; n < 3; n++) answer();
    await Promise.all(calls);
    await expect.poll(() => druid.sockets.size).toBe(left);
  });

  it.each([{ maxConnections: 0 }, { idleTimeoutMs: Number.NaN }])('refuses %j', (pool) => {
    expect(() => new DruidClient({ url: 'http://druid', pool })).toThrow(DruidConfigError);
  });
});

describe('a kept connection that the server closes just as it is used', () => {
  /** Answers the first request of a connection, and breaks it at the second; of the connections from `silentFrom` on, at the first. */
  async function impatientDruid(silentFrom = Infinity) {
    const served = new WeakSet<Socket>();
    let connections = 0;
    const druid = await fakeDruid(({ method }, response) => {
      const socket = response.socket as Socket;
      if (!served.has(socket)) connections += 1;
      if (served.has(socket) || connections >= silentFrom) return void socket.resetAndDestroy();
      served.add(socket);
      json(response, 200, method === 'GET' ? status : { task: 't' });
    });
    return druid;
  }

  it('is replaced at once, by no attempt, no pause and no other server', async () => {
    const druid = await impatientDruid();
    const other = await fakeDruid((_, response) => json(response, 200, status));
    const failed = vi.fn();
    const client = druid.client({
      url: [druid.url, other.url],
      retry: { maxAttempts: 1 },
      hooks: { onRetry: failed, onFailure: failed },
    });
    await client.cluster.version();
    await client.cluster.version();
    expect([druid.seen.length, other.seen.length]).toEqual([3, 0]);
    expect(failed).not.toHaveBeenCalled();
    await client.cluster.version();
    await client.tasks.submit({ type: 'noop', id: 't' });
    expect([client.url, druid.sleeps]).toEqual([druid.url, []]);
  });

  it('is never used for what must not be repeated', async () => {
    const druid = await impatientDruid();
    const client = druid.client();
    await client.cluster.version();
    await client.tasks.submit({ type: 'noop' });
    expect(druid.seen.map(({ method }) => method)).toEqual(['GET', 'POST']);
  });

  it('is replaced once only, and the error holds that the request may have arrived', async () => {
    const druid = await impatientDruid(2);
    const client = druid.client({ retry: { maxAttempts: 1 } });
    await client.cluster.version();
    expect(await failure(client.cluster.version())).toMatchObject({
      code: 'DRUID_CONNECTION',
      details: { reason: 'ECONNRESET', mayHaveArrived: true },
    });
    expect(druid.seen).toHaveLength(3);
  });
});
