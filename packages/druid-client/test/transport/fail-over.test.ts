import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidConfigError, DruidConnectionError, DruidRemoteError } from '../../src/errors.js';
import type { DruidRetryEvent } from '../../src/transport/hooks.js';
import { arrayLines, collect, failure, fakeDruid, inPieces, json, type Handler } from '../fake-druid.js';

const dead = 'http://127.0.0.1:1';
const version: Handler = (_, response) =>
  json(response, 200, { version: '33.0.0', modules: [], memory: { maxMemory: 1, usedMemory: 1 } });
const one = arrayLines([['n', 'LONG', 'BIGINT']], ['[1]']);
const result: Handler = ({ method }, response) =>
  method === 'DELETE' ? response.writeHead(202).end() : inPieces(response, one);

/** Takes connections, but never says a word of TLS. */
async function muteServer(): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.resume().on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

afterEach(() => vi.useRealTimers());

describe('several servers', () => {
  it('are asked in their order, and the client stays with the one that answers (invariant 1)', async () => {
    const druid = await fakeDruid(version);
    const other = await fakeDruid(version);
    const retries: DruidRetryEvent[] = [];
    const client = druid.client({
      url: [dead, druid.url, other.url],
      hooks: { onRetry: (event) => retries.push(event) },
    });
    expect(client.url).toBe(dead);
    for (let n = 0; n < 3; n++) expect(await client.cluster.version()).toBe('33.0.0');
    expect([druid.seen.length, other.seen.length]).toEqual([3, 0]);
    expect(retries).toMatchObject([{ server: dead, nextServer: druid.url, delayMs: 0, attempt: 1 }]);
    expect(druid.sleeps).toEqual([]);
    expect(client.url).toBe(druid.url);
    expect(client.servers).toEqual([
      { url: dead, isCurrent: false, circuit: 'closed' },
      { url: druid.url, isCurrent: true, circuit: 'closed' },
      { url: other.url, isCurrent: false, circuit: 'closed' },
    ]);
  });

  it('get a task without an id only until it may have arrived (invariant 3 of the exchange)', async () => {
    const taken: Handler = (_, response) => json(response, 200, { task: 't' });
    const breaking = await fakeDruid((_, response) => response.destroy());
    const druid = await fakeDruid(taken);
    const task = { type: 'noop' };
    expect((await druid.client({ url: [dead, druid.url] }).tasks.submit(task)).taskId).toBe('t');
    const error = await failure(druid.client({ url: [breaking.url, druid.url] }).tasks.submit(task));
    expect(DruidConnectionError.is(error) && error.details.mayHaveArrived).toBe(true);
    expect([breaking.seen.length, druid.seen.length]).toEqual([1, 1]);
  });

  it('are not asked for a second opinion', async () => {
    const strict = await fakeDruid((_, response) => json(response, 403, { error: 'no' }));
    const druid = await fakeDruid(version);
    const error = await failure(strict.client({ url: [strict.url, druid.url] }).cluster.version());
    expect(DruidRemoteError.is(error) && error.details.status).toBe(403);
    expect(druid.seen).toHaveLength(0);
  });

  it('get a pause between them only when all have been asked', async () => {
    const first = await fakeDruid((_, response) => json(response, 503, {}));
    const second = await fakeDruid((request, response, n) =>
      n === 1 ? json(response, 502, {}) : version(request, response, n),
    );
    await first.client({ url: [first.url, second.url] }).cluster.version();
    expect([first.seen.length, second.seen.length]).toEqual([2, 2]);
    expect(first.sleeps).toEqual([200]);
  });

  it('run a query anew, under a new id, and the one that runs it is told to cancel it', async () => {
    const broken = await fakeDruid((_, response) => response.destroy());
    const druid = await fakeDruid(({ method }, response) => {
      if (method === 'DELETE') return void response.writeHead(202).end();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(arrayLines([['n', 'LONG', 'BIGINT']], ['[1]']).trimEnd() + '\n');
    });
    const third = await fakeDruid(result);
    const client = druid.client({ url: [broken.url, druid.url, third.url] });
    for await (const rows of client.sql.stream('SELECT n FROM t')) {
      expect(rows).toEqual([{ n: 1 }]);
      break;
    }
    const ids = [broken, druid].map(
      ({ seen }) => (seen[0]?.body['context'] as { sqlQueryId: string }).sqlQueryId,
    );
    expect(ids).toEqual(['q1', 'q2']);
    expect(druid.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /druid/v2/sql',
      'DELETE /druid/v2/sql/q2',
    ]);
    expect(broken.seen.length + third.seen.length).toBe(1);
  });

  it('keep a query on its server when others have moved on meanwhile', async () => {
    let isFirstUp = true;
    const first = await fakeDruid(async ({ method }, response) => {
      if (method === 'DELETE') return void response.writeHead(202).end();
      if (!isFirstUp) return void response.destroy();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(one.trimEnd() + '\n');
    });
    const second = await fakeDruid(result);
    const client = first.client({ url: [first.url, second.url] });
    const batches = client.sql.stream('SELECT n FROM t')[Symbol.asyncIterator]();
    await batches.next();
    isFirstUp = false;
    await collect(client.sql.stream('SELECT n FROM t'));
    expect(client.url).toBe(second.url);
    await batches.return?.();
    expect(first.seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/druid/v2/sql/q1' });
    expect(second.seen.map(({ method }) => method)).toEqual(['POST']);
  });

  it('give one error when none can be reached', async () => {
    const client = new DruidClient({ url: [dead, 'http://127.0.0.1:2'], retry: { maxAttempts: 1 } });
    const error = await failure(client.cluster.version());
    expect((error as Error).message).toContain(
      'The status reached none of 2 servers: http://127.0.0.1:1 (ECONNREFUSED), http://127.0.0.1:2 (ECONNREFUSED).',
    );
    expect((error as Error).cause).toBeInstanceOf(AggregateError);
  });

  it.each([
    [[], 'url'],
    [['http://a', 'b'], 'url'],
    [['http://me:one@a', 'http://me:two@b'], 'url'],
  ])('refuse %j', (url, option) => {
    try {
      new DruidClient({ url });
      expect.unreachable();
    } catch (error) {
      expect(DruidConfigError.is(error) && error.details.option).toBe(option);
      expect((error as Error).message).not.toMatch(/one@|two@/);
    }
  });

  it('may hold the user in one of their addresses', async () => {
    const druid = await fakeDruid(version);
    const url = [dead, druid.url.replace('//', '//me:100%@')];
    await druid.client({ url }).cluster.version();
    expect(druid.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:100%').toString('base64')}`);
  });
});

describe('a time to connect', () => {
  it('ends before the time to answer, and lets another server take over (invariant 2)', async () => {
    const mute = await muteServer();
    const druid = await fakeDruid(version);
    const options = { connectTimeoutMs: 250, retry: { maxAttempts: 1 } };
    // The other server has as long.
    const several = druid.client({ ...options, connectTimeoutMs: 1_000, url: [mute.url, druid.url] });
    expect(await several.cluster.version()).toBe('33.0.0');
    const alone = await failure(druid.client({ ...options, url: mute.url }).cluster.version());
    expect(alone).toMatchObject({ retryable: true, details: { reason: 'ETIMEDOUT', mayHaveArrived: false } });
    expect((alone as Error).message).toContain('no connection within 250 ms');
    await expect.poll(() => mute.sockets.size).toBe(0);
  });

  it('does not run once there is a connection', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let answer = () => {};
    const druid = await fakeDruid((request, response, n) => {
      answer = () => void version(request, response, n);
    });
    const call = druid.client({ connectTimeoutMs: 1_000 }).cluster.version();
    while (druid.seen.length === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(30_000);
    answer();
    expect(await call).toBe('33.0.0');
  });
});

describe('leaders', () => {
  it('are asked where a follower points, and a dead one is told by name', async () => {
    let leader = dead;
    const follower = await fakeDruid(({ url }, response) =>
      response.writeHead(307, { location: `${leader}${url}` }).end(),
    );
    const alive = await fakeDruid((_, response) => json(response, 200, { id: 's' }));
    const client = follower.client({
      sleep: async () => {
        leader = alive.url;
      },
      retry: { maxAttempts: 2 },
    });
    // An identified task is asked for again, when another leader has taken over.
    await client.tasks.submit({ type: 'noop', id: 's' }).catch(() => undefined);
    expect(alive.seen[0]).toMatchObject({ method: 'POST', body: { type: 'noop', id: 's' } });
    leader = dead;
    const error = await failure(client.tasks.submit({ type: 'noop' }));
    expect(error).toMatchObject({ details: { url: `${dead}/druid/indexer/v1/task`, mayHaveArrived: false } });
    expect((error as Error).message).toContain(
      `${follower.url} names it as the leader: if it is down, another one`,
    );
  });

  it('that are dead by one follower may be known by another', async () => {
    const stale = await fakeDruid(({ url }, response) =>
      response.writeHead(307, { location: `${dead}${url}` }).end(),
    );
    const leader = await fakeDruid((_, response) => json(response, 200, { task: 't' }));
    const client = stale.client({ url: [stale.url, leader.url] });
    // Nothing has arrived anywhere, so that even a task without an id may go to the other one.
    expect((await client.tasks.submit({ type: 'noop' })).taskId).toBe('t');
    expect([stale.seen.length, leader.seen.length]).toEqual([1, 1]);
  });

  it.each(['http://', 'ftp://druid/x', ''])('at no address, %j, are refused', async (location) => {
    const druid = await fakeDruid((_, response) => response.writeHead(307, { location }).end());
    const error = await failure(druid.client().cluster.version());
    expect(DruidRemoteError.is(error) && error.details.status).toBe(307);
    expect(druid.seen).toHaveLength(1);
  });

  it('that nobody is yet end in an error that says so', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(307, { location: '/again' }).end());
    const error = await failure(druid.client().cluster.version());
    expect((error as Error).message).toContain('The redirects do not end: the leader is being elected');
  });
});

describe('the circuit', () => {
  it('spares a dead server, and is passed by for another one', async () => {
    const clock = { nowMs: 0 };
    let isUp = false;
    const flaky = await fakeDruid((request, response, n) =>
      isUp ? version(request, response, n) : response.destroy(),
    );
    const states: string[] = [];
    const options = {
      now: () => clock.nowMs,
      circuit: { maxFailures: 3, minOutageMs: 0, openMs: 1_000 },
      retry: { maxAttempts: 1 },
      hooks: {
        onCircuit: ({ server, state }: { server: string; state: string }) =>
          states.push(`${server} ${state}`),
      },
    };
    const client = flaky.client(options);
    for (let n = 0; n < 5; n++) await failure(client.cluster.version());
    expect(flaky.seen).toHaveLength(3);
    expect(client.servers[0]?.circuit).toBe('open');
    expect(await failure(client.cluster.version())).toMatchObject({
      code: 'DRUID_CONNECTION',
      details: { reason: 'CIRCUIT_OPEN', circuit: { failures: 3, sinceMs: 0, untilMs: 1_000 } },
    });
    // It asks whether the server lives, so it asks.
    expect(await client.cluster.health()).toBe(false);
    expect(flaky.seen).toHaveLength(4);
    isUp = true;
    clock.nowMs = 1_000;
    const trials = await Promise.allSettled([1, 2, 3].map(() => client.cluster.version()));
    expect(trials.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await client.cluster.version()).toBe('33.0.0');
    expect(states).toEqual(['open', 'half-open', 'closed'].map((state) => `${flaky.url} ${state}`));
  });

  it('fails at once, without the pauses of a repetition', async () => {
    const druid = await fakeDruid((_, response) => response.destroy());
    const client = druid.client({ circuit: { maxFailures: 6, minOutageMs: 0 } });
    await failure(client.cluster.version());
    expect(druid.sleeps).toHaveLength(5);
    await failure(client.cluster.version());
    expect(druid.sleeps).toHaveLength(5);
    expect(druid.seen).toHaveLength(6);
  });

  it('does not fail calls that have begun before, and may outlast the outage', async () => {
    const clock = { nowMs: 0 };
    const druid = await fakeDruid((request, response, n) =>
      n <= 4 ? response.destroy() : version(request, response, n),
    );
    const client = druid.client({
      now: () => clock.nowMs,
      sleep: async (ms) => void (clock.nowMs += ms),
      circuit: { maxFailures: 4, minOutageMs: 0, openMs: 500 },
    });
    expect(await Promise.all([1, 2].map(() => client.cluster.version()))).toEqual(['33.0.0', '33.0.0']);
    expect(client.servers[0]?.circuit).toBe('closed');
  });

  it('by default stays closed through a restart, whatever fails in it', async () => {
    const druid = await fakeDruid((_, response) => response.destroy());
    const client = druid.client({ now: () => 0, retry: { maxAttempts: 1 } });
    for (let n = 0; n < 30; n++) await failure(client.cluster.version());
    expect(druid.seen).toHaveLength(30);
  });

  it('can be turned off', async () => {
    let nowMs = 0;
    const druid = await fakeDruid((_, response) => response.destroy());
    const client = druid.client({ circuit: false, now: () => (nowMs += 60_000), retry: { maxAttempts: 1 } });
    for (let n = 0; n < 15; n++) await failure(client.cluster.version());
    expect(druid.seen).toHaveLength(15);
  });

  it('does not count the aborts of the caller, nor refusals', async () => {
    const druid = await fakeDruid(({ url }, response) => {
      if (url === '/status') json(response, 500, {});
    });
    const client = druid.client({ circuit: { maxFailures: 1, minOutageMs: 0 }, retry: { maxAttempts: 1 } });
    for (let n = 0; n < 3; n++) {
      await failure(client.cluster.version());
      await failure(client.cluster.properties({ signal: AbortSignal.timeout(5) }));
    }
    expect(client.servers[0]?.circuit).toBe('closed');
  });
});
