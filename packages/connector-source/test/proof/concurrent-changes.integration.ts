import { DruidClient } from '@millrace/druid-client';
import { DruidCluster, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRows, hashOf } from '../support/independent-export.js';
import { append, compactDay, overwrite, runTask } from '../support/ingest.js';
import type { Program } from '../support/killed-process.js';
import {
  flightColumns,
  flightIngestion,
  flights,
  flightValues,
  PausedReads,
  readPaths,
} from '../support/paused-reads.js';
import { Random } from '../support/random.js';
import { ReadingJob } from '../support/reading-job.js';

const days = '2024-01-01/2024-01-04';
const editIngestion = { dimensions: ['page', { type: 'long', name: 'added' }], maxRowsPerSegment: 500 };

/** Rows of three days, numbered through, each with a time of its own. */
const edits = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => {
    const id = first + i;
    return JSON.stringify({
      t: Date.UTC(2024, 0, 1 + (id % 3)) + id * 20_000,
      page: `p${id % 7}`,
      added: id,
    });
  });

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.skipIf(!requireRealServers())('a read while a real Druid changes', () => {
  let cluster: DruidCluster;
  let druid: DruidClient;
  let paused: PausedReads;
  let program: Program;

  beforeAll(async () => {
    // Historicals forget a dropped segment at once instead of 30 s later.
    const properties = { historical: { 'druid.segmentCache.dropSegmentDelayMillis': '0' } };
    [cluster, program] = await Promise.all([
      DruidCluster.start({ heapMb: 1024, properties }),
      ReadingJob.prepareProgram(),
    ]);
    druid = new DruidClient({ url: cluster.url });
    paused = new PausedReads(cluster.url);
    const dataSources = ['appended', 'compacted', 'overwritten', 'dropped', 'killed'];
    await Promise.all([
      ...dataSources.map((dataSource) => append(druid, dataSource, flights(4000), flightIngestion)),
      append(druid, 'edits', edits(0, 3000), editIngestion),
    ]);
  });

  afterAll(async () => {
    await paused?.stop();
    druid?.close();
    await cluster?.stop();
    await program?.remove();
  });

  const snapshotOf = (dataSource: string) =>
    exportRows(cluster.url, `SELECT ${flightColumns} FROM "${dataSource}"`);

  async function segmentsOf(dataSource: string): Promise<string[]> {
    const segments = await druid.datasources.segments(dataSource);
    return segments.map(({ segmentId }) => segmentId).sort();
  }

  it.concurrent('leaves out what is appended to the segments being read', async () => {
    const before = await snapshotOf('appended');
    const reads = await paused.overSegments('appended');
    const sqlReads = await paused.overSql('appended');
    await append(druid, 'appended', flights(1000, 100_000), flightIngestion);
    await paused.expectSnapshot(reads, before);
    const after = await snapshotOf('appended');
    expect(after.length).toBe(15_000);
    await paused.expectWholeDays(sqlReads, before, after);
  });

  it.concurrent(
    'keeps to the version it has pinned, or names what is gone, when it is replaced',
    async () => {
      const changes = {
        compacted: () => compactDay(druid, 'compacted', days),
        overwritten: () => overwrite(druid, 'overwritten', flights(2000, 200_000), flightIngestion),
      };
      const cases = await Promise.all(
        Object.entries(changes).map(async ([dataSource, change]) => {
          const [before, segments] = [await snapshotOf(dataSource), await segmentsOf(dataSource)];
          const [reads, later] = [
            await paused.overSegments(dataSource),
            await paused.overSegments(dataSource),
          ];
          const sqlReads = await paused.overSql(dataSource);
          await change();
          await until(async () =>
            (await druid.datasources.segments(dataSource)).some(({ isOvershadowed }) => isOvershadowed),
          );
          await paused.expectSnapshot(reads, before); // the replaced segments are still on the Historical
          return { dataSource, before, segments, later, sqlReads };
        }),
      );
      await druid.config.setCoordinator({ millisToWaitBeforeDeleting: 0 });
      for (const { dataSource, before, segments, later, sqlReads } of cases) {
        await until(async () => !(await segmentsOf(dataSource)).some((id) => segments.includes(id)));
        await paused.expectSegmentGone(later, before);
        const after = await snapshotOf(dataSource);
        if (dataSource === 'compacted') expect(hashOf(after)).toBe(hashOf(before));
        await paused.expectWholeDays(sqlReads, before, after);
      }
    },
  );

  it.concurrent('names a dropped segment, and reads it once it is marked as used again', async () => {
    const [before, segments] = [await snapshotOf('dropped'), await segmentsOf('dropped')];
    const reads = await paused.overSegments('dropped');
    const sqlReads = await paused.overSql('dropped');
    const checkpoints = reads.map((job) => ({ checkpoint: job.checkpoint(), rows: job.rows() }));
    await druid.datasources.markUnused('dropped', { interval: '2024-01-01/2024-01-03' });
    await until(async () => (await segmentsOf('dropped')).length === 2);
    await paused.expectSegmentGone(reads, before);
    await paused.expectWholeDays(sqlReads, before, await snapshotOf('dropped')); // SQL cannot tell that there was more
    await druid.datasources.markUsed('dropped', { interval: days });
    await until(async () => (await snapshotOf('dropped')).length === before.length);
    expect(await segmentsOf('dropped')).toEqual(segments);
    for (const [i, { checkpoint, rows }] of checkpoints.entries()) {
      const job = paused.job('dropped', readPaths[i] ?? 'auto', checkpoint);
      await job.run(undefined, 500);
      expect(hashOf(flightValues([...rows, ...job.rows()]))).toBe(hashOf(before));
    }
  });

  it.concurrent('names a segment that a kill task has deleted', async () => {
    const before = await snapshotOf('killed');
    const reads = await paused.overSegments('killed');
    await druid.datasources.markUnused('killed', { all: true });
    await until(async () => (await segmentsOf('killed')).length === 0);
    await runTask(druid, { type: 'kill', dataSource: 'killed', interval: days });
    expect(await druid.datasources.unusedSegments('killed')).toEqual([]);
    await paused.expectSegmentGone(reads, before);
  });

  it.concurrent('has every row once in its files when its process is killed', async () => {
    const options = { url: cluster.url, dataSource: 'edits' };
    const random = new Random(1);
    const bounded = await ReadingJob.create(program, { ...options, reads: 'segments', path: 'direct' });
    const following = await ReadingJob.create(program, { ...options, reads: 'follow', path: 'auto' });
    while ((await bounded.rows()).length === 0) await bounded.start(random, true); // has pinned its segments
    await append(druid, 'edits', edits(3000, 500), editIngestion);
    while (!(await bounded.start(random, bounded.starts < 5)));
    expect(bounded.starts).toBeGreaterThan(2);
    expect(await bounded.rows()).toEqual(upTo(3000));
    while ((await following.rows()).length < 3500) await following.start(random, true);
    await compactDay(druid, 'edits', days);
    await append(druid, 'edits', edits(3500, 500), editIngestion);
    while ((await following.rows()).length < 4000) await following.start(random, true);
    await following.start(random, true); // one more row would show itself
    expect(await following.rows()).toEqual(upTo(4000));
    await Promise.all([bounded.remove(), following.remove()]);
  });
});
