import fc from 'fast-check';
import { points, type Life, type Point, type WritingJobOptions } from './writing-job.js';

/** What one run does: how its sink is set up, and each life of its process. */
export interface KillPlan {
  readonly sinkOptions: WritingJobOptions['sinkOptions'];
  readonly lives: readonly Life[];
}

/** What a process does once, when it begins. */
const beginnings: ReadonlySet<Point> = new Set(['restore', 'recover']);

/** Half of the kills are aimed, at one point after the other; the others come at any time. The same seed gives the same plan. */
export function killPlan(
  seed: number,
  options: { readonly kills: number; readonly maxLifeMs: number; readonly sink: Record<string, unknown[]> },
): KillPlan {
  const { kills, maxLifeMs, sink } = options;
  const parallelism = fc.constantFrom(2, 2, 1, 3);
  const life = (nth: number): fc.Arbitrary<Life> => {
    if (nth % 2 === 1) return fc.record({ parallelism, afterMs: fc.nat(maxLifeMs) });
    const point = points[(seed * Math.ceil(kills / 2) + nth / 2) % points.length]!;
    return fc.record({
      parallelism,
      killAt: fc.record({
        point: fc.constant(point),
        nth: fc.constantFrom(...(beginnings.has(point) ? [1] : [1, 2, 3, 5])),
        afterMs: fc.constantFrom(0, 0, 3, 20),
      }),
      afterMs: fc.constant(maxLifeMs), // where it does not get there
    });
  };
  const plan = fc.record({
    sinkOptions: fc.record(
      Object.fromEntries(Object.entries(sink).map(([name, values]) => [name, fc.constantFrom(...values)])),
    ),
    lives: fc.tuple(...Array.from({ length: kills }, (_, nth) => life(nth))),
  });
  return fc.sample(fc.noBias(plan), { seed, numRuns: 1 })[0]!;
}
