import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { DruidCluster, KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidSource, DruidSqlSource } from '../../src/index.js';
import { bothListings, comparable } from '../support/both-listings.js';
import { follow, type Follower } from '../support/follower.js';
import { hashOf } from '../support/independent-export.js';
import { runTask } from '../support/ingest.js';
import { KafkaFeed, startSupervisor } from '../support/kafka-feed.js';

/** How long Kafka is fed; minutes show more. */
const { MILLRACE_FOLLOW_SECONDS: asked } = process.env;
const producingMs = 1000 * Number(asked ?? 45);
/** A slow machine is without a reader of Kafka for longer than the lateness when tasks take turns: that is for those who ask. */
const taskDuration = asked === undefined ? 'PT1H' : 'PT1M';
const dataSource = 'clicks';
const hourMs = 3_600_000;
/** Covers the moments in which no task reads Kafka, because one has ended and the next is starting. */
const latenessMs = 15_000;

interface Click {
  readonly __time: number;
  readonly id: number | null;
  readonly kind: string | null;
}

const compactedNote = 'Compacted Druid segments passed over';

describe.skipIf(!requireRealServers())('Following a Druid that reads Kafka', () => {
  let cluster: DruidCluster;
  let kafka: KafkaBroker;
  let druid: DruidClient;
  let feed: KafkaFeed;
  /** Reads what is published. */
  let published: Follower<Click>;
  /** Reads by `__time`, whether it is published or not. */
  let recent: Follower<Click>;
  /** The most rows that `recent` had and `published` had not. */
  let readBeforePublished = 0;

  beforeAll(async () => {
    [cluster, kafka] = await Promise.all([
      // A Broker's metadata is up to a minute old by Druid's defaults.
      DruidCluster.start({
        heapMb: 1024,
        properties: { broker: { 'druid.sql.planner.metadataRefreshPeriod': 'PT10S' } },
      }),
      KafkaBroker.start({ properties: { 'num.partitions': '2' } }),
    ]);
    druid = new DruidClient({ url: cluster.url });
    feed = new KafkaFeed(kafka.bootstrapServers, dataSource, Date.now());
    const start = Date.now() - 1000;
    await feed.send(10, Date.now()); // makes the topic
    await startSupervisor(druid, { dataSource, bootstrapServers: kafka.bootstrapServers, taskDuration });
    await druid.compaction.setTaskSlots({ ratio: 1, max: 1 });
    await druid.compaction.set({
      dataSource,
      skipOffsetFromLatest: 'PT1H', // old rows are compacted every few seconds, while more of them arrive
      taskContext: { useConcurrentLocks: true },
    });
    const tables = `SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = '${dataSource}'`;
    while ((await druid.sql.query(tables)).length === 0) await sleep(50);
    published = await follow(
      new DruidSource({
        druid: { url: cluster.url },
        dataSource,
        columns: { __time: 'timestamp', id: 'long', kind: 'string' },
        mode: { unbounded: { pollIntervalMs: 500 } },
      }),
      WatermarkStrategy.forBoundedOutOfOrderness<Click>(hourMs).withIdleness(5000),
    );
    recent = await follow(
      new DruidSqlSource({
        druid: { url: cluster.url },
        query: ({ condition }) => sql`SELECT __time, id, kind FROM clicks WHERE ${condition}`,
        incremental: { start, latenessMs, pollIntervalMs: 1000 },
        columns: { __time: 'timestamp not null', id: 'long', kind: 'string' },
      }),
      WatermarkStrategy.forMonotonousTimestamps<Click>().withIdleness(5000),
    );
  });

  afterAll(async () => {
    await Promise.all([published?.stop(), recent?.stop(), feed?.close()]);
    druid?.close();
    await Promise.all([cluster?.stop(), kafka?.stop()]);
  });

  /** Looks every 200 ms, while nothing goes wrong. */
  async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) {
      published.check();
      recent.check();
      readBeforePublished = Math.max(
        readBeforePublished,
        recent.committed.length - published.committed.length,
      );
      await sleep(200);
    }
  }

  function compact(fromMs: number, hours: number, granularity: string): Promise<void> {
    const interval = [fromMs, fromMs + hours * hourMs].map((ms) => new Date(ms).toISOString()).join('/');
    return runTask(druid, {
      type: 'compact',
      dataSource,
      ioConfig: { type: 'compact', inputSpec: { type: 'interval', interval } },
      granularitySpec: { segmentGranularity: granularity },
      tuningConfig: { type: 'index_parallel' },
      context: { useConcurrentLocks: true },
    });
  }

  /** Whether both listings have the same, while streaming tasks serve segments that are not published. */
  async function isListedAlike(): Promise<boolean> {
    const located = await druid.datasources.segmentServers(dataSource);
    const isStreaming = located.some(({ locations }) => locations.every(({ type }) => type !== 'historical'));
    if (!isStreaming) return false;
    const [told, listed] = (await bothListings(druid, dataSource)).map(comparable);
    return isDeepStrictEqual(told, listed);
  }

  const hashOfRead = (follower: Follower<Click>): string =>
    hashOf(follower.committed.map(({ row }) => [row.id, row.kind, row.__time]));

  const lateRows = (follower: Follower<Click>, kind: string): number =>
    follower.committed.filter(({ row, isLate }) => isLate && row.kind === kind).length;

  const compactionsSeen = (): number => published.log.filter((line) => line.startsWith(compactedNote)).length;

  it(
    'emits all that was produced once, through crashes of the job, compactions, and rows that come late',
    async () => {
      const startMs = Date.now();
      let compaction: Promise<void> | undefined;
      let batch = 0;
      let wasListedAlike = false;
      await until(async () => {
        await feed.send(100, Date.now());
        batch++;
        if (batch % 45 === 0) published.crash();
        if (batch % 35 === 0) recent.crash();
        wasListedAlike ||= published.committed.length > 0 && (await isListedAlike());
        if (Date.now() - startMs > producingMs / 2) compaction ??= compact(feed.oldDayMs, 24, 'DAY');
        const hasCrashed = published.restarts >= 2 && recent.restarts >= 2;
        return hasCrashed && Date.now() - startMs > producingMs;
      });
      await compaction;
      expect(wasListedAlike).toBe(true);
      await druid.supervisors.suspend(dataSource); // tasks publish what they have
      await until(() => published.committed.length >= feed.produced.length);
      const seen = compactionsSeen();
      expect(seen).toBeGreaterThanOrEqual(2);
      await compact(Math.floor(startMs / hourMs) * hourMs, 2, 'HOUR');
      await until(() => compactionsSeen() > seen);
      expect(hashOfRead(published)).toBe(hashOf(feed.produced));
      expect(published.restarts).toBeGreaterThanOrEqual(2);
    },
    producingMs + 180_000,
  );

  it('emits by time all that was not older than the lateness once, before it was published', async () => {
    const fresh = feed.produced.filter(([, kind]) => kind === 'fresh');
    await until(() => recent.committed.length >= fresh.length);
    expect(hashOfRead(recent)).toBe(hashOf(fresh));
    expect(readBeforePublished).toBeGreaterThan(0);
    expect(recent.restarts).toBeGreaterThanOrEqual(2);
  });

  it('makes no row late but those that came to Druid late', () => {
    const late = {
      published: [lateRows(published, 'fresh'), lateRows(published, 'old')],
      recent: [lateRows(recent, 'fresh'), lateRows(recent, 'old')],
    };
    expect(late).toEqual({ published: [0, expect.any(Number)], recent: [0, 0] });
    // The first segments of old rows come before event time has moved on.
    const count = feed.produced.filter(([, kind]) => kind === 'old').length;
    expect(late.published[1]).toBeGreaterThan(0);
    expect(late.published[1]).toBeLessThan(count);
  });
});
