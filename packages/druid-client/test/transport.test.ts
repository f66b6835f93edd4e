import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DruidClient } from '../src/druid-client.js';
import {
  DruidAbortedError,
  DruidConfigError,
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  DruidTimeoutError,
} from '../src/errors.js';
import { sleep } from '../src/sleep.js';
import { failure, fakeDruid, inPieces, json } from './fake-druid.js';

const secret = 's3cr3t-pass';
const status = { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } };

describe('credentials', () => {
  it('go into the Authorization header', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    await druid.client({ auth: { type: 'basic', username: 'ü', password: secret } }).cluster.version();
    await druid.client({ auth: { type: 'bearer', token: 'tok-1234' } }).cluster.version();
    await druid.client({ url: druid.url.replace('//', '//us%40er:pa%3Ass@') }).cluster.version();
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    expect(druid.seen.map(({ headers }) => headers.authorization)).toEqual([
      basic(`ü:${secret}`),
      'Bearer tok-1234',
      basic('us@er:pa:ss'),
    ]);
  });

  it('reach no error in another form either: in JSON, without their scheme, or around a shorter secret', async () => {
    const quoting = 'pa"ss\\word';
    const druid = await fakeDruid((_, response) =>
      json(response, 400, { error: `no ${quoting}, no Bearer t0ken-of-mine, no t0ken-of-mine` }),
    );
    const token = 't0ken-of-mine';
    const clients = [
      druid.client({
        auth: { type: 'basic', username: 'u', password: quoting },
        headers: { 'x-token': token },
      }),
      druid.client({
        auth: { type: 'bearer', token },
        headers: { 'x-api-key': 't0ken', 'x-secret': quoting },
      }),
      druid.client({ headers: { authorization: `Bearer ${token}`, 'x-secret': quoting } }),
      druid.client({
        auth: { type: 'custom', headers: () => ({ authorization: `Bearer ${token}`, 'x-more': quoting }) },
      }),
    ];
    for (const client of clients) {
      const printed = inspect(await failure(client.cluster.version()), { depth: 20 });
      expect(printed).not.toMatch(/ss.{1,4}word|of-mine/);
    }
  });

  it('never reach an error: not the message, the details, the cause or the stack', async () => {
    const echo = await fakeDruid(({ headers }, response) =>
      json(response, 400, { error: `bad header ${headers.authorization} and ${secret}` }),
    );
    const auth = { type: 'basic', username: 'admin', password: secret } as const;
    const inUrl = (url: string) => url.replace('//', `//admin:${secret}@`);
    const dead = 'http://127.0.0.1:1';
    const retry = { maxAttempts: 1 };
    const errors = [
      await failure(echo.client({ auth }).cluster.version()),
      await failure(echo.client({ url: inUrl(echo.url) }).sql.query('SELECT 1')),
      await failure(new DruidClient({ url: inUrl(dead), retry }).cluster.version()),
      await failure(
        new DruidClient({ url: dead, auth, retry, headers: { 'x-api-key': secret } }).cluster.version(),
      ),
      await failure(echo.client({ auth: { type: 'bearer', token: `${secret}\n` } }).cluster.version()),
      await failure((async () => new DruidClient({ url: `ftp://admin:${secret}@druid` }))()),
      await failure((async () => new DruidClient({ url: `admin:${secret}@druid` }))()),
    ];
    for (const error of errors) {
      expect(DruidError.is(error)).toBe(true);
      const printed = inspect(error, { depth: 20, showHidden: true, getters: true });
      expect(printed).not.toContain(secret);
      expect(printed).not.toContain(Buffer.from(`admin:${secret}`).toString('base64'));
    }
  });

  it('are asked for again once after a 401', async () => {
    let tokens = 0;
    const druid = await fakeDruid(({ headers }, response) =>
      headers.authorization === 'Bearer token-2' ? json(response, 200, status) : json(response, 401, {}),
    );
    const client = druid.client({ auth: { type: 'bearer', token: async () => `token-${++tokens}` } });
    expect(await client.cluster.version()).toBe('33.0.0');
    expect(tokens).toBe(2);
  });

  it('are not sent a second time if they are fixed', async () => {
    const druid = await fakeDruid((_, response) => json(response, 401, {}));
    const error = await failure(druid.client({ auth: { type: 'bearer', token: 'fixed' } }).cluster.version());
    expect((error as Error).message).toContain("Check option 'auth'");
    expect(druid.seen).toHaveLength(1);
  });
});

describe('redirects', () => {
  it('keep method, body and, on the same host, credentials', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url.startsWith('/leader')
        ? json(response, 200, { task: 't' })
        : response.writeHead(307, { location: '/leader/task?x=1' }).end(),
    );
    const client = druid.client({ auth: { type: 'bearer', token: 'token' } });
    await client.tasks.submit({ type: 'noop', id: 't' });
    expect(druid.seen[1]).toMatchObject({
      method: 'POST',
      url: '/leader/task?x=1',
      body: { type: 'noop', id: 't' },
      headers: { authorization: 'Bearer token' },
    });
  });

  it('take credentials to another host only if it is trusted', async () => {
    const druid = await fakeDruid(({ headers }, response) =>
      headers.host?.startsWith('localhost')
        ? json(response, 200, status)
        : response.writeHead(307, { location: `http://localhost:${headers.host?.split(':')[1]}/x` }).end(),
    );
    const options = { auth: { type: 'bearer', token: 'token' }, headers: { 'X-Key': 'k' } } as const;
    await druid.client(options).cluster.version();
    await druid.client({ ...options, trustedHosts: ['LocalHost'] }).cluster.version();
    const sent = druid.seen.filter(({ headers }) => headers.host?.startsWith('localhost'));
    expect(sent.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer token']);
    expect(sent.map(({ headers }) => headers['x-key'])).toEqual([undefined, 'k']);
  });

  it('refuse to trust what is no host name', () => {
    for (const host of ['overlord:8090', 'http://overlord', 'user:s3cr3t@overlord', '']) {
      const make = () => new DruidClient({ url: 'http://druid', trustedHosts: [host] });
      expect(make).toThrow(DruidConfigError);
      expect(make).not.toThrow(/s3cr3t/);
    }
    for (const host of ['Overlord.Example', '10.0.0.1', '::1', '[::1]']) {
      new DruidClient({ url: 'http://druid', trustedHosts: [host] }).close();
    }
  });

  it('end after five', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(307, { location: '/again' }).end());
    expect(DruidRemoteError.is(await failure(druid.client().cluster.version()))).toBe(true);
    expect(druid.seen).toHaveLength(6);
  });
});

describe('failures', () => {
  it('asks whether the Router is running when nothing listens', async () => {
    const client = new DruidClient({ url: 'http://127.0.0.1:1', retry: { maxAttempts: 1 } });
    const error = await failure(client.cluster.version());
    expect(DruidConnectionError.is(error) && error.details.reason).toBe('ECONNREFUSED');
    expect((error as Error).message).toContain("Is Druid's Router running at http://127.0.0.1:1?");
  });

  it('asks whether the URL is right when a web page comes back with 200', async () => {
    const druid = await fakeDruid((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>console</title>'),
    );
    const error = await failure(druid.client().cluster.version());
    expect(DruidDecodeError.is(error)).toBe(true);
    expect((error as Error).message).toContain('Does this URL point to a Druid Router?');
  });

  it('says that a call may be repeated whose answer was cut, and one that got a web page may not', async () => {
    const answers = ['{"status":{"id":"t"', '[{"a":1}', '"tas', '<html></html>'];
    const druid = await fakeDruid((_, response, n) => response.writeHead(200).end(answers[n - 1]));
    const client = druid.client();
    const errors = [];
    for (const _ of answers) errors.push(await failure(client.tasks.status('t')));
    expect(errors.every((error) => DruidDecodeError.is(error))).toBe(true);
    expect(errors.map((error) => (error as DruidDecodeError).retryable)).toEqual([true, true, true, false]);
  });

  it('repeats a GET after 500 and after a broken connection, and not for ever', async () => {
    const druid = await fakeDruid((_, response, n) => {
      if (n === 1) return response.destroy();
      return n === 2 ? json(response, 500, {}) : json(response, 200, status);
    });
    expect(await druid.client().cluster.version()).toBe('33.0.0');
    expect(druid.sleeps).toEqual([200, 400]);
  });

  it('waits as long as a throttling server asks for, within reason', async () => {
    const druid = await fakeDruid((_, response, n) =>
      n === 1
        ? json(response, 429, {}, { 'retry-after': '30' })
        : json(response, 429, {}, { 'retry-after': '3600' }),
    );
    const error = await failure(druid.client().cluster.version());
    expect(druid.sleeps).toEqual([30_000]);
    expect(DruidThrottledError.is(error) && error.retryAfterMs).toBe(3_600_000);
  });

  it('ends at the time limit, before the headers and inside the body', async () => {
    const druid = await fakeDruid((_, response, n) => {
      if (n === 2) response.writeHead(200, { 'content-length': 100 }).write('{');
    });
    const client = druid.client({ timeoutMs: 40, retry: { maxAttempts: 1 } });
    for (let n = 0; n < 2; n++) {
      const error = await failure(client.cluster.version());
      expect(DruidTimeoutError.is(error) && error.details.timeoutMs).toBe(40);
    }
  });

  it('frees a long-lived signal after every call', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, true));
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
    const client = druid.client();
    for (let n = 0; n < 3; n++) await client.cluster.health({ signal });
    expect(listeners).toBe(0);
  });

  it('does not wait for the rest of a refusal when the caller leaves', async () => {
    const left = new AbortController();
    const druid = await fakeDruid((_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' }).write('{"error"');
    });
    const hooks = { onResponse: () => void setImmediate(() => left.abort()) };
    const error = await failure(druid.client({ hooks }).cluster.version({ signal: left.signal }));
    expect(DruidAbortedError.is(error)).toBe(true);
    await expect.poll(() => druid.sockets.size).toBe(0);
  });

  it('does not wait for a cancellation that the server leaves unanswered', async () => {
    let isCancelled = false;
    const druid = await fakeDruid(({ method }, response) => {
      if (method === 'DELETE') response.once('close', () => (isCancelled = true));
    });
    const error = await failure(druid.client({ timeoutMs: 20 }).sql.query('SELECT 1'));
    expect(DruidTimeoutError.is(error)).toBe(true);
    expect([druid.seen.at(-1)?.method, isCancelled]).toEqual(['DELETE', false]);
  });

  it('asks where a redirect leads that names no address', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(307, { location: 'mailto:x' }).end());
    const error = await failure(druid.client().cluster.version());
    expect((error as Error).message).toContain(
      'The redirect was not followed: does this URL point to a Druid',
    );
    expect(druid.seen).toHaveLength(1);
  });

  it('tells what to do about headers that Node does not take', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status, { x: 'y'.repeat(20_000) }));
    const error = await failure(druid.client().cluster.version());
    expect((error as Error).message).toContain('start node with a larger --max-http-header-size');
    expect(druid.seen).toHaveLength(1);
  });

  it('makes Node print no warning when many calls share one signal', async () => {
    const druid = await fakeDruid((_, response) => json(response, 503, {}));
    const { signal } = new AbortController();
    const client = druid.client({ sleep, retry: { maxAttempts: 2, initialDelayMs: 1 } });
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    await Promise.allSettled(Array.from({ length: 30 }, () => client.cluster.version({ signal })));
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('takes a limit that no timer can hold for a very long one', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    const client = druid.client({ timeoutMs: 1e12, connectTimeoutMs: Number.MAX_VALUE });
    expect(await client.cluster.version()).toBe('33.0.0');
  });

  it('refuses a body that is no JSON before anything is sent', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, { task: 't' }));
    const spec: Record<string, unknown> = {};
    spec['self'] = spec;
    const error = await failure(druid.client().tasks.submit({ type: 'noop', spec }));
    expect(DruidConfigError.is(error) && error.details.option).toBe('body');
    expect(druid.seen).toHaveLength(0);
  });

  it('ends at once by close, also in a pause (invariant 2)', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url === '/status'
        ? json(response, 503, {})
        : json(response, 200, { status: { id: 't', statusCode: 'RUNNING' } }),
    );
    const pausing = new Set<number>();
    const client = druid.client({
      sleep: (_, signal) =>
        new Promise((_resolve, reject) => {
          pausing.add(pausing.size);
          signal?.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    });
    const calls = [failure(client.cluster.version()), failure(client.tasks.waitFor('t'))];
    await expect.poll(() => pausing.size).toBe(2);
    client.close();
    for (const error of await Promise.all(calls)) {
      expect(DruidAbortedError.is(error) && error.message).toBe('The Druid client was closed.');
    }
  });

  it('refuses to start after close', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    const client = druid.client();
    client.close();
    client.close();
    expect(DruidAbortedError.is(await failure(client.cluster.version()))).toBe(true);
    expect(druid.seen).toHaveLength(0);
  });
});

describe('options', () => {
  it('keep a path prefix and drop trailing slashes', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    const client = druid.client({ url: `${druid.url}/proxy/druid//` });
    await client.cluster.version();
    expect(druid.seen[0]?.url).toBe('/proxy/druid/status');
    expect(client.url).toBe(`${druid.url}/proxy/druid`);
  });

  it.each([{ timeoutMs: 0 }, { timeoutMs: Number.NaN }, { retry: { maxAttempts: 0 } }, { url: 'druid' }])(
    'refuse %j',
    (options) => {
      expect(() => new DruidClient({ url: 'http://druid', ...options })).toThrow(DruidConfigError);
    },
  );

  it.each(['http://druid', undefined])('are an object, not %j', (options) => {
    expect(() => new DruidClient(options as never)).toThrow(/takes an object: new DruidClient\(\{ url/);
  });

  it('do not pick up a proxy from the environment', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, status));
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    try {
      expect(await druid.client().cluster.version()).toBe('33.0.0');
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });

  it('reuse connections', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, JSON.stringify(status)));
    const client = druid.client();
    for (let n = 0; n < 5; n++) await client.cluster.version();
    expect(druid.sockets.size).toBe(1);
  });
});
