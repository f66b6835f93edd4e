import type { EmbeddedDruid } from '@millrace/testkit';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DruidError, DruidThrottledError, DruidTruncatedError } from '../../src/errors.js';
import { faultCases, type Ending } from './cases.js';
import {
  behindProxy,
  closeAll,
  druidWithEdits,
  editsSql,
  operations,
  rowCount,
  timeoutMs,
  type Operation,
} from './set-up.js';

let druid: EmbeddedDruid;
/** Takes the tasks, so that they do not change what the others read. */
let writable: EmbeddedDruid;
let ids = 0;

beforeAll(async () => {
  [druid, writable] = await Promise.all([druidWithEdits(), druidWithEdits()]);
});
afterEach(async () => {
  vi.useRealTimers();
  await closeAll();
});
afterAll(() => Promise.all([druid.stop(), writable.stop()]));

const serverOf = ({ kind }: Operation) => (kind === 'identified' || kind === 'once' ? writable : druid);

/** What the call delivers, and its error. */
async function outcome(operation: Operation, client: Parameters<Operation['run']>[0]) {
  const items: unknown[] = [];
  let error: unknown;
  await operation.run(client, items, `task-${++ids}`).catch((cause: unknown) => (error = cause));
  return { items, error };
}

/** The code of what went wrong, or `same`; never anything but an error of this package. */
function endingOf({ items, error }: { items: unknown[]; error: unknown }, whole: unknown[]): Ending {
  if (error === undefined) {
    expect(items).toEqual(whole); // nothing is silently shorter
    return 'same';
  }
  if (!DruidError.is(error)) throw error;
  // What was delivered is genuine.
  if (typeof items[0] === 'string') {
    expect(String(whole[0]).startsWith(items[0])).toBe(true);
  } else {
    expect(items).toEqual(whole.slice(0, items.length));
    if (DruidTruncatedError.is(error) && items.length > 0) expect(error.rowsReceived).toBe(items.length);
  }
  return error.code;
}

/** Turns the client's clock while it waits for the silent server: until `call` is over, or has moved on. */
async function letTimePass(call: Promise<unknown>, isWaiting: () => boolean): Promise<void> {
  let isOver = false;
  void call.then(() => (isOver = true));
  while (!isOver && isWaiting()) {
    await new Promise(setImmediate);
    vi.advanceTimersByTime(timeoutMs);
  }
}

describe.each(operations)('$name', (operation) => {
  let whole: unknown[];

  beforeAll(async () => {
    const { client } = await behindProxy(serverOf(operation));
    const { items, error } = await outcome(operation, client);
    expect(error).toBeUndefined();
    whole = items;
    await closeAll();
  });

  it.each(faultCases)('meets $name', async (faultCase) => {
    const { fault } = faultCase;
    if (fault.type === 'silence') vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { proxy, client, sleeps } = await behindProxy(serverOf(operation), {
      onSleep: () => (fault.type === 'go-down' ? proxy.accept() : undefined),
    });
    const rule = proxy.on({ path: operation.path, nth: 1 }, fault);
    const run = outcome(operation, client);
    if (fault.type === 'silence') {
      await proxy.received({ path: operation.path });
      await letTimePass(run, () => rule.matched === 1 && sleeps.length === 0);
    }
    const ending = endingOf(await run, whole);
    expect(faultCase[operation.name === 'native.query' ? 'json' : operation.kind]).toContain(ending);
    expect(rule.matched).toBeGreaterThan(0);
    if (operation.kind === 'once') expect(rule.matched).toBe(1); // a task POST without an id is never sent twice
    if (fault.type === 'throttled' && fault.retryAfter === 7 && ending === 'same')
      expect(sleeps).toContain(7_000);
    // The client is as good as new.
    proxy.reset();
    await proxy.accept();
    expect(endingOf(await outcome(operation, client), whole)).toBe('same');
  });

  it('follows a redirect to another address', async () => {
    const { proxy, client } = await behindProxy(serverOf(operation));
    const { proxy: other } = await behindProxy(serverOf(operation));
    proxy.on({ path: operation.path }, { type: 'redirect', to: other.url });
    expect(endingOf(await outcome(operation, client), whole)).toBe('same');
    expect(proxy.requests.some(({ forwarded }) => forwarded)).toBe(false);
    expect(other.requests[0]).toMatchObject({ body: proxy.requests[0]?.body, outcome: 'answered' });
  });

  it('asks for a new token when the old one has expired, and gives up with a fixed one', async () => {
    let tokens = 0;
    const { proxy, client } = await behindProxy(serverOf(operation), {
      auth: { type: 'bearer', token: () => `token-${++tokens}` },
    });
    const { proxy: other, client: fixed } = await behindProxy(serverOf(operation), {
      auth: { type: 'bearer', token: 'token-1' },
    });
    for (const each of [proxy, other]) each.on({ path: operation.path }, { type: 'expired-token' });
    expect(endingOf(await outcome(operation, client), whole)).toBe('same');
    expect(endingOf(await outcome(operation, fixed), whole)).toBe('DRUID_REMOTE');
    expect(other.requests).toHaveLength(1);
  });

  it.each([
    ['reset', { type: 'reset' }, 'DRUID_CONNECTION'],
    ['refused', { type: 'go-down' }, 'DRUID_CONNECTION'],
    ['redirected to a dead leader', { type: 'redirect', to: 'dead' }, 'DRUID_CONNECTION'],
    ['answered by a page with 503', { type: 'html-page', status: 503 }, 'DRUID_REMOTE'],
    ['throttled', { type: 'throttled', retryAfter: 1 }, 'DRUID_THROTTLED'],
  ] as const)('gives up when it is %s every time', async (_, fault, code) => {
    const { proxy, client, sleeps } = await behindProxy(serverOf(operation));
    proxy.on({ path: operation.path }, fault);
    expect(endingOf(await outcome(operation, client), whole)).toBe(code);
    const attempts = operation.kind === 'once' ? 1 : 6;
    expect(sleeps).toHaveLength(attempts - 1);
    expect(proxy.requests.filter(({ method }) => method !== 'DELETE')).toHaveLength(
      fault.type === 'go-down' ? 1 : attempts,
    );
  });
});

describe('a result that is cut with a clean end', () => {
  it.each(operations.filter(({ name, kind }) => kind === 'query' && name !== 'native.query'))(
    'is never whole, wherever the cut is: $name',
    async (operation) => {
      const { proxy, client } = await behindProxy(druid);
      const { items: whole } = await outcome(operation, client);
      // Behind an array's closing bracket there is a line break, whose loss is none.
      const isArray = /(object|array)$/.test(operation.name) && operation.name.includes('streamBytes');
      const size = (proxy.requests[0]?.sentBytes ?? 0) - (isArray ? 1 : 0);
      expect(size).toBeGreaterThan(1_000);
      const nearTheEnd = fc.integer({ min: size - 8, max: size - 1 });
      await fc.assert(
        fc.asyncProperty(fc.oneof(fc.nat(size - 1), nearTheEnd), async (afterBytes) => {
          const rule = proxy.on({ path: operation.path }, { type: 'truncate', afterBytes });
          expect(endingOf(await outcome(operation, client), whole)).toBe('DRUID_TRUNCATED');
          rule.remove();
        }),
        { numRuns: 25 },
      );
    },
  );

  it("tells Druid's reason and the rows that arrived", async () => {
    const { proxy, client } = await behindProxy(druid);
    const trailers = { 'X-Error-Message': 'Query exceeded its time' };
    proxy.on({}, { type: 'truncate', afterBytes: 3_000, trailers });
    const { error } = await outcome(operations[1]!, client);
    expect(DruidTruncatedError.is(error) && error.details.serverMessage).toBe('Query exceeded its time');
    expect(DruidTruncatedError.is(error) && error.rowsReceived).toBeGreaterThan(10);
  });
});

describe('a log-in page with 200', () => {
  it('is not taken for a change that was made', async () => {
    const { proxy, client } = await behindProxy(druid);
    const headers = { 'Content-Type': 'text/html' };
    proxy.on({ method: 'POST' }, { type: 'answer', status: 200, headers, body: '<html>Sign in</html>' });
    const error: unknown = await client.tasks.shutdown('edits-fixture').catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'DRUID_DECODE' });
    expect((error as Error).message).toContain('Does this URL point to a Druid Router?');
    expect(proxy.requests).toHaveLength(1);
  });
});

describe('throttling', () => {
  it('waits until the time that the server names', async () => {
    const nowMs = Date.UTC(2030, 0, 1);
    const { proxy, client, sleeps } = await behindProxy(druid, { now: () => nowMs });
    proxy.on({ nth: 1 }, { type: 'throttled', retryAfter: new Date(nowMs + 9_000) });
    await client.sql.query(editsSql);
    expect(sleeps).toEqual([9_000]);
  });

  it('does not wait for a server that asks for an hour', async () => {
    const { proxy, client, sleeps } = await behindProxy(druid);
    proxy.on({}, { type: 'throttled', retryAfter: 3_600 });
    const error: unknown = await client.sql.query(editsSql).catch((cause: unknown) => cause);
    expect(DruidThrottledError.is(error) && error.retryAfterMs).toBe(3_600_000);
    expect(sleeps).toEqual([]);
  });
});

describe('leaving', () => {
  it('a silent server, and one that drips, by the signal, and cancels the query', async () => {
    for (const fault of [{ type: 'silence' }, { type: 'silence', afterBytes: 2_000 }] as const) {
      const { proxy, client } = await behindProxy(druid);
      proxy.on({ path: '/druid/v2/sql' }, fault);
      const abort = new AbortController();
      const reading = client.sql.query(editsSql, { signal: abort.signal }).catch((cause: unknown) => cause);
      await proxy.received(
        {},
        ({ bodyBytes, sentBytes }) => bodyBytes > 0 && sentBytes === (fault.afterBytes ?? 0),
      );
      abort.abort();
      expect(await reading).toMatchObject({ code: 'DRUID_ABORTED' });
      await proxy.received({ method: 'DELETE', path: /^\/druid\/v2\/sql\// });
      await proxy.received({}, ({ outcome: ended }) => ended === 'client-gone');
    }
  });

  it('a stream early ends the upstream request, however slowly it drips', async () => {
    const { proxy, client } = await behindProxy(druid);
    proxy.on(
      { path: '/druid/v2' },
      { type: 'drip', bytesPerTick: 64, tick: () => new Promise(setImmediate) },
    );
    const query = {
      dataSource: 'edits',
      intervals: ['2024-01-01/2024-01-02'],
      columns: ['n'],
      batchSize: 20,
    };
    for await (const { rows } of client.native.scan(query)) {
      expect(rows.length).toBeLessThan(rowCount);
      break;
    }
    await proxy.received({}, ({ outcome: ended }) => ended === 'client-gone');
    await proxy.received({ method: 'DELETE' });
  });
});
