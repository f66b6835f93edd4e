import { describe, expect, it } from 'vitest';
import type { DruidClientOptions } from '../../src/options.js';
import type { DruidHooks, DruidResponseEvent } from '../../src/transport/hooks.js';
import { arrayLines, collect, failure, fakeDruid, inPieces, json } from '../fake-druid.js';

const status = { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } };
const secret = 's3cr3t-pass';

/** Hooks that write down what they are called with. */
function recorded(): { events: [string, Record<string, unknown>][]; hooks: DruidHooks } {
  const events: [string, Record<string, unknown>][] = [];
  const names = ['onRequest', 'onResponse', 'onEnd', 'onFailure', 'onRetry', 'onCircuit'] as const;
  const hooks = Object.fromEntries(
    names.map((name) => [name, (event: object) => events.push([name, { ...event }])]),
  );
  return { events, hooks };
}

describe('hooks', () => {
  it('tell the whole life of a request', async () => {
    const text = arrayLines([['n', 'LONG', 'BIGINT']], ['[1]']);
    const druid = await fakeDruid((_, response) => inPieces(response, text));
    const { events, hooks } = recorded();
    let nowMs = 0;
    const client = druid.client({ hooks, now: () => (nowMs += 10) });
    await collect(client.sql.stream('SELECT n FROM t'));
    await expect.poll(() => events).toHaveLength(3);
    const info = {
      requestId: 'q1',
      operation: 'SQL query',
      method: 'POST',
      url: `${druid.url}/druid/v2/sql`,
    };
    expect(events).toEqual([
      ['onRequest', { ...info, headers: expect.objectContaining({ 'x-request-id': 'q1' }) as object }],
      ['onResponse', { ...info, status: 200, durationMs: expect.any(Number) as number }],
      [
        'onEnd',
        {
          ...info,
          status: 200,
          durationMs: expect.any(Number) as number,
          bytes: Buffer.byteLength(text),
          isComplete: true,
        },
      ],
    ]);
  });

  it('tell of failures, repetitions and results that were left', async () => {
    const druid = await fakeDruid((_, response, n) => {
      if (n === 1) return response.destroy();
      if (n === 2) return json(response, 503, { error: 'later' });
      response.writeHead(200, { 'content-length': 100 }).write('{');
    });
    const { events, hooks } = recorded();
    const abort = new AbortController();
    const onResponse = (event: DruidResponseEvent) => {
      events.push(['onResponse', { ...event }]);
      if (event.status === 200) abort.abort();
    };
    await failure(
      druid.client({ hooks: { ...hooks, onResponse } }).cluster.version({ signal: abort.signal }),
    );
    await expect.poll(() => events.filter(([name]) => name === 'onEnd')).toHaveLength(2);
    expect(events.filter(([name]) => name === 'onFailure')).toMatchObject([
      ['onFailure', { error: { code: 'DRUID_CONNECTION' } }],
    ]);
    expect(events.filter(([name]) => name === 'onRetry')).toMatchObject([
      ['onRetry', { attempt: 1, delayMs: 200, server: druid.url, error: { code: 'DRUID_CONNECTION' } }],
      ['onRetry', { attempt: 2, delayMs: 400, error: { code: 'DRUID_REMOTE' } }],
    ]);
    expect(events.filter(([name]) => name === 'onEnd')).toMatchObject([
      ['onEnd', { status: 503, bytes: 17, isComplete: true }],
      ['onEnd', { status: 200, isComplete: false }],
    ]);
  });

  it.each<[string, Partial<DruidClientOptions>]>([
    ['basic', { auth: { type: 'basic', username: 'me', password: secret } }],
    ['a token', { auth: { type: 'bearer', token: () => secret } }],
    ['a header', { headers: { 'X-Api-Key': secret } }],
    ['a header of another name', { auth: { type: 'custom', headers: () => ({ 'x-proof': secret }) } }],
  ])('hold no credentials: %s', async (_, options) => {
    const druid = await fakeDruid((_, response) => json(response, 400, { error: `not ${secret}` }));
    const { events, hooks } = recorded();
    const client = druid.client({ ...options, hooks: { ...hooks, includeBody: true } });
    await failure(client.sql.query(`SELECT '${secret}'`));
    await failure(druid.client({ url: druid.url.replace('//', `//me:${secret}@`), hooks }).cluster.version());
    expect(events.length).toBeGreaterThan(4);
    expect(JSON.stringify(events)).not.toContain(secret);
    expect(JSON.stringify(events)).not.toContain(Buffer.from(`me:${secret}`).toString('base64'));
  });

  it('do not count the wait for a token as the time of an answer', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    let nowMs = 0;
    const token = () => Promise.resolve(`token-${(nowMs += 5_000)}`);
    const { events, hooks } = recorded();
    const client = druid.client({ hooks, auth: { type: 'bearer', token }, now: () => nowMs });
    await client.cluster.version();
    expect(events.find(([name]) => name === 'onResponse')?.[1]['durationMs']).toBe(0);
  });

  it('show the body only if asked to', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, arrayLines([['n', 'LONG']], [])));
    for (const includeBody of [false, true]) {
      const { events, hooks } = recorded();
      await druid.client({ hooks: { ...hooks, includeBody } }).sql.query('SELECT 42');
      expect(JSON.stringify(events).includes('SELECT 42')).toBe(includeBody);
    }
  });

  it('that fail are told to the logger, and the call goes on', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    const warnings: string[] = [];
    const logger = { debug: () => undefined, warn: (message: string) => void warnings.push(message) };
    const hooks: DruidHooks = {
      onRequest: () => {
        throw new Error('no');
      },
      onResponse: (async () => {
        throw new Error('no');
      }) as () => void,
    };
    expect(await druid.client({ hooks, logger }).cluster.version()).toBe('33.0.0');
    expect(warnings).toEqual(["Druid: the hook 'onRequest' failed", "Druid: the hook 'onResponse' failed"]);
  });
});

describe('request ids', () => {
  it('are sent, one for each attempt, and shown in errors', async () => {
    const druid = await fakeDruid((_, response) => json(response, 503, { error: 'later' }));
    let ids = 0;
    const client = druid.client({ createRequestId: () => `r${++ids}`, retry: { maxAttempts: 2 } });
    const error = await failure(client.cluster.version());
    expect(druid.seen.map(({ headers }) => headers['x-request-id'])).toEqual(['r1', 'r2']);
    expect(error).toMatchObject({ details: { requestId: 'r2' } });
    expect((error as Error).message).toMatch(/ \[request r2\]$/);
  });

  it("are the query's own for queries, unless a header cannot hold it", async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, arrayLines([['n', 'LONG']], [])));
    const client = druid.client({ createRequestId: () => 'other' });
    await client.sql.query('SELECT 1');
    await client.sql.query('SELECT 1', { context: { sqlQueryId: 'mine' } });
    await client.sql.query('SELECT 1', { context: { sqlQueryId: 'für mich' } });
    expect(druid.seen.map(({ headers }) => headers['x-request-id'])).toEqual(['q1', 'mine', 'other']);
  });

  it('go by another header, or by none', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    await druid.client({ requestIdHeader: 'x-correlation-id', createRequestId: () => 'r' }).cluster.version();
    await druid.client({ requestIdHeader: false }).cluster.version();
    expect(druid.seen[0]?.headers['x-correlation-id']).toBe('r');
    expect(druid.seen.every(({ headers }) => headers['x-request-id'] === undefined)).toBe(true);
  });

  it('stay the same through a redirect', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url === '/leader'
        ? json(response, 200, status)
        : response.writeHead(307, { location: '/leader' }).end(),
    );
    await druid.client().cluster.version();
    expect(new Set(druid.seen.map(({ headers }) => headers['x-request-id'])).size).toBe(1);
  });
});

describe('Retry-After', () => {
  it('is heeded with 503, too, and shown', async () => {
    const druid = await fakeDruid((_, response, n) =>
      json(response, 503, {}, { 'retry-after': n === 1 ? '7' : '3600' }),
    );
    const error = await failure(druid.client().cluster.version());
    expect(druid.sleeps).toEqual([7_000]);
    expect(error).toMatchObject({ details: { retryAfterMs: 3_600_000 } });
  });
});
