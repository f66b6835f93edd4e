/**
 * As `process-kills.test.ts`, with a real Druid. `MILLRACE_KILL_RUNS` sets how many runs there are of each mode,
 * `MILLRACE_KILL_SEED` where their seeds begin.
 */
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { Deeds, expectEveryRowOnce } from '../support/killed-runs.js';
import { provenModes } from '../support/proven-modes.js';
import { WritingJob } from '../support/writing-job.js';

const RUNS = Number(process.env['MILLRACE_KILL_RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 1);
/** Where a real Druid is not like the embedded one. */
const AIMS = ['published', 'count', 'submitted', 'served'] as const;
const seeds = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);

let url: string;
let program: Program;

beforeAll(async () => {
  requireRealServers();
  [program, { url }] = await Promise.all([WritingJob.prepareProgram(), sharedDruid()]);
});
afterAll(() => program?.remove());

describe.each(provenModes)('$mode: a job whose process is killed, with a real Druid', (proven) => {
  const deeds = new Deeds();

  it.each(seeds)('has every row once in Druid (seed %i)', async (seed) => {
    const size = { records: 4_000, writeMs: 3_000, intervalMs: 1_000, kills: 3, maxLifeMs: 3_000 };
    const run = { ...proven, seed, aims: AIMS, ...size, withFaults: seed % 2 === 0 } as const;
    await expectEveryRowOnce(program, url, run, deeds);
    expect(deeds.kills).toBeGreaterThan(0);
  });
});
