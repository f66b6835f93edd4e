import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidConfigError, DruidError, DruidRemoteError, DruidTimeoutError } from '../../src/errors.js';
import type { AuthRequest } from '../../src/options.js';
import { arrayLines, failure, fakeDruid, inPieces, json, type Handler } from '../fake-druid.js';

const status = { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } };

/** Takes this token only. */
const taking =
  (token: () => string): Handler =>
  ({ headers }, response) =>
    headers.authorization === `Bearer ${token()}` ? json(response, 200, status) : json(response, 401, {});

/** Numbered tokens, and how they were asked for. */
function tokens() {
  const asked: boolean[] = [];
  const token = async ({ isRefresh }: { readonly isRefresh: boolean }) => {
    asked.push(isRefresh);
    await new Promise(setImmediate);
    return `token-${asked.length}\n`;
  };
  return { asked, auth: { type: 'bearer', token } as const };
}

function thrown(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

describe('the option auth', () => {
  it.each([
    ['Bearer s3cr3t', 'has no type'],
    [{ username: 'ann', password: 's3cr3t' }, 'has no type'],
    [{ type: 'Basic', username: 'ann', password: 's3cr3t' }, 'has an unknown type'],
    [{ type: 'basic', username: 'ann', password: undefined }, "without the texts 'username' and 'password'"],
    [{ type: 'bearer', token: undefined }, "without a 'token'"],
    [{ type: 'custom' }, "without the function 'headers'"],
  ])('that is unusable is refused, and not shown: %j', (auth, problem) => {
    const error = thrown(() => new DruidClient({ url: 'http://druid', auth: auth as never }));
    expect(DruidConfigError.is(error) && error.details.option).toBe('auth');
    expect((error as Error).message).toContain(problem);
    expect(inspect(error)).not.toContain('s3cr3t');
  });

  it('may be null or undefined, as when nothing is set', () => {
    new DruidClient({ url: 'http://druid', auth: undefined as never }).close();
    new DruidClient({ url: 'http://druid', auth: null as never }).close();
  });
});

describe('a token function', () => {
  it('is asked once for all requests, as long as its token is taken (invariant 1)', async () => {
    const druid = await fakeDruid(taking(() => 'token-1'));
    const { asked, auth } = tokens();
    const client = druid.client({ auth });
    await Promise.all([1, 2, 3].map(() => client.cluster.version()));
    await client.cluster.version();
    expect(asked).toEqual([false]);
  });

  it('is asked once more for all requests that were refused with the same token (invariant 1)', async () => {
    let current = 'token-1';
    const druid = await fakeDruid(taking(() => current));
    const { asked, auth } = tokens();
    const client = druid.client({ auth });
    await client.cluster.version();
    current = 'token-2';
    await Promise.all(Array.from({ length: 8 }, () => client.cluster.version()));
    expect(asked).toEqual([false, true]);
    expect(druid.seen).toHaveLength(1 + 8 + 8);
    expect(druid.sleeps).toEqual([]);
  });

  it('may refresh what must not be repeated, too: a 401 has no effect', async () => {
    const druid = await fakeDruid(({ headers }, response) =>
      headers.authorization === 'Bearer token-2'
        ? json(response, 200, { task: 't' })
        : json(response, 401, {}),
    );
    const { auth } = tokens();
    expect((await druid.client({ auth }).tasks.submit({ type: 'noop' })).taskId).toBe('t');
  });

  it('whose tokens are all refused ends in one error, after one refresh (invariant 3 of the transport)', async () => {
    const druid = await fakeDruid((_, response) => json(response, 401, {}));
    const { asked, auth } = tokens();
    const error = await failure(druid.client({ auth }).cluster.version());
    expect(DruidRemoteError.is(error) && error.details.status).toBe(401);
    expect(asked).toEqual([false, true]);
    expect(druid.seen).toHaveLength(2);
  });

  it('that fails is asked again by the next call (invariant 2), and its error holds no secret of ours', async () => {
    const druid = await fakeDruid(taking(() => 'token-9'));
    let calls = 0;
    const token = () => {
      if (++calls === 1)
        throw Object.assign(new Error('no token service'), { config: { secret: 'hunter2' } });
      return calls === 2 ? '  ' : 'token-9';
    };
    const client = druid.client({ auth: { type: 'bearer', token } });
    const error = await failure(client.cluster.version());
    expect(DruidConfigError.is(error) && error.retryable).toBe(true);
    expect((error as Error).message).toContain("no token service. Look at the function in option 'auth'");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2');
    expect((await failure(client.cluster.version())) as Error).toMatchObject({
      message: expect.stringContaining('the token function gave an empty token') as string,
    });
    expect(await client.cluster.version()).toBe('33.0.0');
    expect(druid.seen).toHaveLength(1);
  });

  it('that never answers costs the time limit, and no more', async () => {
    const druid = await fakeDruid(taking(() => 'x'));
    const token = () => new Promise<string>(() => {});
    const client = druid.client({ auth: { type: 'bearer', token }, retry: { maxAttempts: 1 } });
    const error = await failure(client.cluster.workerCapacity({ timeoutMs: 20 }));
    expect(DruidTimeoutError.is(error)).toBe(true);
    const abort = AbortSignal.abort();
    expect(await failure(client.cluster.workerCapacity({ signal: abort }))).toMatchObject({
      code: 'DRUID_ABORTED',
    });
    expect(client.servers[0]?.circuit).toBe('closed');
  });

  it('that has been silent for 30 s is asked again (invariant 2)', async () => {
    const druid = await fakeDruid(taking(() => 'second'));
    let nowMs = 0;
    let asked = 0;
    const token = () => (++asked === 1 ? new Promise<string>(() => {}) : 'second');
    const client = druid.client({ auth: { type: 'bearer', token }, now: () => nowMs });
    const first = failure(client.cluster.workerCapacity({ timeoutMs: 5 }));
    nowMs = 29_999;
    await failure(client.cluster.workerCapacity({ timeoutMs: 5 }));
    expect(asked).toBe(1);
    nowMs = 30_000;
    expect(await client.cluster.version()).toBe('33.0.0');
    nowMs = 1e9;
    expect(await client.cluster.version()).toBe('33.0.0');
    expect(asked).toBe(2);
    expect(DruidTimeoutError.is(await first)).toBe(true);
  });

  it('is not asked about a 401 of a host that never got its token', async () => {
    const druid = await fakeDruid(({ headers }, response) =>
      headers.host?.startsWith('localhost')
        ? json(response, 401, {})
        : response.writeHead(307, { location: `http://localhost:${headers.host?.split(':')[1]}/x` }).end(),
    );
    const { asked, auth } = tokens();
    await failure(druid.client({ auth }).cluster.version());
    expect(asked).toEqual([false]);
    expect(druid.seen).toHaveLength(2);
  });

  it('tells its secrets to no error, also the newer ones (invariant 1 of the credentials)', async () => {
    const druid = await fakeDruid(({ headers }, response) => {
      const isFirst = headers.authorization === 'Bearer first-secret';
      json(response, isFirst ? 401 : 400, { error: `not you, ${headers.authorization}, nor first-secret` });
    });
    let n = 0;
    const token = () => ['first-secret', 'second-secret'][n++] as string;
    const error = await failure(druid.client({ auth: { type: 'bearer', token } }).cluster.version());
    expect(DruidError.is(error)).toBe(true);
    expect(inspect(error, { depth: 9, showHidden: true, getters: true })).not.toMatch(
      /first-secret|second-secret/,
    );
  });
});

describe('custom authentication', () => {
  it('signs each request by method, address and body, and is asked once more after a 401', async () => {
    const requests: AuthRequest[] = [];
    const druid = await fakeDruid(({ headers }, response) => {
      if (headers['x-signature'] !== 'sig-2') return json(response, 401, {});
      return inPieces(response, arrayLines([['n', 'LONG', 'BIGINT']], []));
    });
    const headers = (request: AuthRequest) => ({ 'X-Signature': `sig-${requests.push(request)}` });
    const hooked: unknown[] = [];
    const client = druid.client({
      auth: { type: 'custom', headers },
      hooks: { onRequest: (event) => hooked.push(event.headers['x-signature']) },
    });
    await client.sql.query('SELECT 1');
    expect(requests.map(({ isRefresh }) => isRefresh)).toEqual([false, true]);
    expect(requests[0]).toMatchObject({ method: 'POST', url: `${druid.url}/druid/v2/sql` });
    expect(requests[0]?.body).toBe(druid.seen[0]?.text);
    expect(hooked).toEqual(['***', '***']);
  });

  it('goes to trusted hosts only (invariant 2 of the exchange)', async () => {
    const druid = await fakeDruid(({ headers }, response) =>
      headers.host?.startsWith('localhost')
        ? json(response, 200, status)
        : response.writeHead(307, { location: `http://localhost:${headers.host?.split(':')[1]}/x` }).end(),
    );
    const auth = { type: 'custom', headers: () => ({ 'x-key': 'k' }) } as const;
    await druid.client({ auth }).cluster.version();
    await druid.client({ auth, trustedHosts: ['localhost'] }).cluster.version();
    const sent = druid.seen.filter(({ headers }) => headers.host?.startsWith('localhost'));
    expect(sent.map(({ headers }) => headers['x-key'])).toEqual([undefined, 'k']);
  });
});
