import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidAbortedError, DruidConfigError, DruidConnectionError } from '../../src/errors.js';
import { failure, fakeDruid, json, type Handler } from '../fake-druid.js';
import { certificates } from './certificates.js';

const { ca, server } = certificates;
const status = { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } };

describe('withUrl', () => {
  it('asks the other server with the same credentials and headers, and no other', async () => {
    const router = await fakeDruid((_, response) => json(response, 200, status));
    const historical = await fakeDruid((_, response) => json(response, 200, status));
    const url = router.url.replace('//', '//ann:secret@');
    const client = router.client({ url, headers: { 'x-team': 'flights' } });
    const other = client.withUrl(historical.url);
    await other.cluster.version();
    expect(other.url).toBe(historical.url);
    expect(router.seen).toEqual([]);
    expect(historical.seen[0]?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}`,
      'x-team': 'flights',
    });
    expect(client.url).toBe(router.url);
  });

  it('asks for a token once for both, and again when one of the servers refuses it', async () => {
    let valid = 'token-1';
    const handler: Handler = ({ headers }, response) =>
      json(response, headers.authorization === `Bearer ${valid}` ? 200 : 401, status);
    const router = await fakeDruid(handler);
    const historical = await fakeDruid(handler);
    let asked = 0;
    const client = router.client({ auth: { type: 'bearer', token: () => `token-${++asked}` } });
    const other = client.withUrl(historical.url);
    await client.cluster.version();
    await other.cluster.version();
    expect(asked).toBe(1);
    valid = 'token-2';
    await other.cluster.version();
    await client.cluster.version();
    expect(asked).toBe(2);
  });

  it('shows no credentials when it is printed', () => {
    const auth = { type: 'basic', username: 'ann', password: 'secret-word' } as const;
    const client = new DruidClient({ url: 'http://router', auth });
    const printed = inspect([client, client.withUrl('http://historical')], { depth: 20 });
    expect(printed).toContain('http://historical');
    expect(printed).not.toContain('secret-word');
  });

  it('trusts as the client does', async () => {
    const secure = await fakeDruid((_, response) => json(response, 200, status), server);
    const router = await fakeDruid((_, response) => json(response, 200, status));
    const client = router.client({ tls: { ca }, retry: { maxAttempts: 1 } });
    expect(await client.withUrl(secure.url).cluster.version()).toBe('33.0.0');
    const distrusting = router.client({ retry: { maxAttempts: 1 } });
    const error = await failure(distrusting.withUrl(secure.url).cluster.version());
    expect(DruidConnectionError.is(error)).toBe(true);
  });

  it('closed, ends its own calls alone, and the connections serve the next', async () => {
    const silent = await fakeDruid(({ method, url }, response) => {
      if (url === '/status' || method === 'DELETE') json(response, 200, status);
    });
    const client = silent.client();
    const [one, other] = [client.withUrl(silent.url), client.withUrl(silent.url)];
    const ended = failure(one.sql.query('SELECT 1'));
    const going = other.sql.query('SELECT 1').catch((error: unknown) => error);
    while (silent.seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
    one.close();
    expect(DruidAbortedError.is(await ended)).toBe(true);
    expect(DruidAbortedError.is(await failure(one.cluster.version()))).toBe(true);
    expect(await other.cluster.version()).toBe('33.0.0');
    expect(await client.cluster.version()).toBe('33.0.0');
    other.close();
    await going;
  });

  it('ends when the client is closed that it comes from, however far', async () => {
    const silent = await fakeDruid(({ method }, response) => {
      if (method === 'DELETE') json(response, 202, {});
    });
    const client = silent.client();
    const other = client.withUrl(silent.url).withUrl(silent.url);
    const ended = failure(other.sql.query('SELECT 1'));
    while (silent.seen.length < 1) await new Promise((resolve) => setImmediate(resolve));
    client.close();
    expect(DruidAbortedError.is(await ended)).toBe(true);
    expect(DruidAbortedError.is(await failure(other.cluster.version()))).toBe(true);
  });

  it('takes retries, time limits and a circuit of its own', async () => {
    const router = await fakeDruid((_, response) => json(response, 200, status));
    const broken = await fakeDruid((_, response) => json(response, 503, {}));
    const client = router.client();
    await failure(
      client.withUrl(broken.url, { retry: { maxAttempts: 2 }, circuit: false }).cluster.version(),
    );
    expect(broken.seen).toHaveLength(2);
    const wrong = () => client.withUrl(broken.url, { connectTimeoutMs: -1 });
    expect(wrong).toThrow(expect.objectContaining({ code: 'DRUID_CONFIG' }) as Error);
  });

  it.each(['localhost:8083', 'http://ann:secret@historical:8083'])('refuses %s', async (url) => {
    const router = await fakeDruid((_, response) => json(response, 200, status));
    const client = router.client();
    const error = await failure((async () => client.withUrl(url))());
    expect(DruidConfigError.is(error)).toBe(true);
    expect((error as Error).message).not.toContain('secret');
  });
});
