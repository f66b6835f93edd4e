import { describe, expect, it } from 'vitest';
import { AsyncRetryStrategies, StreamConfigError } from '../../src/index.js';

describe('a retry strategy', () => {
  it('of a fixed delay always waits as long', () => {
    const strategy = AsyncRetryStrategies.fixedDelay({ maxAttempts: 3, delayMs: 50 });
    expect([1, 2, 3].map((attempt) => strategy.delayMs(attempt))).toEqual([50, 50, 50]);
    expect(strategy.maxAttempts).toBe(3);
  });

  it('of exponential back-off waits longer each time, up to its maximum', () => {
    const strategy = AsyncRetryStrategies.exponentialBackoff({
      maxAttempts: 9,
      initialDelayMs: 10,
      maxDelayMs: 100,
      multiplier: 3,
    });
    expect([1, 2, 3, 4, 5000].map((attempt) => strategy.delayMs(attempt))).toEqual([10, 30, 90, 100, 100]);
    const doubling = AsyncRetryStrategies.exponentialBackoff({
      maxAttempts: 9,
      initialDelayMs: 10,
      maxDelayMs: 100,
    });
    expect([1, 2, 3, 4, 5].map((attempt) => doubling.delayMs(attempt))).toEqual([10, 20, 40, 80, 100]);
  });

  it('keeps the predicates', () => {
    const retryOnError = () => false;
    const retryOnResult = () => true;
    expect(
      AsyncRetryStrategies.fixedDelay({ maxAttempts: 3, delayMs: 50, retryOnError, retryOnResult }),
    ).toMatchObject({ retryOnError, retryOnResult });
  });

  it.each([
    [() => AsyncRetryStrategies.fixedDelay({ maxAttempts: 1, delayMs: -1 }), 'delayMs'],
    [() => AsyncRetryStrategies.fixedDelay({ maxAttempts: 1, delayMs: NaN }), 'delayMs'],
    [
      () => AsyncRetryStrategies.exponentialBackoff({ maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 1 }),
      'initialDelayMs',
    ],
    [
      () => AsyncRetryStrategies.exponentialBackoff({ maxAttempts: 1, initialDelayMs: 2, maxDelayMs: 1 }),
      'maxDelayMs',
    ],
    [
      () =>
        AsyncRetryStrategies.exponentialBackoff({
          maxAttempts: 1,
          initialDelayMs: 1,
          maxDelayMs: 1,
          multiplier: 0.5,
        }),
      'multiplier',
    ],
  ])('refuses delays that make no sense: %#', (make, name) => {
    expect(make).toThrow(StreamConfigError);
    expect(make).toThrow(`${name} of a retry strategy has to be`);
  });
});
