import { describe, expect, it } from 'vitest';
import {
  DruidConnectionError,
  DruidDecodeError,
  DruidRemoteError,
  DruidThrottledError,
  DruidTimeoutError,
  type DruidErrorBody,
} from '../src/errors.js';
import { delayBeforeRetryMs, mayRepeat, type RequestKind } from '../src/retry.js';

const at = { method: 'GET', url: 'http://druid' };
const connection = new DruidConnectionError({
  message: '',
  details: { ...at, reason: 'ECONNRESET' },
  retryable: true,
});
const timeout = new DruidTimeoutError({ message: '', details: { operation: 'x', timeoutMs: 1 } });
const decode = new DruidDecodeError({ message: '', details: { operation: 'x' } });
const throttled = (retryAfterMs?: number) =>
  new DruidThrottledError({ message: '', details: { ...at, status: 429, druid: {}, retryAfterMs } });
const remote = (status: number, druid: DruidErrorBody = {}) =>
  new DruidRemoteError({ message: '', details: { ...at, status, druid } });

const kinds: readonly RequestKind[] = ['read', 'query', 'identified', 'once'];
const repeats = (error: unknown) => kinds.filter((kind) => mayRepeat(kind, error));

describe('mayRepeat', () => {
  it.each([
    ['a broken connection', connection, ['read', 'query', 'identified']],
    ['a time-out', timeout, ['read', 'identified']],
    ['429', throttled(), ['read', 'query', 'identified']],
    ['429 that asks for an hour', throttled(3_600_000), []],
    ['500', remote(500), ['read', 'identified']],
    ['502', remote(502), ['read', 'query', 'identified']],
    ['503', remote(503), ['read', 'query', 'identified']],
    ["a gateway's 504", remote(504), ['read', 'query', 'identified']],
    ["Druid's query time-out", remote(504, { category: 'TIMEOUT' }), ['read', 'identified']],
    ['400', remote(400), []],
    ['401', remote(401), []],
    ['404', remote(404), []],
    ['an answer of another shape', decode, []],
    ['an error of the program', new TypeError(), []],
  ])('after %s', (_, error, expected) => {
    expect(repeats(error)).toEqual(expected);
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
