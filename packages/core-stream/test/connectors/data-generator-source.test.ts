import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataGeneratorSource, NumberSequenceSource, StreamConfigError } from '../../src/index.js';
import { splitSequence } from '../../src/connectors/number-sequence-source.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { quiet, until } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections } from '../support/environment.js';
import { ManualClock } from '../support/manual-clock.js';
import { SourceHarness } from '../support/source-harness.js';

refuseUnhandledRejections();
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

describe('data generator', () => {
  it('deals records out to its splits, each in order, and goes on after every kill point at any parallelism', async () => {
    const options = fc.record({
      count: fc.integer({ min: 0, max: 20 }),
      splits: fc.integer({ min: 1, max: 4 }),
      parallelisms: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      batch: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(options, async ({ count, splits, parallelisms, batch }) => {
        const source = new DataGeneratorSource((n) => n, count, { splits });
        for (let kill = 0; kill <= count; kill++) {
          const first = new SourceHarness(source, { parallelism: parallelisms[0] });
          await first.run(kill, batch);
          const second = new SourceHarness(source, {
            parallelism: parallelisms[1],
            restored: first.checkpoint(),
          });
          await second.run(Infinity, batch);
          const all = [...first.records, ...second.records];
          expect(sorted(all)).toEqual(numbers(count));
          for (let split = 0; split < splits; split++) {
            const own = all.filter((n) => n % splits === split);
            expect(own).toEqual(sorted(own));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keeps all records in order with one split, whatever the parallelism', async () => {
    const { env } = environment({ parallelism: 3 });
    const sink = new CollectingSink<number>();
    env
      .fromSource(new DataGeneratorSource((n) => n, 1000), none, 'In')
      .setParallelism(3)
      .sinkTo(sink);
    await env.execute('one split');
    expect(sink.values).toEqual(numbers(1000));
  });

  it('keeps to its rate over all readers, without a timer per record', async () => {
    const clock = new ManualClock();
    const source = new DataGeneratorSource((n) => n, 100_000, { splits: 2, recordsPerSecond: 10_000 });
    const { env } = environment({ parallelism: 2, clock });
    const sink = new CollectingSink<number>();
    env.fromSource(source, none, 'In').sinkTo(sink);
    const job = env.executeAsync('rate');
    await quiet();
    expect(sink.values).toHaveLength(0);
    let advanced = 0;
    while (advanced < 1000) {
      clock.advance(10);
      advanced += 10;
      await quiet(8);
      expect(sink.values.length).toBeLessThanOrEqual(advanced * 10);
    }
    await until(() => sink.values.length === 10_000);
    job.cancel();
    await expect(job.result).rejects.toThrow();
    expect(clock.pending).toBe(0);
  });

  it('ends or goes on for ever', () => {
    expect(new DataGeneratorSource((n) => n, 5).boundedness).toBe('bounded');
    expect(new DataGeneratorSource((n) => n, Infinity).boundedness).toBe('unbounded');
  });

  it('can be stored while it goes on for ever', async () => {
    const source = new DataGeneratorSource((n) => n, Infinity, { splits: 2 });
    const first = new SourceHarness(source);
    await first.run(5);
    const second = new SourceHarness(source, { restored: first.checkpoint() });
    await second.run(5);
    expect(second.records).toEqual([10, 12, 14, 16, 18]);
  });

  it.each([
    [-1, {}],
    [1.5, {}],
    [NaN, {}],
    [1, { splits: 0 }],
    [1, { splits: 1.5 }],
    [1, { recordsPerSecond: 0 }],
    [1, { recordsPerSecond: Infinity }],
    [1, { recordsPerSecond: NaN }],
  ])('refuses %s with %j', (count, options) => {
    expect(() => new DataGeneratorSource((n) => n, count, options)).toThrow(StreamConfigError);
  });
});

describe('number sequence', () => {
  it('is split into stretches that differ by one in length and cover it', () => {
    const bounds = fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 0, max: 60 }));
    fc.assert(
      fc.property(bounds, fc.integer({ min: 1, max: 9 }), ([from, more], parts) => {
        const stretches = splitSequence(from, from + more, parts).map(({ next, end }) =>
          Array.from({ length: end - next }, (_, i) => next + i),
        );
        expect(stretches.flat()).toEqual(Array.from({ length: more + 1 }, (_, i) => from + i));
        const lengths = stretches.map(({ length }) => length);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        expect(lengths).toHaveLength(Math.min(parts, more + 1));
      }),
    );
  });

  it('is read by all subtasks', async () => {
    const { env } = environment({ parallelism: 4 });
    const sink = new CollectingSink<number>();
    env.fromSequence(-5, 94).sinkTo(sink);
    await env.execute('sequence');
    expect(sorted(sink.values)).toEqual(numbers(100).map((n) => n - 5));
    expect([...sink.bySubtask.values()].map(({ length }) => length)).toEqual([25, 25, 25, 25]);
    expect(sink.bySubtask.get(1)).toEqual(numbers(25).map((n) => n + 20));
  });

  it('goes on at another parallelism', async () => {
    const source = new NumberSequenceSource(0, 99);
    const first = new SourceHarness(source, { parallelism: 3 });
    await first.run(40, 7);
    const second = new SourceHarness(source, { parallelism: 2, restored: first.checkpoint() });
    await second.run();
    expect(sorted([...first.records, ...second.records])).toEqual(numbers(100));
  });

  it.each([
    [1, 0],
    [0.5, 1],
    [0, Infinity],
  ])('refuses %s to %s', (from, to) => {
    expect(() => new NumberSequenceSource(from, to)).toThrow(StreamConfigError);
  });
});
