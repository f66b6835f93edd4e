/**
 * Mode `kafka` with a real Kafka and a real Druid. The job's process is killed at named points and at random moments; in every
 * other run answers of Kafka and of Druid get lost, too, after they have acted. Then the broker is killed. `MILLRACE_KILL_RUNS`
 * sets how many runs there are of each, `MILLRACE_KILL_SEED` where their seeds begin.
 */
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { Deeds, expectEveryRowOnce, untilTotalsAre } from '../support/killed-runs.js';
import { everyOutput, kafkaMode } from '../support/proven-modes.js';
import { ProxiedKafka } from '../support/proxied-kafka.js';
import { totalsIn, totalsOf, WritingJob, type KeyTotals, type Point } from '../support/writing-job.js';

const RUNS = Number(process.env['MILLRACE_KILL_RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 2);
const IS_LONG = process.env['MILLRACE_KILL_RUNS'] !== undefined;
const seeds = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);
const AIMS: readonly Point[] = [
  ...(['recover', 'manifest', 'durable', 'committed', 'write', 'barrier'] as const),
  ...(['prepared', 'submit', 'submitted', 'count', 'status'] as const),
];
const size = { records: 4_000, writeMs: 2_000, intervalMs: 100, maxLifeMs: 1_500, kills: 4 };

let url: string;
let druid: DruidClient;
let kafka: ProxiedKafka;
let program: Program;

beforeAll(async () => {
  requireRealServers();
  [program, kafka, { url }] = await Promise.all([
    WritingJob.prepareProgram(),
    ProxiedKafka.start(),
    sharedDruid(),
  ]);
  druid = new DruidClient({ url });
});
afterAll(async () => {
  druid?.close();
  await kafka?.stop();
  await program?.remove();
});

/** By datasource what is in it. */
const ended = new Map<string, KeyTotals[]>();

/** Its tasks publish what they have read. */
async function endSupervisor(dataSource: string, totals: KeyTotals[]): Promise<void> {
  await druid.supervisors.terminate(dataSource);
  ended.set(dataSource, totals);
}

/** With many runs, one stream into all that there is as well. */
const modes = IS_LONG ? [kafkaMode, everyOutput] : [kafkaMode];

describe.each(modes)('$mode: a job whose process is killed', (proven) => {
  const deeds = new Deeds();

  it.each(seeds)('has every row once in Druid (seed %i)', async (seed) => {
    const withFaults = seed % 2 === 0;
    kafka.loseAnswers(withFaults);
    const { bootstrapServers } = kafka;
    const run = { ...proven, ...size, seed, aims: AIMS, withFaults, bootstrapServers };
    const name = await expectEveryRowOnce(program, url, run, deeds);
    expect(deeds.kills).toBeGreaterThan(0);
    if (withFaults) expect(kafka.lost).toBeGreaterThan(3);
    await endSupervisor(`${name}_kafka`, totalsOf(seed, size.records));
  });
});

describe('kafka: a job whose broker is killed', () => {
  it.each(seeds)('waits for it, and has every row once in Druid (seed %i)', async (seed) => {
    kafka.loseAnswers(false);
    const { bootstrapServers } = kafka;
    const name = `broker_killed_${seed}`;
    const job = await WritingJob.create(program, {
      ...{ url, name, seed, outputs: ['kafka'], bootstrapServers, records: 2_000, recordsPerSecond: 1_000 },
      ...{ intervalMs: 100, sinkOptions: {} },
    });
    const aim = [
      { point: 'prepared', nth: 3 },
      { point: 'commit', nth: 2 },
      { point: 'count', nth: 5 }, // of which there are many until the first task runs
      { point: 'durable', nth: 2 },
    ][seed % 4]!;
    let seen = 0;
    let restarted: Promise<void> | undefined;
    const isFinished = await job.live({ parallelism: 2 }, (line) => {
      if (line === aim.point && ++seen === aim.nth) restarted = kafka.restart();
    });
    await restarted;
    expect([isFinished, restarted !== undefined]).toEqual([true, true]);
    await untilTotalsAre({ kafka: totalsOf(seed, 2_000) }, () => job.totals(url));
    await job.remove();
    await endSupervisor(`${name}_kafka`, totalsOf(seed, 2_000));
  });
});

it('has every row once in the segments that its tasks have published', async () => {
  for (const [dataSource, expected] of ended) {
    const isOver = async () =>
      expect(await druid.tasks.list({ datasource: dataSource, state: 'running' })).toEqual([]);
    await vi.waitFor(isOver, { timeout: 120_000, interval: 200 });
    await druid.datasources.waitUntilQueryable(dataSource);
    await untilTotalsAre(expected, () => totalsIn(url, dataSource));
  }
});
