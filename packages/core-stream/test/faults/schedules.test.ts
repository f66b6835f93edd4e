/**
 * Jobs with keyed state, timers, windows, joins, broadcast state, async I/O and two-phase sinks, that fail at seeded random
 * points of map, snapshot, persist, notify, commit, restore and close.
 *
 * `FAULT_SCHEDULES=20000` runs more of them, `FAULT_SEED=…` begins with another one; one alone: `FAULT_SCHEDULES=1`;
 * `FAULT_DISK_EVERY=1` has the state of all of them on disk.
 */
import { describe, expect, it } from 'vitest';
import { faultPoints } from './fault-plan.js';
import { runSchedule } from './schedule.js';

const SCHEDULES = Number(process.env.FAULT_SCHEDULES ?? 1000);
const FIRST = Number(process.env.FAULT_SEED ?? 1);
/** Schedules of one test. */
const PART = 100;

describe('a job under faults', () => {
  const seen = new Map<string, number>();
  for (let from = FIRST; from < FIRST + SCHEDULES; from += PART) {
    const to = Math.min(from + PART, FIRST + SCHEDULES);
    it(`loses nothing and doubles nothing: seeds ${from} to ${to - 1}`, { timeout: 120_000 }, async () => {
      for (let seed = from; seed < to; seed++) {
        const hint = `FAULT_SEED=${seed} FAULT_SCHEDULES=1`;
        const { faults, violations, visible, expected } = await runSchedule(seed).catch((error: unknown) => {
          throw new Error(`${hint}: ${String(error)}`, { cause: error });
        });
        expect(violations, hint).toEqual([]);
        expect(visible, `${hint}, failed at ${faults.join(', ')}`).toEqual(expected);
        for (const fault of faults) seen.set(fault, (seen.get(fault) ?? 0) + 1);
      }
    });
  }

  if (SCHEDULES >= PART) {
    it('has failed at every kind of point', () => {
      expect([...seen.keys()].sort()).toEqual([...faultPoints].sort());
    });
  }
});
