import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeterClock, SAMPLE_INTERVAL_MS } from '../../src/metrics/meter-clock.js';
import { Rate } from '../../src/metrics/rate.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

class Scenario {
  readonly clock = new ManualClock(1_000);
  readonly meterClock = new MeterClock(this.clock);
  total = 0;
  samples = 0;
  readonly rate = new Rate(this.meterClock, () => this.total);
  readonly #events: { readonly at: number; readonly by: number }[] = [];

  constructor() {
    this.meterClock.onSample((at) => {
      this.samples++;
      this.rate.sample(at);
    });
  }

  /** A turn of the job: counts, then reads the clock. */
  turn(by: number): void {
    this.total += by;
    this.#events.push({ at: this.clock.now(), by });
    this.meterClock.read();
  }

  /** The job sleeps; it reads the clock when it wakes. */
  sleep(ms: number): void {
    this.clock.advance(ms);
    this.meterClock.read();
  }

  /** Events of the last minute, and with them those of as much before it as a sample may be off. */
  eventsIn(windowMs: number): number {
    const from = this.clock.now() - windowMs;
    return this.#events.reduce((sum, { at, by }) => sum + (at > from ? by : 0), 0);
  }
}

describe('a rate', () => {
  it('is what the last minute brought, but for the share of one sample interval at its begin', () => {
    const step = fc.record({ by: fc.integer({ min: 0, max: 100 }), ms: fc.integer({ min: 0, max: 20_000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scenario = new Scenario();
        for (const { by, ms } of steps) {
          scenario.turn(by);
          scenario.sleep(ms);
        }
        const seconds = Math.min(60_000, scenario.clock.now() - 1_000) / 1000;
        const counted = scenario.rate.perSecond * seconds;
        const slack = 1e-6;
        expect(counted).toBeGreaterThanOrEqual(
          scenario.eventsIn(60_000 - SAMPLE_INTERVAL_MS) * (seconds > 0 ? 1 : 0) - slack,
        );
        expect(counted).toBeLessThanOrEqual(scenario.eventsIn(60_000 + SAMPLE_INTERVAL_MS) + slack);
      }),
    );
  });

  it('is 0 a minute after the last event, however long nobody looked', () => {
    const scenario = new Scenario();
    scenario.turn(600);
    scenario.clock.advance(600_000);
    expect(scenario.rate.perSecond).toBe(0);
  });

  it('covers the time since it was made where that is less than a minute', () => {
    const scenario = new Scenario();
    expect(scenario.rate.perSecond).toBe(0);
    scenario.turn(20);
    scenario.sleep(2_000);
    expect(scenario.rate.perSecond).toBe(10);
  });

  it('takes no more samples than the interval allows, two around a gap', () => {
    const scenario = new Scenario();
    for (let i = 0; i < 1_000; i++) scenario.sleep(100); // 100 s
    expect(scenario.samples).toBeLessThanOrEqual(2 * (100_000 / SAMPLE_INTERVAL_MS));
  });

  it('does not fall below 0 where the time goes back', () => {
    const times = [5_000, 4_000, 6_000];
    const meterClock = new MeterClock({ now: () => times.shift()!, schedule: () => () => undefined });
    expect(meterClock.now).toBe(5_000);
    expect(meterClock.read()).toBe(5_000); // meter-clock's invariant 1
    expect(meterClock.read()).toBe(6_000);
  });
});
