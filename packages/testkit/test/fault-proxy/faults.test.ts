import { Agent } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FaultProxy, FaultProxyError, type ProxyFault } from '../../src/index.js';
import { ask, proxyOf, serve, talk, type Seen } from './support/http.js';

const text = 'a body of thirty-five bytes, exactly';
const size = Buffer.byteLength(text);

/** A server whose answers are chunked and have a trailer, a proxy before it, and the requests that reached the server. */
async function setUp() {
  const reached: string[] = [];
  const upstream = await serve((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/plain', trailer: 'X-Druid-Response-Complete' });
      response.write(text.slice(0, 10));
      response.addTrailers({ 'X-Druid-Response-Complete': 'true' });
      response.end(text.slice(10));
    });
  });
  return { proxy: await proxyOf(upstream), reached, upstream };
}

async function under(fault: ProxyFault): Promise<Seen> {
  const { proxy } = await setUp();
  proxy.on({}, fault);
  return ask(proxy.url);
}

const complete = { 'x-druid-response-complete': 'true' };

describe('each fault', () => {
  it('reset: breaks the connection, and the server never hears of it', async () => {
    const { proxy, reached } = await setUp();
    proxy.on({}, { type: 'reset' });
    expect(await ask(proxy.url, { method: 'POST', body: 'x' })).toMatchObject({ error: 'ECONNRESET' });
    expect(reached).toEqual([]);
    expect(proxy.requests[0]).toMatchObject({ forwarded: false, outcome: 'broken', status: undefined });
  });

  it('reset, handled: loses the answer of a request that took effect', async () => {
    const { proxy, reached } = await setUp();
    proxy.on({}, { type: 'reset', handled: true });
    expect(await ask(proxy.url, { method: 'POST', body: 'x' })).toMatchObject({ error: 'ECONNRESET' });
    expect(reached).toEqual(['POST /']);
  });

  it('reset-mid-body: sends so many bytes, and breaks', async () => {
    const seen = await under({ type: 'reset-mid-body', afterBytes: 13 });
    expect(seen).toMatchObject({ status: 200, error: 'ECONNRESET' });
    expect(text.slice(0, 13)).toContain(String(seen.body));
  });

  it('go-down: breaks this connection and refuses all others, until the proxy accepts again', async () => {
    const { proxy } = await setUp();
    proxy.on({ nth: 1 }, { type: 'go-down' });
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNRESET' });
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNREFUSED' });
    await proxy.accept();
    await proxy.accept();
    expect(await ask(proxy.url)).toMatchObject({ status: 200 });
  });

  it('truncate: cuts the body and ends it cleanly, without the trailers', async () => {
    const seen = await under({ type: 'truncate', afterBytes: 13 });
    expect(seen).toMatchObject({ status: 200, trailers: {} });
    expect(seen.headers).not.toHaveProperty('trailer');
    expect(seen.error).toBeUndefined();
    expect(String(seen.body)).toBe(text.slice(0, 13));
  });

  it('truncate: sends trailers of its own, announced', async () => {
    const trailers = { 'X-Error-Message': 'Query timed out' };
    const seen = await under({ type: 'truncate', afterBytes: 0, trailers });
    expect(seen).toMatchObject({ headers: { trailer: 'X-Error-Message' }, body: Buffer.alloc(0) });
    expect(seen.trailers).toEqual({ 'x-error-message': 'Query timed out' });
  });

  it('truncate: makes a body with a length a chunked one', async () => {
    const proxy = await proxyOf(
      await serve((_, response) => response.setHeader('Content-Length', size).end(text)),
    );
    proxy.on({}, { type: 'truncate', afterBytes: 5 });
    const seen = await talk(proxy.url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', (all) =>
      all.includes('\r\n0\r\n\r\n'),
    );
    expect(seen).toContain('\r\n5\r\na bod\r\n0\r\n\r\n');
    expect(seen.toLowerCase()).not.toContain('content-length');
  });

  it('drip: sends a few bytes each tick of a clock that the test owns', async () => {
    const { proxy } = await setUp();
    let open = () => {};
    let ticks = 0;
    const tick = () => (ticks++, new Promise<void>((resolve) => (open = resolve)));
    proxy.on({}, { type: 'drip', bytesPerTick: 7, tick });
    const seen = ask(proxy.url);
    const sizes: number[] = [];
    for (let n = 1; n <= 6; n++) {
      while (ticks < n) await new Promise(setImmediate);
      sizes.push(proxy.requests[0]?.sentBytes ?? -1);
      open();
    }
    expect(String((await seen).body)).toBe(text);
    expect(sizes).toEqual([0, 7, 14, 21, 28, 35]);
    expect((await seen).trailers).toEqual(complete);
  });

  it('drip: a tick that fails breaks the connection, and is in the log', async () => {
    const { proxy } = await setUp();
    const broken = new Error('no more');
    proxy.on({}, { type: 'drip', bytesPerTick: 1, tick: () => Promise.reject(broken) });
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNRESET' });
    expect(proxy.requests[0]?.error).toBe(broken);
  });

  it('silence: takes the request and never answers', async () => {
    const { proxy, reached } = await setUp();
    proxy.on({}, { type: 'silence' });
    const abort = new AbortController();
    const seen = ask(proxy.url, { method: 'POST', body: 'all of it', signal: abort.signal });
    await proxy.received({}, ({ bodyBytes }) => bodyBytes === 9);
    abort.abort();
    expect(await seen).toMatchObject({ error: 'ABORT_ERR' });
    expect(await proxy.received({}, ({ outcome }) => outcome === 'client-gone')).toMatchObject({
      status: undefined,
    });
    expect(reached).toEqual([]);
  });

  it('silence, afterBytes: falls silent inside the body', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'silence', afterBytes: 4 });
    const abort = new AbortController();
    const seen = ask(proxy.url, { signal: abort.signal });
    await proxy.received({}, ({ sentBytes }) => sentBytes === 4);
    abort.abort();
    expect((await seen).error).toBeDefined();
  });

  it('html-page: an error page', async () => {
    const seen = await under({ type: 'html-page', status: 502 });
    expect(seen).toMatchObject({ status: 502, headers: { 'content-type': 'text/html;charset=utf-8' } });
    expect(String(seen.body)).toMatch(/^<!DOCTYPE html>[^]*Error 502/);
  });

  it('throttled: 429, with seconds, a date, or neither', async () => {
    const at = new Date('2030-01-02T03:04:05Z');
    expect(await under({ type: 'throttled', retryAfter: 7 })).toMatchObject({
      status: 429,
      headers: { 'retry-after': '7' },
    });
    expect((await under({ type: 'throttled', retryAfter: at })).headers?.['retry-after']).toBe(
      'Wed, 02 Jan 2030 03:04:05 GMT',
    );
    expect((await under({ type: 'throttled' })).headers).not.toHaveProperty('retry-after');
  });

  it('content-type: another, or none', async () => {
    const html = await under({ type: 'content-type', value: 'text/html' });
    expect(html).toMatchObject({ headers: { 'content-type': 'text/html' }, trailers: complete });
    expect(String(html.body)).toBe(text);
    expect((await under({ type: 'content-type', value: undefined })).headers).not.toHaveProperty(
      'content-type',
    );
  });

  it('trailers: others, none, or announced ones that do not come', async () => {
    const trailers = { 'X-Error-Message': 'no' };
    const other = await under({ type: 'trailers', trailers });
    expect(other).toMatchObject({
      headers: { trailer: 'X-Error-Message' },
      trailers: { 'x-error-message': 'no' },
    });
    expect(String(other.body)).toBe(text);
    const none = await under({ type: 'trailers', trailers: {} });
    expect(none.trailers).toEqual({});
    expect(none.headers).not.toHaveProperty('trailer');
    const missing = await under({ type: 'trailers', trailers: {}, announce: ['X-Druid-Response-Complete'] });
    expect(missing).toMatchObject({ headers: { trailer: 'X-Druid-Response-Complete' }, trailers: {} });
  });

  it('redirect: to a dead address, and to another proxy, with path and query', async () => {
    const { proxy } = await setUp();
    const { proxy: other } = await setUp();
    proxy.on({ nth: 1 }, { type: 'redirect', to: 'dead' });
    proxy.on({ nth: 2 }, { type: 'redirect', to: other.url, status: 308 });
    const dead = await ask(`${proxy.url}/a/b?c=d`);
    expect(dead).toMatchObject({ status: 307, headers: { location: `${proxy.deadOrigin}/a/b?c=d` } });
    expect(await ask(String(dead.headers?.['location']))).toMatchObject({ error: 'ECONNREFUSED' });
    const alive = await ask(`${proxy.url}/a/b?c=d`);
    expect(alive.status).toBe(308);
    expect(String((await ask(String(alive.headers?.['location']))).body)).toBe(text);
    expect(other.requests[0]).toMatchObject({ path: '/a/b', query: '?c=d' });
  });

  it('expired-token: 401 until a new value of Authorization comes', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'expired-token' });
    const status = async (authorization?: string) =>
      (await ask(proxy.url, authorization === undefined ? {} : { headers: { authorization } })).status;
    expect(await status('Bearer old')).toBe(401);
    expect(await status('Bearer old')).toBe(401);
    expect(await status()).toBe(401);
    expect(await status('Bearer new')).toBe(200);
    expect(await status('Bearer old')).toBe(401);
  });

  it('expired-token: a value that is named', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'expired-token', expired: 'Bearer old' });
    expect(await ask(proxy.url, { headers: { authorization: 'Bearer new' } })).toMatchObject({ status: 200 });
    expect(await ask(proxy.url, { headers: { authorization: 'Bearer old' } })).toMatchObject({ status: 401 });
  });

  it('gzip: whole, or cut', async () => {
    const compressed = gzipSync(text);
    const seen = await under({ type: 'gzip' });
    expect(seen).toMatchObject({ headers: { 'content-encoding': 'gzip' } });
    expect(String(gunzipSync(seen.body))).toBe(text);
    const cut = await under({ type: 'gzip', afterBytes: compressed.length - 4 });
    expect(cut.error).toBeUndefined();
    expect(() => gunzipSync(cut.body)).toThrow('unexpected end of file');
  });

  it('content-length: too long', async () => {
    const seen = await under({ type: 'content-length', difference: 5 });
    expect(seen).toMatchObject({ headers: { 'content-length': String(size + 5) }, error: 'ECONNRESET' });
    expect(String(seen.body)).toBe(text);
  });

  it('content-length: too short', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'content-length', difference: -5 });
    const seen = await talk(proxy.url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', (all) => all.endsWith(text));
    expect(seen).toContain(`Content-Length: ${size - 5}\r\n`);
  });

  it('answer: anything, such as an empty 500', async () => {
    const { proxy, reached } = await setUp();
    proxy.on({}, { type: 'answer', status: 500 });
    expect(await ask(proxy.url)).toMatchObject({ status: 500, body: Buffer.alloc(0) });
    expect(await ask(proxy.url, { method: 'HEAD' })).toMatchObject({ status: 500 });
    expect(reached).toEqual([]);
    proxy.reset();
    proxy.on({}, { type: 'answer', status: 503, headers: { 'X-A': 'b' }, body: '{}', handled: true });
    expect(await ask(proxy.url)).toMatchObject({
      status: 503,
      headers: { 'x-a': 'b' },
      body: Buffer.from('{}'),
    });
    expect(reached).toEqual(['GET /']);
  });

  it('leaves the connection usable where HTTP is not broken', async () => {
    const { proxy } = await setUp();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const faults: ProxyFault[] = [
      { type: 'answer', status: 500 },
      { type: 'truncate', afterBytes: 3 },
      { type: 'html-page', status: 503, handled: true },
      { type: 'gzip', afterBytes: 3 },
      { type: 'redirect', to: 'dead' },
      { type: 'throttled' },
    ];
    faults.forEach((fault, i) => proxy.on({ nth: i + 1 }, fault));
    for (const { type: body } of faults) await ask(proxy.url, { method: 'POST', body, agent });
    const seen = await ask(proxy.url, { agent });
    expect(String(seen.body)).toBe(text);
    expect(proxy.connections).toBe(1);
  });

  it('cuts at any byte', async () => {
    const { proxy } = await setUp();
    await fc.assert(
      fc.asyncProperty(fc.nat(size + 5), async (afterBytes) => {
        const rule = proxy.on({}, { type: 'truncate', afterBytes });
        expect(String((await ask(proxy.url)).body)).toBe(text.slice(0, afterBytes));
        rule.remove();
      }),
      { numRuns: 50 },
    );
  });
});

describe('rules', () => {
  it('match by method, path without query, pattern, and number', async () => {
    const { proxy } = await setUp();
    proxy.on({ method: 'post', path: '/a' }, { type: 'answer', status: 501 });
    proxy.on({ path: /^\/task\/[^/]+\/status$/g, nth: [2, 3] }, { type: 'answer', status: 502 });
    const status = async (method: string, path: string) => (await ask(proxy.url + path, { method })).status;
    expect(await status('POST', '/a?b')).toBe(501);
    expect(await status('GET', '/a')).toBe(200);
    expect(await status('POST', '/a/b')).toBe(200);
    const statuses: unknown[] = [];
    for (let n = 0; n < 4; n++) statuses.push(await status('GET', '/task/x/status'));
    expect(statuses).toEqual([200, 502, 502, 200]);
  });

  it('count every request that they describe, and the first that takes one wins (invariant 3)', async () => {
    const { proxy } = await setUp();
    const first = proxy.on({ nth: 2 }, { type: 'answer', status: 501 });
    const second = proxy.on({}, { type: 'answer', status: 502 });
    const statuses: unknown[] = [];
    for (let n = 0; n < 3; n++) statuses.push((await ask(proxy.url)).status);
    second.remove();
    second.remove();
    statuses.push((await ask(proxy.url)).status);
    expect(statuses).toEqual([502, 501, 502, 200]);
    expect([first.matched, second.matched]).toEqual([4, 3]);
  });

  it.each([
    [{ type: 'truncate', afterBytes: -1 }, {}],
    [{ type: 'drip', bytesPerTick: 0, tick: async () => {} }, {}],
    [{ type: 'content-length', difference: 0.5 }, {}],
    [{ type: 'answer', status: 42 }, {}],
    [{ type: 'redirect', to: 'nowhere' }, {}],
    [{ type: 'silence', handled: true, afterBytes: 1 }, {}],
    [{ type: 'reset' }, { nth: 0 }],
    [{ type: 'reset' }, { nth: [1, Number.NaN] }],
  ] as [ProxyFault, object][])('refuse %j for %j', async (fault, match) => {
    const { proxy } = await setUp();
    expect(() => proxy.on(match, fault)).toThrow(
      expect.objectContaining({ code: 'bad-fault', retryable: false, details: { fault: fault.type } }),
    );
  });
});

describe('the proxy itself', () => {
  it('refuses an upstream that is no http address', async () => {
    for (const upstream of ['https://druid:9088', 'druid']) {
      const error: unknown = await FaultProxy.start({ upstream }).catch((cause: unknown) => cause);
      expect(FaultProxyError.is(error) && error.code).toBe('bad-upstream');
    }
  });

  it('reports a port that is taken', async () => {
    const { proxy } = await setUp();
    await expect(FaultProxy.start({ upstream: proxy.url, port: proxy.port })).rejects.toMatchObject({
      code: 'port-taken',
      retryable: true,
      details: { port: proxy.port },
    });
  });

  it('refuses and accepts connections, on one port', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'silence' });
    const waiting = ask(proxy.url);
    await proxy.received();
    proxy.refuse();
    proxy.refuse();
    expect(await waiting).toMatchObject({ error: 'ECONNRESET' });
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNREFUSED' });
    expect(await proxy.received({}, ({ outcome }) => outcome !== 'pending')).toMatchObject({
      outcome: 'broken',
    });
    proxy.reset();
    await proxy.accept();
    expect(await ask(proxy.url)).toMatchObject({ status: 200 });
  });

  it('stops twice, with requests under way, and leaves nothing behind (invariant 4)', async () => {
    const { proxy } = await setUp();
    proxy.on({}, { type: 'silence' });
    const waiting = ask(proxy.url);
    await proxy.received();
    const never = proxy.received({ nth: 2 }).catch((error: unknown) => error);
    await proxy.stop();
    await proxy.stop();
    expect((await waiting).error).toBe('ECONNRESET');
    expect(await never).toMatchObject({ code: 'stopped' });
    await expect(proxy.received()).rejects.toMatchObject({ code: 'stopped' });
    await expect(proxy.accept()).rejects.toMatchObject({ code: 'stopped' });
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNREFUSED' });
  });
});
