/**
 * Jobs with keyed state, timers, windows, joins, broadcast state, async I/O and two-phase sinks, that fail at seeded random
 * points of map, snapshot, persist, notify, commit, restore and close. See `README.md` for how to run more of them.
 */
import { writeFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { stages } from '../fuzz/stages.js';
import { Coverage } from './coverage.js';
import { faultPoints } from './fault-plan.js';
import { runSchedule } from './schedule.js';

const SCHEDULES = Number(process.env.FAULT_SCHEDULES ?? 1000);
const FIRST = Number(process.env.FAULT_SEED ?? 1);
/** Gets what was reached, as JSON. */
const REPORT = process.env.FAULT_REPORT;
/** Schedules of one test. */
const PART = 100;

describe('a job under faults', () => {
  const coverage = new Coverage();
  for (let from = FIRST; from < FIRST + SCHEDULES; from += PART) {
    const to = Math.min(from + PART, FIRST + SCHEDULES);
    it(`loses nothing and doubles nothing: seeds ${from} to ${to - 1}`, { timeout: 120_000 }, async () => {
      for (let seed = from; seed < to; seed++) {
        const hint = `FAULT_SEED=${seed} FAULT_SCHEDULES=1`;
        const outcome = await runSchedule(seed).catch((error: unknown) => {
          throw new Error(`${hint}: ${String(error)}`, { cause: error });
        });
        expect(outcome.violations, hint).toEqual([]);
        expect(outcome.visible, `${hint}, failed at ${outcome.faults.join(', ')}`).toEqual(outcome.expected);
        coverage.add(outcome);
      }
    });
  }

  if (SCHEDULES >= 1000) {
    it('has failed often at every point, in every stage, on both kinds of state, aligned and not', () => {
      const { faults, stages: failed, totals } = coverage;
      expect(totals.schedules).toBe(SCHEDULES);
      const least = (perThousand: number) => (perThousand * SCHEDULES) / 1000;
      for (const point of faultPoints) expect([point, faults[point]]).toSatisfy(isAtLeast(least(40)));
      for (const stage of Object.keys(stages)) expect([stage, failed[stage]]).toSatisfy(isAtLeast(least(25)));
      expect(totals.onDisk).toBeGreaterThan(least(80));
      expect(totals.runs).toBeGreaterThan(least(1300));
      expect(totals.restarts).toBeGreaterThan(least(200));
      expect(totals.failedCheckpoints).toBeGreaterThan(least(150));
      expect(totals.unaligned).toBeGreaterThan(least(300));
      expect(totals.unalignedRestores).toBeGreaterThan(least(45));
    });
  }

  it('replays exactly: one seed is one schedule', async () => {
    for (let seed = FIRST; seed < FIRST + 10; seed++) {
      const first = await runSchedule(seed);
      if (!first.isOnDisk) expect(await runSchedule(seed)).toEqual(first); // files take as long as they do
    }
  });

  afterAll(async () => {
    const { faults, stages: failed, totals } = coverage;
    if (REPORT !== undefined) await writeFile(REPORT, JSON.stringify({ totals, faults, stages: failed }));
  });
});

const isAtLeast =
  (least: number) =>
  ([, count]: [string, number | undefined]): boolean =>
    (count ?? 0) >= least;
