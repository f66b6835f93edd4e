import { FaultProxy } from '@millrace/testkit';
import { expect, vi } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { killPlan } from './kill-plans.js';
import { injectFaults } from './random-faults.js';
import { points, totalsOf, WritingJob, type Output, type Point } from './writing-job.js';

/** A mode, and what its sink is set up with: one of each list, as a run's seed says. */
export interface ProvenMode {
  readonly mode: string;
  readonly outputs: readonly Output[];
  readonly sink: Readonly<Record<string, readonly unknown[]>>;
}

export interface KilledRun extends ProvenMode {
  readonly seed: number;
  readonly kills: number;
  readonly aims?: readonly Point[];
  /** Of Kafka, where the mode needs one. */
  readonly bootstrapServers?: string;
  readonly maxLifeMs: number;
  /** How long the job would write if nobody killed it. */
  readonly writeMs: number;
  readonly intervalMs: number;
  readonly records: number;
  /** Whether the network between job and Druid fails as well. */
  readonly withFaults: boolean;
}

/** What was done to the jobs of some runs. */
export class Deeds {
  kills = 0;
  /** Kills at points. */
  readonly hits = new Map<Point, number>();

  add(job: WritingJob): void {
    this.kills += job.kills;
    for (const [point, count] of job.hits) this.hits.set(point, (this.hits.get(point) ?? 0) + count);
  }

  /** Points that no kill has hit. */
  missed(): Point[] {
    return points.filter((point) => !this.hits.has(point));
  }
}

/** Runs a job through its kills to its end, and compares what there is with what was generated. Resolves with its name. */
export async function expectEveryRowOnce(
  program: Program,
  druidUrl: string,
  run: KilledRun,
  deeds: Deeds,
): Promise<string> {
  const { mode, outputs, seed, records, writeMs, intervalMs, bootstrapServers } = run;
  const { lives, sinkOptions } = killPlan(seed, run);
  const name = `killed_${mode}_${seed}_${run.kills}`;
  const proxy = await FaultProxy.start({ upstream: druidUrl, maxLoggedBodyBytes: 0 });
  if (run.withFaults) injectFaults(proxy, seed);
  const job = await WritingJob.create(program, {
    ...{ url: proxy.url, name, seed, outputs, records, intervalMs, sinkOptions, bootstrapServers },
    recordsPerSecond: (records / writeMs) * 1_000,
  });
  let isFinished = false;
  for (const life of lives) isFinished ||= await job.live(life);
  while (!isFinished) isFinished = await job.live({ parallelism: 2 });
  deeds.add(job);
  await proxy.stop();
  // Through Kafka, Druid may be asked no more than for its supervisor.
  if (run.withFaults && mode !== 'kafka')
    expect(proxy.requests.filter(({ fault }) => fault).length).toBeGreaterThan(3);
  const expected = Object.fromEntries(outputs.map((output) => [output, totalsOf(seed, records)]));
  await untilTotalsAre(expected, () => job.totals(druidUrl));
  expect(await job.spoolFiles()).toEqual([]);
  await job.remove(); // where the test fails, its files stay
  return name;
}

/** Rows are queryable a moment later than they are published, and in SQL later than that; and a job need not have waited for it. */
export function untilTotalsAre<T>(expected: T, totals: () => Promise<T>): Promise<void> {
  return vi.waitFor(async () => expect(await totals()).toEqual(expected), { timeout: 60_000, interval: 200 });
}
