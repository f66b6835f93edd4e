import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  DruidTimeoutError,
  type DruidErrorBody,
} from '../src/errors.js';
import { delayBeforeRetryMs, mayFailOver, mayRepeat, withRetry, type RequestKind } from '../src/retry.js';
import { HookCaller, type DruidRetryEvent } from '../src/transport/hooks.js';
import { ServerList } from '../src/transport/server-list.js';

const at = { method: 'GET', url: 'http://druid' };
const connectionError = (reason: string, mayHaveArrived: boolean, retryable = true) =>
  new DruidConnectionError({ message: reason, details: { ...at, reason, mayHaveArrived }, retryable });
const reset = connectionError('ECONNRESET', true);
const refused = connectionError('ECONNREFUSED', false);
const leftAlone = new DruidConnectionError({
  message: '',
  details: {
    ...at,
    reason: 'CIRCUIT_OPEN',
    mayHaveArrived: false,
    circuit: { failures: 10, sinceMs: 0, untilMs: 1, reason: 'ECONNREFUSED' },
  },
  retryable: true,
});
const timeout = new DruidTimeoutError({ message: '', details: { operation: 'x', timeoutMs: 1 } });
const decode = new DruidDecodeError({ message: '', details: { operation: 'x' } });
const throttled = (retryAfterMs?: number) =>
  new DruidThrottledError({ message: '', details: { ...at, status: 429, druid: {}, retryAfterMs } });
const remote = (status: number, druid: DruidErrorBody = {}, retryAfterMs?: number) =>
  new DruidRemoteError({ message: `${status}`, details: { ...at, status, druid, retryAfterMs } });

const kinds: readonly RequestKind[] = ['read', 'query', 'identified', 'once'];
const repeats = (error: unknown) => kinds.filter((kind) => mayRepeat(kind, error));
const failsOver = (error: unknown) => kinds.filter((kind) => mayFailOver(kind, error));

describe('mayRepeat', () => {
  it.each([
    ['a broken connection', reset, ['read', 'query', 'identified']],
    ['a refused connection', refused, ['read', 'query', 'identified']],
    ['a certificate that is not trusted', connectionError('CERT_HAS_EXPIRED', false, false), []],
    ['a server that is left alone', leftAlone, []],
    ['a time-out', timeout, ['read', 'identified']],
    ['429', throttled(), ['read', 'query', 'identified']],
    ['429 that asks for an hour', throttled(3_600_000), []],
    ['500', remote(500), ['read', 'identified']],
    ['502', remote(502), ['read', 'query', 'identified']],
    ['503', remote(503), ['read', 'query', 'identified']],
    ["a gateway's 504", remote(504), ['read', 'query', 'identified']],
    ["Druid's query time-out", remote(504, { category: 'TIMEOUT' }), ['read', 'identified']],
    ["an old Druid's query time-out", remote(504, { error: 'Query timeout' }), ['read', 'identified']],
    ['503 that asks for an hour', remote(503, {}, 3_600_000), []],
    ['500 of a cancelled query', remote(500, { category: 'CANCELED' }), []],
    ['500 without capacity', remote(500, { category: 'CAPACITY_EXCEEDED' }), ['read', 'query', 'identified']],
    ['500 of a bug', remote(500, { category: 'DEFENSIVE' }), ['read', 'identified']],
    ['501', remote(501, { category: 'UNSUPPORTED' }), []],
    ['400', remote(400), []],
    ['401', remote(401), []],
    ['404', remote(404), []],
    ['an answer of another shape', decode, []],
    ['an error of the program', new TypeError(), []],
  ])('after %s', (_, error, expected) => {
    expect(repeats(error)).toEqual(expected);
  });
});

describe('mayFailOver', () => {
  it.each([
    ['a broken connection', reset, ['read', 'query', 'identified']],
    ['a refused connection', refused, ['read', 'query', 'identified', 'once']],
    ['an expired certificate', connectionError('CERT_HAS_EXPIRED', false, false), kinds],
    ['a server that is left alone', leftAlone, kinds],
    ['a time-out', timeout, ['read', 'identified']],
    ['429', throttled(), []],
    ['500', remote(500), ['read', 'identified']],
    ['503', remote(503), ['read', 'query', 'identified']],
    ['400', remote(400), []],
    ['an error of the program', new TypeError(), []],
  ])('after %s', (_, error, expected) => {
    expect(failsOver(error)).toEqual(expected);
  });
});

describe('delayBeforeRetryMs', () => {
  const policy = { maxAttempts: 9, initialDelayMs: 100, maxDelayMs: 1000 };

  it('doubles up to the cap', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((attempt) => delayBeforeRetryMs(policy, attempt, 1, undefined));
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it('draws from the upper half', () => {
    expect(delayBeforeRetryMs(policy, 3, 0, undefined)).toBe(200);
    expect(delayBeforeRetryMs(policy, 3, 0.5, undefined)).toBe(300);
  });

  it('never comes back before the server asked for it', () => {
    expect(delayBeforeRetryMs(policy, 1, 1, 7000)).toBe(7000);
    expect(delayBeforeRetryMs(policy, 4, 1, 10)).toBe(800);
  });
});

/** What becomes of the requests of one call, in the order in which they are sent. */
type Fate = 'ok' | 'refused' | 'reset' | 'left alone' | '503' | '429' | '400';

const failures: Readonly<Record<Exclude<Fate, 'ok'>, DruidError>> = {
  refused,
  reset,
  'left alone': leftAlone,
  '503': remote(503),
  '429': throttled(5_000),
  '400': remote(400),
};

/** A call to servers `a`, `b`, …, whose requests meet `fates`; then all is well. */
async function call(kind: RequestKind, fates: readonly Fate[], urls: readonly string[], maxAttempts = 3) {
  const sent: string[] = [];
  const sleeps: number[] = [];
  const retries: DruidRetryEvent[] = [];
  const servers = new ServerList(urls);
  const silent = { debug: () => undefined, warn: () => undefined };
  let error: unknown;
  await withRetry(
    {
      kind,
      policy: { maxAttempts, initialDelayMs: 100, maxDelayMs: 1_000 },
      runtime: {
        sleep: async (ms) => void sleeps.push(ms),
        random: () => 1,
        now: () => 0,
        createId: () => 'q',
        createRequestId: () => 'r',
        logger: silent,
      },
      servers,
      hooks: new HookCaller({ onRetry: (event) => retries.push(event) }, silent),
      operation: 'query',
      signal: undefined,
    },
    async (server) => {
      const fate = fates[sent.length] ?? 'ok';
      sent.push(server);
      if (fate !== 'ok') throw failures[fate];
    },
  ).catch((cause: unknown) => (error = cause));
  return { sent, sleeps, retries, error, current: servers.current };
}

describe('a call to several servers', () => {
  it('goes on to the next without a pause, and all later calls go there', async () => {
    const { sent, sleeps, retries, current } = await call('query', ['reset'], ['a', 'b']);
    expect({ sent, sleeps, current }).toEqual({ sent: ['a', 'b'], sleeps: [], current: 'b' });
    expect(retries).toMatchObject([{ server: 'a', nextServer: 'b', attempt: 1, delayMs: 0 }]);
  });

  it('pauses when it has asked them all, and begins with the one after the last', async () => {
    const { sent, sleeps, retries } = await call('read', ['reset', '503', 'refused'], ['a', 'b']);
    expect({ sent, sleeps }).toEqual({ sent: ['a', 'b', 'a', 'b'], sleeps: [100] });
    expect(retries[1]).toMatchObject({ server: 'b', nextServer: 'a', delayMs: 100 });
  });

  it('stays with a server that is at capacity, for as long as it asks (invariant 3)', async () => {
    const { sent, sleeps } = await call('query', ['429'], ['a', 'b']);
    expect({ sent, sleeps }).toEqual({ sent: ['a', 'a'], sleeps: [5_000] });
  });

  it('asks nobody else when a server says no', async () => {
    const { sent, error } = await call('query', ['400'], ['a', 'b']);
    expect(sent).toEqual(['a']);
    expect(error).toBe(failures['400']);
  });

  it('sends what must not be repeated elsewhere only if it cannot have arrived (invariant 1)', async () => {
    expect((await call('once', ['refused'], ['a', 'b', 'c'])).sent).toEqual(['a', 'b']);
    expect((await call('once', ['refused', 'reset'], ['a', 'b', 'c'])).sent).toEqual(['a', 'b']);
    expect((await call('once', ['refused', 'refused'], ['a', 'b'])).sent).toEqual(['a', 'b']);
  });

  it('fails at once when all are left alone, and tells the true failure when one was asked', async () => {
    const all = await call('read', ['left alone', 'left alone'], ['a', 'b']);
    expect(all).toMatchObject({ sent: ['a', 'b'], sleeps: [] });
    expect(all.error).toMatchObject({ details: { reason: 'CIRCUIT_OPEN' } });
    const one = await call('read', ['503', 'left alone'], ['a', 'b'], 1);
    expect(one.error).toBe(failures['503']);
  });

  it('names all servers that could not be reached', async () => {
    const { error } = await call('once', ['refused', 'refused'], ['http://a', 'http://b']);
    expect(DruidConnectionError.is(error) && error.details.mayHaveArrived).toBe(false);
    expect((error as Error).message).toContain(
      'The query reached none of 2 servers: http://a (ECONNREFUSED), http://b (ECONNREFUSED).',
    );
  });

  it('never sends too much, whatever happens', async () => {
    const fate = fc.constantFrom<Fate>('ok', 'refused', 'reset', 'left alone', '503', '429', '400');
    const urls = fc.constantFrom(['a'], ['a', 'b'], ['a', 'b', 'c']);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.array(fate, { maxLength: 15 }),
        urls,
        fc.integer({ min: 1, max: 4 }),
        async (kind, fates, servers, maxAttempts) => {
          const { sent, sleeps, error } = await call(kind, fates, servers, maxAttempts);
          const met = sent.map((_, i) => fates[i] ?? 'ok');
          expect(sent.length).toBeLessThanOrEqual(servers.length * maxAttempts);
          expect(sleeps.length).toBeLessThan(maxAttempts);
          // It ends well if and only if its last request does, and nothing is sent after an answer for good.
          expect(error === undefined).toBe(met.at(-1) === 'ok');
          expect(met.slice(0, -1).some((each) => each === 'ok' || each === '400')).toBe(false);
          const mayHaveArrived = met.filter((each) => each !== 'refused' && each !== 'left alone');
          if (kind === 'once') expect(mayHaveArrived.length).toBeLessThanOrEqual(1);
          if (error !== undefined) expect(DruidError.is(error)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
