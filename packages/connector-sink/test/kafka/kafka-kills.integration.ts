/**
 * Mode `kafka` with a real Kafka and a real Druid. The job's process is killed at named points and at random moments; in every
 * other run answers of Kafka and of Druid get lost, too, after they have acted. Then the broker is killed. `MILLRACE_KILL_RUNS`
 * sets how many runs there are of each, `MILLRACE_KILL_SEED` where their seeds begin.
 */
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { Deeds, expectEveryRowOnce } from '../support/killed-runs.js';
import { kafkaMode } from '../support/proven-modes.js';
import { ProxiedKafka } from '../support/proxied-kafka.js';
import { WritingJob, type Point } from '../support/writing-job.js';

const RUNS = Number(process.env['MILLRACE_KILL_RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 2);
const seeds = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);
const AIMS: readonly Point[] = [
  'recover',
  'write',
  'barrier',
  'prepared',
  'manifest',
  'durable',
  'submit',
  'submitted',
  'count',
  'status',
  'committed',
];
const size = { records: 4_000, writeMs: 2_000, intervalMs: 100, maxLifeMs: 1_500 };

let url: string;
let kafka: ProxiedKafka;
let program: Program;

beforeAll(async () => {
  requireRealServers();
  [program, kafka, { url }] = await Promise.all([
    WritingJob.prepareProgram(),
    ProxiedKafka.start(),
    sharedDruid(),
  ]);
});
afterAll(async () => {
  await kafka?.stop();
  await program?.remove();
});

describe('kafka: a job whose process is killed', () => {
  it.each(seeds)('has every row once in Druid (seed %i)', async (seed) => {
    const deeds = new Deeds();
    const withFaults = seed % 2 === 0;
    kafka.loseAnswers(withFaults);
    const { bootstrapServers } = kafka;
    const run = { ...kafkaMode, ...size, seed, aims: AIMS, kills: 4, withFaults, bootstrapServers };
    await expectEveryRowOnce(program, url, run, deeds);
    expect(deeds.kills).toBeGreaterThan(0);
    if (withFaults) expect(kafka.lost).toBeGreaterThan(3);
  });
});
