import fc from 'fast-check';
import { points, type Life, type Output, type Point, type WritingJobOptions } from './writing-job.js';

/** What one run does: how its sink is set up, and each life of its process. */
export interface KillPlan {
  readonly sinkOptions: WritingJobOptions['sinkOptions'];
  readonly lives: readonly Life[];
}

/** What a process does once, when it begins. */
const beginnings: readonly Point[] = ['restore', 'recover'];

/**
 * Half of the kills are aimed, at one point after the other; the others come at any time of a life, or of a commit. The same seed
 * gives the same plan.
 */
export function killPlan(
  seed: number,
  options: {
    readonly kills: number;
    readonly maxLifeMs: number;
    readonly sink: Readonly<Record<string, readonly unknown[]>>;
    /** What is aimed at; every point unless told. */
    readonly aims?: readonly Point[];
    readonly outputs: readonly Output[];
  },
): KillPlan {
  const { kills, maxLifeMs, sink, outputs, aims = points } = options;
  // Through Kafka a commit is a matter of milliseconds, and one supervisor is there for all.
  const isKafka = outputs.includes('kafka');
  const once = new Set<Point>(isKafka ? [...beginnings, 'submit', 'submitted'] : beginnings);
  const parallelism = fc.constantFrom(2, 2, 1, 3);
  const life = (nth: number): fc.Arbitrary<Life> => {
    if (nth % 4 === 1) return fc.record({ parallelism, afterMs: fc.nat(maxLifeMs) });
    const point = nth % 4 === 3 ? 'commit' : aims[(seed * Math.ceil(kills / 2) + nth / 2) % aims.length]!;
    const killAt = fc.record({
      point: fc.constant(point),
      nth: once.has(point) ? fc.constant(1) : fc.constantFrom(1, 1, 2, 3),
      // Of a commit most is waiting for Druid.
      afterMs: point === 'commit' ? fc.nat(isKafka ? 30 : 300) : fc.constantFrom(0, 0, 3, 20),
    });
    return fc.record({ parallelism, killAt, afterMs: fc.constant(10_000) });
  };
  const plan = fc.record({
    sinkOptions: fc.record(
      Object.fromEntries(Object.entries(sink).map(([name, values]) => [name, fc.constantFrom(...values)])),
    ),
    lives: fc.tuple(...Array.from({ length: kills }, (_, nth) => life(nth))),
  });
  return fc.sample(fc.noBias(plan), { seed, numRuns: 1 })[0]!;
}
