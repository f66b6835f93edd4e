import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid, type SharedDruid } from '../../../../tooling/shared-druid.js';
import { edits, upTo } from '../support/edits.js';
import { exportRows, hashOf } from '../support/independent-export.js';
import { append, compactDay, overwrite, runTask } from '../support/ingest.js';
import type { Program } from '../../../../tooling/killed-program.js';
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
const editIngestion = { dimensions: ['page', { type: 'long', name: 'added' }], maxRowsPerSegment: 250 };

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.skipIf(!requireRealServers())('a read while a real Druid changes', () => {
  let cluster: SharedDruid;
  let druid: DruidClient;
  let paused: PausedReads;
  let program: Program;
  let millisToWaitBeforeDeleting: number | undefined;

  beforeAll(async () => {
    [cluster, program] = await Promise.all([sharedDruid(), ReadingJob.prepareProgram()]);
    druid = new DruidClient({ url: cluster.url });
    paused = new PausedReads({ url: cluster.url });
    ({ millisToWaitBeforeDeleting } = await druid.config.coordinator());
    await druid.config.setCoordinator({ millisToWaitBeforeDeleting: 3_600_000 }); // replaced segments stay
    const dataSources = [
      'changed_appended',
      'changed_compacted',
      'changed_overwritten',
      'changed_dropped',
      'changed_killed',
    ];
    await Promise.all([
      ...dataSources.map((dataSource) => append(druid, dataSource, flights(4000), flightIngestion)),
      append(druid, 'changed_edits', edits(0, 1500), editIngestion),
    ]);
  });

  afterAll(async () => {
    await paused?.stop();
    if (millisToWaitBeforeDeleting !== undefined)
      await druid.config.setCoordinator({ millisToWaitBeforeDeleting });
    druid?.close();
    await program?.remove();
  });

  const snapshotOf = (dataSource: string) =>
    exportRows(cluster.url, `SELECT ${flightColumns} FROM "${dataSource}"`);

  async function segmentsOf(dataSource: string): Promise<string[]> {
    const segments = await druid.datasources.segments(dataSource);
    return segments.map(({ segmentId }) => segmentId).sort();
  }

  it.concurrent('leaves out what is appended to the segments being read', async () => {
    const before = await snapshotOf('changed_appended');
    const reads = await paused.overSegments('changed_appended');
    const sqlReads = await paused.overSql('changed_appended');
    await append(druid, 'changed_appended', flights(1000, 100_000), flightIngestion);
    await paused.expectSnapshot(reads, before);
    const after = await snapshotOf('changed_appended');
    expect(after.length).toBe(15_000);
    await paused.expectWholeDays(sqlReads, before, after);
  });

  it.concurrent(
    'keeps to the version it has pinned, or names what is gone, when it is replaced',
    async () => {
      const changes = {
        changed_compacted: () => compactDay(druid, 'changed_compacted', days),
        changed_overwritten: () =>
          overwrite(druid, 'changed_overwritten', flights(2000, 200_000), flightIngestion),
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
        if (dataSource === 'changed_compacted') expect(hashOf(after)).toBe(hashOf(before));
        await paused.expectWholeDays(sqlReads, before, after);
      }
    },
  );

  it.concurrent('names a dropped segment, and reads it once it is marked as used again', async () => {
    const [before, segments] = [await snapshotOf('changed_dropped'), await segmentsOf('changed_dropped')];
    const reads = await paused.overSegments('changed_dropped');
    const sqlReads = await paused.overSql('changed_dropped');
    const checkpoints = reads.map((job) => ({ checkpoint: job.checkpoint(), rows: job.rows() }));
    await druid.datasources.markUnused('changed_dropped', { interval: '2024-01-01/2024-01-03' });
    await until(async () => (await segmentsOf('changed_dropped')).length === 2);
    await paused.expectSegmentGone(reads, before);
    await paused.expectSome(sqlReads, before); // segments go one by one, also from under a statement
    await druid.datasources.markUsed('changed_dropped', { interval: days });
    await until(async () => (await snapshotOf('changed_dropped')).length === before.length);
    expect(await segmentsOf('changed_dropped')).toEqual(segments);
    for (const [i, { checkpoint, rows }] of checkpoints.entries()) {
      const job = paused.job('changed_dropped', readPaths[i] ?? 'auto', checkpoint);
      await job.run(undefined, 500);
      expect(hashOf(flightValues([...rows, ...job.rows()]))).toBe(hashOf(before));
    }
  });

  it.concurrent('names a segment that a kill task has deleted', async () => {
    const before = await snapshotOf('changed_killed');
    const reads = await paused.overSegments('changed_killed');
    await druid.datasources.markUnused('changed_killed', { all: true });
    await until(async () => (await segmentsOf('changed_killed')).length === 0);
    await runTask(druid, { type: 'kill', dataSource: 'changed_killed', interval: days });
    expect(await druid.datasources.unusedSegments('changed_killed')).toEqual([]);
    await paused.expectSegmentGone(reads, before);
  });

  it.concurrent('has every row once in its files when its process is killed', async () => {
    const options = { url: cluster.url, dataSource: 'changed_edits' };
    const random = new Random(1);
    const bounded = await ReadingJob.create(program, { ...options, reads: 'segments', path: 'direct' });
    const following = await ReadingJob.create(program, { ...options, reads: 'follow', path: 'auto' });
    while ((await bounded.rows()).length === 0) await bounded.start(random, 30); // has pinned its segments
    await append(druid, 'changed_edits', edits(1500, 300), editIngestion);
    const readingToItsEnd = (async () => {
      while (!(await bounded.start(random, bounded.starts < 4 ? 30 : undefined)));
    })();
    await Promise.all([
      readingToItsEnd,
      (async () => {
        while ((await following.rows()).length < 1800) await following.start(random, 30);
        await readingToItsEnd; // what is compacted may go at once, as the test above wants it
        await compactDay(druid, 'changed_edits', days);
        await append(druid, 'changed_edits', edits(1800, 360), editIngestion); // not as many as before: that could be a copy
        while ((await following.rows()).length < 2160) await following.start(random, 30);
        await following.start(random, 5); // one more row would show itself
      })(),
    ]);
    expect(bounded.starts).toBeGreaterThan(2);
    expect(await bounded.rows()).toEqual(upTo(1500));
    expect(await following.rows()).toEqual(upTo(2160));
    await Promise.all([bounded.remove(), following.remove()]);
  });
});
