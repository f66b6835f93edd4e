/**
 * A real Druid, killed in the middle of a commit and started again: nothing is lost, nothing is there twice. In the first mode
 * alone, as it takes half a minute; in all of them where `MILLRACE_KILL_RUNS` is set.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DruidCluster, FaultProxy, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../../../tooling/killed-program.js';
import { provenModes } from '../support/proven-modes.js';
import { totalsIn, totalsOf, WritingJob } from '../support/writing-job.js';

const SEED = Number(process.env['MILLRACE_KILL_SEED'] ?? 1);
const RECORDS = 4_000;

let dataDir: string;
let program: Program;

beforeAll(async () => {
  requireRealServers();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-killed-druid-'));
  program = await WritingJob.prepareProgram();
});
afterAll(async () => {
  await program?.remove();
  await rm(dataDir, { recursive: true, force: true });
});

const modes = process.env['MILLRACE_KILL_RUNS'] === undefined ? provenModes.slice(0, 1) : provenModes;

describe.each(modes)('$mode: a job whose Druid is killed', ({ mode, outputs }) => {
  it('waits for it, and has every row once', async () => {
    const first = await DruidCluster.start({ dataDir, heapMb: 1536 });
    // The job knows Druid by one address, whatever ports it has.
    const before = await FaultProxy.start({ upstream: first.url });
    const { url, port } = before;
    const dataSource = `restarted_${mode}`;
    const job = await WritingJob.create(program, {
      ...{ url, dataSource, seed: SEED, mode, records: RECORDS, recordsPerSecond: 1_000, intervalMs: 500 },
      sinkOptions: { inlineMaxBytes: 0 },
    });
    let served = 0;
    let restarted: Promise<readonly [DruidCluster, FaultProxy]> | undefined;
    const restart = async () => {
      await first.kill();
      const second = await DruidCluster.start({ dataDir, heapMb: 1536 });
      await before.stop();
      return [second, await FaultProxy.start({ upstream: second.url, port })] as const;
    };
    const isFinished = await job.live({ parallelism: 2 }, (line) => {
      // Druid has begun to read the second file: its task runs.
      if (line === 'served' && ++served === 2) restarted = restart();
    });
    expect(isFinished).toBe(true);
    const [second, after] = (await restarted)!;
    try {
      expect(await totalsIn(second.url, dataSource)).toEqual(totalsOf(SEED, RECORDS));
      expect(await job.spoolFiles()).toEqual([]);
    } finally {
      await after.stop();
      await second.stop();
    }
    await job.remove();
  });
});
