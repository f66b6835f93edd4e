import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidConfigError, DruidConnectionError, DruidError, DruidRemoteError } from '../../src/errors.js';
import { failure, fakeDruid, json, type Handler } from '../fake-druid.js';
import { certificates } from './certificates.js';
import { forwardProxy } from './forward-proxy.js';

const password = 'pässw@rd:1';
const version: Handler = (_, response) =>
  json(response, 200, { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } });
const { ca, server } = certificates;
const tls = { ca };

afterEach(() => vi.unstubAllEnvs());

describe('a proxy', () => {
  it('passes plain requests on by their whole address, with its own credentials', async () => {
    const druid = await fakeDruid(version);
    const proxy = await forwardProxy({ user: 'me', password });
    const auth = { type: 'bearer', token: 'tok-1234' } as const;
    expect(await druid.client({ proxy: proxy.url, auth }).cluster.version()).toBe('33.0.0');
    expect(proxy.seen).toEqual([`GET ${druid.url}/status`]);
    expect(druid.seen[0]?.headers).toMatchObject({ authorization: 'Bearer tok-1234' });
    expect(druid.seen[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('makes tunnels to https servers, and never sees what they carry', async () => {
    const druid = await fakeDruid(version, server);
    const proxy = await forwardProxy({ user: 'me', password });
    const client = druid.client({ proxy: proxy.url, tls });
    for (let n = 0; n < 3; n++) await client.cluster.version();
    expect(proxy.seen).toEqual([`CONNECT ${new URL(druid.url).host}`]); // one tunnel, kept
    expect(druid.seen[0]?.headers).not.toHaveProperty('proxy-authorization');
    client.close();
    await expect.poll(() => proxy.sockets.size).toBe(0);
  });

  it('checks the server behind it as ever', async () => {
    const druid = await fakeDruid(version, server);
    const proxy = await forwardProxy();
    const error = await failure(druid.client({ proxy: proxy.url }).cluster.version());
    expect(error).toMatchObject({
      details: { reason: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', mayHaveArrived: false },
    });
  });

  it('is named when it wants other credentials, which no error holds', async () => {
    const plain = await fakeDruid(version);
    const secure = await fakeDruid(version, server);
    const { origin, url } = await forwardProxy({ user: 'me', password });
    const wrong = url.replace('me:', 'you:');
    const tunnel = await failure(secure.client({ proxy: wrong, tls }).cluster.version());
    expect(DruidConnectionError.is(tunnel) && tunnel.details).toMatchObject({
      reason: 'PROXY_407',
      mayHaveArrived: false,
    });
    const relayed = await failure(plain.client({ proxy: wrong }).cluster.version());
    expect(DruidRemoteError.is(relayed) && relayed.details.status).toBe(407);
    for (const error of [tunnel, relayed]) {
      expect((error as Error).message).toContain("give them in option 'proxy'");
      const printed = inspect(error, { depth: 9, showHidden: true, getters: true });
      for (const form of [password, encodeURIComponent(password)]) expect(printed).not.toContain(form);
    }
    expect((tunnel as Error).message).toContain(origin);
    expect(plain.seen.length + secure.seen.length).toBe(0);
  });

  it('that is down is what the error names', async () => {
    const druid = await fakeDruid(version, server);
    const retry = { maxAttempts: 1 };
    for (const url of [druid.url, druid.url.replace('https', 'http')]) {
      const error = await failure(
        druid.client({ url, proxy: 'http://127.0.0.1:1', tls, retry }).cluster.version(),
      );
      expect((error as Error).message).toContain('Is the proxy running at http://127.0.0.1:1?');
      expect(error).toMatchObject({ details: { reason: 'ECONNREFUSED', mayHaveArrived: false } });
    }
  });

  it('that never makes the tunnel costs the time to connect, and is left', async () => {
    const druid = await fakeDruid(version, server);
    const proxy = await forwardProxy({ isSilent: true });
    const client = druid.client({ proxy: proxy.url, tls, connectTimeoutMs: 30, retry: { maxAttempts: 1 } });
    const error = await failure(client.cluster.version());
    expect(error).toMatchObject({ details: { reason: 'ETIMEDOUT', mayHaveArrived: false } });
    await expect.poll(() => proxy.sockets.size).toBe(0);
  });

  it('that cannot reach the server answers for it', async () => {
    const proxy = await forwardProxy();
    const client = new DruidClient({
      url: 'http://127.0.0.1:1',
      proxy: proxy.url,
      retry: { maxAttempts: 1 },
    });
    expect(await failure(client.cluster.version())).toMatchObject({ details: { status: 502 } });
    client.close();
  });

  it('of the environment counts only if asked for, and never against the option', async () => {
    const druid = await fakeDruid(version);
    const secure = await fakeDruid(version, server);
    const environment = await forwardProxy();
    const own = await forwardProxy();
    vi.stubEnv('http_proxy', environment.url);
    vi.stubEnv('https_proxy', environment.url);
    vi.stubEnv('no_proxy', '');
    await druid.client().cluster.version();
    expect(environment.seen).toEqual([]);
    await druid.client({ proxyFromEnvironment: true }).cluster.version();
    await secure.client({ proxyFromEnvironment: true, tls }).cluster.version();
    expect(environment.seen).toEqual([`GET ${druid.url}/status`, `CONNECT ${new URL(secure.url).host}`]);
    await druid.client({ proxyFromEnvironment: true, proxy: own.url }).cluster.version();
    expect([environment.seen.length, own.seen.length]).toEqual([2, 1]);
    vi.stubEnv('no_proxy', '127.0.0.1');
    await druid.client({ proxyFromEnvironment: true }).cluster.version();
    expect(environment.seen).toHaveLength(2);
  });

  it.each(['proxy', 'http_proxy'])('given by %s has a password that no error holds', async (name) => {
    const basic = Buffer.from(`me:${password}`).toString('base64');
    const echo = await fakeDruid((_, response) =>
      json(response, 502, { error: `no ${password}, no Basic ${basic}` }),
    );
    const url = echo.url.replace('//', `//me:${encodeURIComponent(password)}@`);
    vi.stubEnv('http_proxy', url);
    vi.stubEnv('no_proxy', '');
    const given = name === 'proxy' ? { proxy: url } : { proxyFromEnvironment: true };
    const error = await failure(echo.client({ ...given, url: 'http://druid' }).cluster.version());
    expect((error as Error).message).toContain('answered 502: no ***, no Basic ***');
  });

  it.each(['socks5://proxy', 'https://me:s3cr3t@proxy', 'proxy:3128', ''])('refuses %j', (proxy) => {
    const make = () => new DruidClient({ url: 'http://druid', proxy });
    expect(make).toThrow(DruidConfigError);
    expect(make).not.toThrow(/s3cr3t/);
  });

  it('of the environment that is no http address is an error, not passed by', async () => {
    const druid = await fakeDruid(version);
    vi.stubEnv('http_proxy', 'socks5://me:s3cr3t@proxy');
    vi.stubEnv('no_proxy', '');
    const error = await failure(druid.client({ proxyFromEnvironment: true }).cluster.version());
    expect(DruidError.is(error) && error.code).toBe('DRUID_CONFIG');
    expect(inspect(error, { depth: 9 })).not.toContain('s3cr3t');
  });
});
