import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../src/connectors/rate-limiter.js';
import { ManualClock } from '../support/manual-clock.js';

describe('rate limiter', () => {
  it('never grants more than the rate allows, and all of it where it is asked for', () => {
    const steps = fc.array(
      fc.record({ waitMs: fc.integer({ min: 0, max: 300 }), max: fc.integer({ min: 1, max: 50 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), steps, (rate, asked) => {
        const clock = new ManualClock(1000);
        const limiter = new RateLimiter(rate, clock);
        let granted = 0;
        for (const { waitMs, max } of asked) {
          clock.advance(waitMs);
          granted += limiter.take(max);
          expect(granted).toBeLessThanOrEqual(((clock.now() - 1000) * rate) / 1000 + 1e-6);
        }
        const start = clock.now();
        limiter.take(Infinity);
        let more = 0;
        for (let i = 0; i < 100; i++) {
          clock.advance(limiter.waitMs);
          more += limiter.take(Infinity);
        }
        expect(more).toBeGreaterThanOrEqual(Math.floor(((clock.now() - start) * rate) / 1000) - 1);
      }),
      { numRuns: 200 },
    );
  });

  it('makes up for a stop of a second at most', () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter(100, clock);
    clock.advance(60_000);
    expect(limiter.take(1_000_000)).toBe(100);
  });

  it('waits for a batch, not for each record', () => {
    const clock = new ManualClock();
    expect(new RateLimiter(1_000_000, clock).waitMs).toBe(10);
    expect(new RateLimiter(0.5, clock).waitMs).toBe(2000);
  });
});
