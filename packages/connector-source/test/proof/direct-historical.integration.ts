import { systemClock } from '@millrace/core-stream';
import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import { DruidCluster, requireRealServers, type DruidHistorical } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidSource, equals, not, type DruidFilter, type ReadPath } from '../../src/index.js';
import { exportRows, hashOf } from '../support/independent-export.js';
import { append } from '../support/ingest.js';
import { TestJob, type TestCheckpoint } from '../support/test-job.js';

const columns = { __time: 'timestamp', id: 'long', origin: 'string', pad: 'string' } as const;
const exported = 'SELECT TIMESTAMP_TO_MILLIS(__time), id, origin, pad FROM';
const paths = ['direct', 'auto', 'broker'] as const satisfies readonly ReadPath[];
const tier = 'hot';

interface Row {
  readonly __time: number;
  readonly id: number | null;
  readonly origin: string | null;
  readonly pad: string | null;
}

/** Two days of rows, which transforms make as long as 3 kB, then two of short ones. */
function rowsOfFourDays(): string[] {
  return Array.from({ length: 10_000 }, (_, id) => {
    const day = id < 4000 ? 1 : id < 8000 ? 2 : 3 + (id % 2);
    return JSON.stringify({
      t: Date.UTC(2024, 0, day) + ((id * 7919) % 86_400) * 1000,
      id,
      origin: `o${id % 5}`,
    });
  });
}

// The sockets and the Broker hold less than a long day: its scans are in the middle when the Historical ends.
const ingest = {
  dimensions: [{ type: 'long', name: 'id' }, 'origin', 'pad'],
  transforms: { pad: `if(id < 8000, concat(repeat('x', 3000), id % 10), 'short')` },
};
const queryContext = { maxQueuedBytes: 100_000 };

// Both pass; the older one takes three times as long, so it is for the asking.
const setting =
  process.env['MILLRACE_PROOF_DRUID'] === '27.0.0'
    ? ({ version: '27.0.0', basicSecurity: true } as const)
    : ({ version: '33.0.0', basicSecurity: false } as const);

describe.skipIf(!requireRealServers()).each([setting])(
  'a Historical of Druid $version that is killed while it is read',
  ({ version, basicSecurity }) => {
    let cluster: DruidCluster;
    let historical: DruidHistorical;
    let options: DruidClientOptions;
    let druid: DruidClient;
    /** Of the rows that both datasources have. */
    let all: string;
    const jobs: TestJob<Row>[] = [];

    beforeAll(async () => {
      cluster = await DruidCluster.start({ version, basicSecurity, multiStageQuery: false, heapMb: 1024 });
      options = { url: cluster.url, ...(cluster.credentials && { auth: cluster.credentials }) };
      druid = new DruidClient(options);
      const properties = { 'druid.segmentCache.dropSegmentDelayMillis': '0' }; // not half a minute later
      historical = await cluster.addHistorical({ tier, properties });
      await druid.rules.set('one', [{ type: 'loadForever', tieredReplicants: { [tier]: 1 } }]);
      await druid.rules.set('two', [
        { type: 'loadForever', tieredReplicants: { [tier]: 1, _default_tier: 1 } },
      ]);
      const rows = rowsOfFourDays();
      await Promise.all(['one', 'two'].map((dataSource) => append(druid, dataSource, rows, ingest)));
      await untilReplicas('one', 1);
      await untilReplicas('two', 2);
      all = await hashOfExport('one');
    });

    afterAll(async () => {
      await Promise.all(jobs.map((job) => job.stop()));
      druid?.close();
      await cluster?.stop();
    });

    async function untilReplicas(dataSource: string, replicas: number): Promise<void> {
      const lacking = `SELECT 1 FROM sys.segments WHERE datasource = ? AND (num_replicas <> ? OR is_realtime = 1)`;
      while ((await druid.sql.query(lacking, { parameters: [dataSource, replicas] })).length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }

    function sourceOf(dataSource: string, path: ReadPath, filter?: DruidFilter) {
      return new DruidSource({
        druid: options,
        dataSource,
        columns,
        path,
        queryContext,
        batchSize: 100,
        maxBufferedRows: 100,
        ...(filter && { filter }),
      });
    }

    function start(source: ReturnType<typeof sourceOf>, restored?: TestCheckpoint): TestJob<Row> {
      const job = new TestJob<Row>(source, {
        parallelism: 2,
        clock: systemClock,
        ...(restored && { restored }),
      });
      jobs.push(job);
      return job;
    }

    /** A job that stands still in the middle of both long days, as nobody takes its rows. */
    async function standingStill(source: ReturnType<typeof sourceOf>): Promise<TestJob<Row>> {
      const job = start(source);
      for (const reader of [0, 1]) {
        const before = job.emitted.length;
        while (job.emitted.length === before) {
          job.poll(reader, 20);
          await job.breathe();
        }
      }
      expect(new Set(job.emitted.map(({ splitId }) => splitId)).size).toBe(2);
      expect(job.released).toEqual([]);
      return job;
    }

    const count = (job: TestJob<Row>, metric: string): number =>
      job.metrics.reduce((sum, { registry }) => sum + Number(registry.value(`operator_${metric}`)), 0);

    const hashOfRows = (...parts: TestJob<Row>[]): string =>
      hashOf(
        parts.flatMap((job) => job.rows().map(({ __time, id, origin, pad }) => [__time, id, origin, pad])),
      );

    const hashOfExport = async (dataSource: string, where = 'TRUE'): Promise<string> =>
      hashOf(
        await exportRows(
          cluster.url,
          `${exported} "${dataSource}" WHERE ${where}`,
          cluster.credentials?.authorization,
        ),
      );

    it('costs no row and repeats none: with another replica at once, else when it is back', async () => {
      expect(await hashOfExport('two')).toBe(all);
      const someOrigins = await hashOfExport('one', `origin <> 'o3'`);
      const withOne = await Promise.all(paths.map((path) => standingStill(sourceOf('one', path))));
      const filtered = await standingStill(sourceOf('one', 'auto', not(equals('origin', 'o3'))));
      const withTwo = await Promise.all(paths.map((path) => standingStill(sourceOf('two', path))));

      await historical.kill();

      // The Broker may go on choosing the dead replica; those that choose for themselves do not.
      const [directly, auto, throughBroker] = withTwo as [TestJob<Row>, TestJob<Row>, TestJob<Row>];
      for (const job of [directly, auto]) {
        await job.run(undefined, 500);
        expect(hashOfRows(job)).toBe(all);
        expect(count(job, 'numIncompleteScans')).toBeGreaterThan(0);
      }

      for (const job of [...withOne, filtered]) {
        await job.run(() => count(job, 'numIncompleteScans') > 1, 500);
        expect(job.isEnded).toBe(false);
      }
      // A job that is restored while the server is away.
      const [before] = withOne as [TestJob<Row>];
      const checkpoint = before.checkpoint();
      await before.stop();
      const restored = start(sourceOf('one', 'direct'), checkpoint);

      await historical.start();

      for (const job of [restored, ...withOne.slice(1), filtered, throughBroker])
        await job.run(undefined, 500);
      expect(hashOfRows(before, restored)).toBe(all);
      for (const job of [...withOne.slice(1), throughBroker]) expect(hashOfRows(job)).toBe(all);
      expect(hashOfRows(filtered)).toBe(someOrigins);
    });

    it('is read again directly when it is back', async () => {
      // A Broker forgets the table, even after the Historical is back, when it notices that the one before is gone.
      const isKnown = `SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'one'`;
      while ((await druid.sql.query(isKnown)).length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const job = start(sourceOf('one', 'direct'));
      await job.run(undefined, 500);
      expect(hashOfRows(job)).toBe(all);
      expect([count(job, 'numDirectScans'), count(job, 'numBrokerScans')]).toEqual([4, 0]);
    });

    it('says which segments it does not have, and the Broker has them', async () => {
      await untilReplicas('two', 2);
      await druid.rules.set('two', [{ type: 'loadForever', tieredReplicants: { _default_tier: 1 } }]);
      await untilReplicas('two', 1);
      const asked: string[] = [];
      const source = new DruidSource({
        druid: options,
        dataSource: 'two',
        columns,
        openDataServer: (url) => {
          asked.push(url);
          return new DruidClient({ ...options, url: historical.url }); // as when it had the segments a moment ago
        },
      });
      const job = start(source);
      await job.run(undefined, 500);
      expect(new Set(asked)).toEqual(new Set([cluster.urls.historical]));
      expect(hashOfRows(job)).toBe(all);
      expect([count(job, 'numDirectScans'), count(job, 'numBrokerScans')]).toEqual([4, 4]);
    });
  },
);
