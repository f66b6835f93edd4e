import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestartStrategies, StreamConfigError, type RestartStrategy } from '../../src/index.js';
import { decideRestart, NO_FAILURES } from '../../src/runtime/restart-strategy.js';

/**
 * Plays a job that fails `ranMs[i]` after its i-th start. Returns the delays, the last one `undefined` where it gave up,
 * and the times of the failures.
 */
function play(strategy: RestartStrategy, ranMs: readonly number[], random: () => number = () => 0.5) {
  const failures: number[] = [];
  const delays: (number | undefined)[] = [];
  let now = 0;
  let history = NO_FAILURES;
  for (const ran of ranMs) {
    now += ran;
    failures.push(now);
    const decision = decideRestart(strategy, history, now, random);
    delays.push(decision.delayMs);
    if (decision.delayMs === undefined) break;
    history = decision.history;
    now += decision.delayMs;
  }
  return { delays, failures, history };
}

const runs = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 20 });
const delayMs = fc.integer({ min: 0, max: 3_000 });

describe('the restart strategy', () => {
  it('none gives up at the first failure', () => {
    expect(play(RestartStrategies.none(), [1, 1]).delays).toEqual([undefined]);
  });

  it('fixed delay restarts as many times as it has attempts, however long the job ran in between', () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 10 }), delayMs, (ranMs, attempts, delayMs) => {
        const { delays } = play(RestartStrategies.fixedDelay({ attempts, delayMs }), ranMs);
        expect(delays).toEqual(
          ranMs.slice(0, attempts + 1).map((_, index) => (index < attempts ? delayMs : undefined)),
        );
      }),
    );
  });

  it('failure rate gives up at the failure that is one too many within the interval', () => {
    const rate = fc.record({
      maxFailuresPerInterval: fc.integer({ min: 1, max: 5 }),
      failureRateIntervalMs: fc.integer({ min: 1, max: 10_000 }),
      delayMs,
    });
    fc.assert(
      fc.property(runs, rate, (ranMs, options) => {
        const { delays, failures, history } = play(RestartStrategies.failureRate(options), ranMs);
        const isTooMuch = (at: number) =>
          failures.filter((other) => other <= at && at - other <= options.failureRateIntervalMs).length >
          options.maxFailuresPerInterval;
        expect(delays).toEqual(failures.map((at) => (isTooMuch(at) ? undefined : options.delayMs)));
        expect(history.failures.length).toBeLessThanOrEqual(options.maxFailuresPerInterval);
      }),
    );
  });

  it('exponential delay multiplies, up to the longest wait, and begins anew after a time without failures', () => {
    const exponential = fc
      .record({
        initialBackoffMs: fc.integer({ min: 1, max: 500 }),
        more: fc.integer({ min: 0, max: 5_000 }),
        backoffMultiplier: fc.double({ min: 1.01, max: 5, noNaN: true }),
        resetBackoffThresholdMs: fc.integer({ min: 1, max: 5_000 }),
        attemptsBeforeResetBackoff: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(Infinity)),
      })
      .map(({ more, ...options }) => ({
        ...options,
        maxBackoffMs: options.initialBackoffMs + more,
        jitterFactor: 0,
      }));
    fc.assert(
      fc.property(runs, exponential, (ranMs, options) => {
        const { delays } = play(RestartStrategies.exponentialDelay(options), ranMs);
        const expected: (number | undefined)[] = [];
        let wait = options.initialBackoffMs;
        let restarts = 0;
        for (const [index, ran] of ranMs.entries()) {
          if (index > 0 && ran >= options.resetBackoffThresholdMs) restarts = 0;
          wait = restarts === 0 ? options.initialBackoffMs : wait * options.backoffMultiplier;
          if (restarts++ === options.attemptsBeforeResetBackoff) {
            expected.push(undefined);
            break;
          }
          expected.push(Math.round(Math.min(wait, options.maxBackoffMs)));
        }
        expect(delays.length).toBe(expected.length);
        for (const [index, delay] of delays.entries()) {
          const want = expected[index];
          if (want === undefined) expect(delay).toBeUndefined();
          else expect(Math.abs(delay! - want)).toBeLessThanOrEqual(1); // a product is rounded otherwise than a power
        }
      }),
    );
  });

  it('jitter stays within its share of the wait, and within the first and the longest wait', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        runs,
        fc.array(chance, { minLength: 20, maxLength: 20 }),
        chance,
        (ranMs, chances, share) => {
          const options = { initialBackoffMs: 100, maxBackoffMs: 5_000, backoffMultiplier: 2 };
          const plain = play(RestartStrategies.exponentialDelay({ ...options, jitterFactor: 0 }), ranMs);
          const numbers = chances.values();
          const next = () => numbers.next().value ?? 0;
          const { delays } = play(
            RestartStrategies.exponentialDelay({ ...options, jitterFactor: share }),
            ranMs,
            next,
          );
          for (const [index, delay] of delays.entries()) {
            const base = plain.delays[index]!;
            expect(Math.abs(delay! - base)).toBeLessThanOrEqual(share * base + 1);
            expect(delay).toBeGreaterThanOrEqual(100);
            expect(delay).toBeLessThanOrEqual(5_000);
          }
        },
      ),
    );
    const widest = RestartStrategies.exponentialDelay({
      initialBackoffMs: 100,
      backoffMultiplier: 10,
      jitterFactor: 0.5,
    });
    expect(play(widest, [0, 0], () => 0).delays).toEqual([100, 500]);
    expect(play(widest, [0, 0], () => 1).delays).toEqual([150, 1_500]);
  });

  it('has Flink’s defaults', () => {
    expect(RestartStrategies.fixedDelay()).toEqual({ kind: 'fixed-delay', attempts: 1, delayMs: 1_000 });
    expect(RestartStrategies.failureRate()).toEqual({
      kind: 'failure-rate',
      maxFailuresPerInterval: 1,
      failureRateIntervalMs: 60_000,
      delayMs: 1_000,
    });
    expect(RestartStrategies.exponentialDelay()).toEqual({
      kind: 'exponential-delay',
      initialBackoffMs: 1_000,
      maxBackoffMs: 60_000,
      backoffMultiplier: 1.5,
      jitterFactor: 0.1,
      resetBackoffThresholdMs: 3_600_000,
      attemptsBeforeResetBackoff: Infinity,
    });
  });

  it.each<[string, () => unknown]>([
    ['attempts must be a whole number above 0, got 0', () => RestartStrategies.fixedDelay({ attempts: 0 })],
    ['delayMs must be a whole number', () => RestartStrategies.fixedDelay({ delayMs: -1 })],
    ['delayMs must be a whole number', () => RestartStrategies.failureRate({ delayMs: NaN })],
    ['maxFailuresPerInterval must be', () => RestartStrategies.failureRate({ maxFailuresPerInterval: 1.5 })],
    ['failureRateIntervalMs must be', () => RestartStrategies.failureRate({ failureRateIntervalMs: 0 })],
    ['backoffMultiplier must be', () => RestartStrategies.exponentialDelay({ backoffMultiplier: 1 })],
    ['jitterFactor must be', () => RestartStrategies.exponentialDelay({ jitterFactor: 1.1 })],
    [
      'initialBackoffMs must not be above maxBackoffMs, got 5 and 4',
      () => RestartStrategies.exponentialDelay({ initialBackoffMs: 5, maxBackoffMs: 4 }),
    ],
  ])('refuses what makes no sense: %s', (message, make) => {
    expect(make).toThrow(StreamConfigError);
    expect(make).toThrow(message);
  });
});
