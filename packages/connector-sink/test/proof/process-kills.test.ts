/**
 * A job that writes into Druid, its process killed at named points and at random moments, and started again: Druid's counts and
 * sums by key are the generator's. In every other run the network fails as well. `MILLRACE_KILL_RUNS` sets how many runs there are
 * of each mode, `MILLRACE_KILL_SEED` where their seeds begin.
 */
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { Deeds, expectEveryRowOnce } from '../support/killed-runs.js';
import { provenModes } from '../support/proven-modes.js';
import { WritingJob } from '../support/writing-job.js';

const RUNS = Number(process.env['MILLRACE_KILL_RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 1);
const KILLS = 6;
const seeds = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);

let druid: EmbeddedDruid;
let program: Program;

beforeAll(async () => {
  // Tasks run for a moment, so that some are under way when a process dies.
  [program, druid] = await Promise.all([
    WritingJob.prepareProgram(),
    EmbeddedDruid.start({ ingestDelayMs: 60 }),
  ]);
}, 240_000);
afterAll(async () => {
  await druid?.stop();
  await program?.remove();
});

describe.each(provenModes)('$mode: a job whose process is killed', (proven) => {
  const deeds = new Deeds();

  const prove = async (seed: number, kills: number, withFaults: boolean) => {
    const size = { records: 3_000, writeMs: 2_000, intervalMs: 100, maxLifeMs: 700 };
    const run = { ...proven, seed, kills, ...size, withFaults } as const;
    await expectEveryRowOnce(program, druid.url, run, deeds);
  };

  it.concurrent.each(seeds)(
    'has every row once in Druid (seed %i)',
    (seed) => prove(seed, KILLS, seed % 2 === 0),
    240_000,
  );

  it.concurrent.each(seeds)(
    'has every row once in Druid where only the network fails (seed %i)',
    (seed) => prove(seed, 0, true),
    240_000,
  );

  it('was killed as often as planned, and in many runs at every point', () => {
    // In one run alone, on a slow machine, the job may be at its end before the last of them.
    expect(deeds.kills).toBeGreaterThan(RUNS >= 30 ? RUNS * KILLS * 0.6 : RUNS);
    if (RUNS >= 30) expect(deeds.missed()).toEqual([]);
  });
});
