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
import { untilTotalsAre } from '../support/killed-runs.js';
import { kafkaMode, provenModes } from '../support/proven-modes.js';
import { ProxiedKafka } from '../support/proxied-kafka.js';
import { totalsOf, WritingJob } from '../support/writing-job.js';

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

const IS_LONG = process.env['MILLRACE_KILL_RUNS'] !== undefined;
const modes = IS_LONG ? [...provenModes, kafkaMode] : provenModes.slice(0, 1);

describe.each(modes)('$mode: a job whose Druid is killed', ({ mode, outputs }) => {
  it('waits for it, and has every row once', async () => {
    const first = await DruidCluster.start({ dataDir, heapMb: 1536 });
    // The job knows Druid by one address, whatever ports it has.
    const before = await FaultProxy.start({ upstream: first.url });
    const { url, port } = before;
    const kafka = outputs.includes('kafka') ? await ProxiedKafka.start() : undefined;
    const job = await WritingJob.create(program, {
      ...{ url, name: 'restarted', seed: SEED, outputs, records: RECORDS, recordsPerSecond: 1_000 },
      ...{ intervalMs: 500, sinkOptions: { inlineMaxBytes: 0 } },
      bootstrapServers: kafka?.bootstrapServers,
    });
    // Druid has begun to read the second file: its task runs. Or the sink looks for rows that its task reads.
    const [point, nth] = kafka === undefined ? ['served', 2] : ['count', 10];
    let seen = 0;
    let restarted: Promise<readonly [DruidCluster, FaultProxy]> | undefined;
    const restart = async () => {
      await first.kill();
      const second = await DruidCluster.start({ dataDir, heapMb: 1536 });
      await before.stop();
      return [second, await FaultProxy.start({ upstream: second.url, port })] as const;
    };
    const isFinished = await job.live({ parallelism: 2 }, (line) => {
      if (line === point && ++seen === nth) restarted = restart();
    });
    expect(isFinished).toBe(true);
    const [second, after] = (await restarted)!;
    try {
      await untilTotalsAre({ [mode]: totalsOf(SEED, RECORDS) }, () => job.totals(second.url));
      expect(await job.spoolFiles()).toEqual([]);
    } finally {
      await after.stop();
      await second.stop();
      await kafka?.stop();
    }
    await job.remove();
  });
});
