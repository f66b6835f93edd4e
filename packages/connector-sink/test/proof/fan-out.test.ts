/**
 * One stream into several sinks: a checkpoint has one outcome for all of them. Where one of them fails, or the process dies, before
 * the checkpoint is durable, none has its rows; afterwards each of them gets them once.
 */
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { Deeds, expectEveryRowOnce } from '../support/killed-runs.js';
import { totalsOf, WritingJob, type Life, type Output, type Point } from '../support/writing-job.js';

const RUNS = Number(process.env['MILLRACE_KILL_RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 1);
const seeds = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);
const RECORDS = 600;
const outputs: readonly Output[] = ['append', 'replace', 'files'];
const AIMS: readonly Point[] = [
  ...(['prepared', 'manifest', 'write', 'barrier', 'durable'] as const),
  ...(['commit', 'submitted', 'committed'] as const),
];

let druid: EmbeddedDruid;
let program: Program;

beforeAll(async () => {
  [program, druid] = await Promise.all([WritingJob.prepareProgram(), EmbeddedDruid.start()]);
}, 240_000);
afterAll(async () => {
  await druid?.stop();
  await program?.remove();
});

describe('a stream into sinks of two modes, and into files', () => {
  let job: WritingJob;
  let name: string;
  let jobs = 0;

  beforeEach(async () => {
    name = `fan_out_${++jobs}`;
    job = await WritingJob.create(program, {
      ...{ url: druid.url, name, seed: jobs, outputs, records: RECORDS, recordsPerSecond: 1_000 },
      ...{ intervalMs: 100, sinkOptions: {} },
    });
    return () => job.remove();
  });

  const tasks = async () => {
    const answer = await fetch(`${druid.url}/druid/indexer/v1/tasks`);
    const all = (await answer.json()) as { dataSource: string }[];
    return all.filter(({ dataSource }) => dataSource.startsWith(`${name}_`));
  };
  const expectNothing = async () => {
    expect([await job.finishedFiles(), await tasks()]).toEqual([[], []]);
  };
  const live = async (killAt: Omit<NonNullable<Life['killAt']>, 'afterMs'>) => {
    expect(await job.live({ parallelism: 2, killAt: { ...killAt, afterMs: 0 } })).toBe(false);
  };
  const expectAll = async () => {
    expect(await job.live({ parallelism: 2 })).toBe(true);
    expect(await tasks()).not.toEqual([]);
    const expected = totalsOf(jobs, RECORDS);
    expect(await job.totals(druid.url)).toEqual({ append: expected, replace: expected, files: expected });
  };

  it('leaves nothing in any of them where one fails, or the process dies, before the checkpoint is durable', async () => {
    // One writer of several is prepared, and then all of them.
    await live({ point: 'prepared', nth: 3 });
    await expectNothing();
    const failed = live({ point: 'prepared', nth: 3, throws: true });
    await expect(failed).rejects.toThrow('failed at prepared');
    await expectNothing();
    await live({ point: 'manifest', nth: 1 });
    await expectNothing();
    await expectAll();
  }, 120_000);

  it('has in each of them once what is durable, where it dies or one fails before, in and between their commits', async () => {
    await live({ point: 'durable', nth: 1 });
    await expectNothing();
    await live({ point: 'commit', nth: 2 });
    const failed = live({ point: 'committed', nth: 1, throws: true });
    await expect(failed).rejects.toThrow('failed at committed');
    await expectAll();
  }, 120_000);

  const deeds = new Deeds();

  it.each(seeds)(
    'has every row once in each of them, killed at any time (seed %i)',
    async (seed) => {
      const size = { records: 2_000, writeMs: 1_000, intervalMs: 100, kills: 3, maxLifeMs: 700 };
      const withFaults = seed % 2 === 0;
      const run = { mode: 'fan_out', outputs, sink: {}, seed, aims: AIMS, ...size, withFaults };
      await expectEveryRowOnce(program, druid.url, run, deeds);
      expect(deeds.kills).toBeGreaterThan(0);
    },
    240_000,
  );
});
