import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
import { setTimeout as sleep } from 'node:timers/promises';
import { WatermarkStrategy } from '@millrace/core-stream';
import { DruidClient, sql } from '@millrace/druid-client';
import { DruidCluster, KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidSource, DruidSqlSource } from '../../src/index.js';
import { follow, type Follower } from '../support/follower.js';
import { runTask } from '../support/ingest.js';
import { KafkaFeed, RowSum, startSupervisor, type FeedKind, type FeedRow } from '../support/kafka-feed.js';

/** How long rows are produced. */
const producingMs = 1000 * Number(process.env.MILLRACE_FOLLOW_SECONDS ?? 90);
const dataSource = 'clicks';
const hourMs = 3_600_000;
/** Covers the time in which no task reads Kafka, because one has ended and the next is starting. */
const latenessMs = 20_000;

interface ClickRow {
  readonly __time: number;
  readonly id: number | null;
  readonly kind: string | null;
}

const feedRow = ({ __time, id, kind }: ClickRow): FeedRow => ({
  id: id as number,
  kind: kind as FeedKind,
  timeMs: __time,
});

const sumOf = (follower: Follower<ClickRow>, kind?: FeedKind): RowSum =>
  RowSum.of(
    follower.committed
      .map(({ row }) => feedRow(row))
      .filter((row) => kind === undefined || row.kind === kind),
  );

const lateRows = (follower: Follower<ClickRow>, kind: FeedKind): number =>
  follower.committed.filter(({ row, isLate }) => isLate && row.kind === kind).length;

describe.skipIf(!requireRealServers())('Following a Druid that reads Kafka', () => {
  let cluster: DruidCluster;
  let kafka: KafkaBroker;
  let druid: DruidClient;
  let feed: KafkaFeed;
  let segments: Follower<ClickRow>;
  let recent: Follower<ClickRow>;
  let polls = 0;

  beforeAll(async () => {
    process.setMaxListeners(100);
    [cluster, kafka] = await Promise.all([
      // The Broker's row counts are as old as they may be with Druid's defaults.
      DruidCluster.start({
        heapMb: 1024,
        properties: { broker: { 'druid.sql.planner.metadataRefreshPeriod': 'PT10S' } },
      }),
      KafkaBroker.start(),
    ]);
    console.error('cluster started', new Date(), cluster.logFile);
    druid = new DruidClient({ url: cluster.url });
    const start = Date.now() - 1000;
    feed = new KafkaFeed(kafka.bootstrapServers, dataSource, Date.now());
    await feed.send(10, Date.now()); // makes the topic
    await startSupervisor(druid, {
      dataSource,
      bootstrapServers: kafka.bootstrapServers,
      taskDuration: 'PT8S',
    });
    await druid.compaction.setTaskSlots({ ratio: 1, max: 1 });
    await druid.compaction.set({
      dataSource,
      skipOffsetFromLatest: 'PT0S',
      taskContext: { useConcurrentLocks: true },
    });
    const columns = { __time: 'timestamp', id: 'long', kind: 'string' } as const;
    segments = await follow<ClickRow, never, never>(
      new DruidSource({
        druid: {
          url: cluster.url,
          hooks: { onEnd: ({ operation }) => void (polls += Number(operation === 'SQL query')) },
        },
        dataSource,
        columns,
        mode: { unbounded: { pollIntervalMs: 500 } },
      }) as never,
      WatermarkStrategy.forBoundedOutOfOrderness<ClickRow>(hourMs).withIdleness(5000),
    );
    const tables = `SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = '${dataSource}'`;
    console.error('submitted', new Date());
    let k = 0;
    while ((await druid.sql.query(tables)).length === 0) {
      await sleep(50);
      if (++k % 100 === 0) console.error(JSON.stringify(await druid.supervisors.status(dataSource)).slice(0, 1500), JSON.stringify(await druid.sql.query(`SELECT task_id, status, error_msg FROM sys.tasks`)));
    }
    console.error('table there', new Date());
    recent = await follow<ClickRow, never, never>(
      new DruidSqlSource({
        druid: { url: cluster.url },
        query: ({ condition }) => sql`SELECT __time, id, kind FROM clicks WHERE ${condition}`,
        incremental: { start, latenessMs, pollIntervalMs: 1000 },
        columns: { __time: 'timestamp not null', id: 'long not null', kind: 'string' },
      }) as never,
      WatermarkStrategy.forMonotonousTimestamps<ClickRow>().withIdleness(5000),
    );
  });

  afterAll(async () => {
    await Promise.all([segments?.stop(), recent?.stop(), feed?.close()]);
    druid?.close();
    await Promise.all([cluster?.stop(), kafka?.stop()]);
  });

  let last = 0;
  const seenLog = [0, 0];
  function debug() {
    for (const [i, f] of [segments, recent].entries()) {
      for (const l of f.log.slice(seenLog[i])) console.error(i === 0 ? 'SEG' : 'SQL', l.slice(0, 300));
      seenLog[i] = f.log.length;
    }
    if (Date.now() - last < 3000) return;
    last = Date.now();
    console.error(
      new Date().toISOString(),
      feed.total.count,
      segments.committed.length,
      recent.committed.length,
      segments.restarts,
      recent.restarts,
      polls,
    );
    void druid.sql
      .query(
        `SELECT segment_id, num_rows, "size", is_published p, is_available a, is_realtime r, is_overshadowed o, shard_spec, CASE WHEN last_compaction_state IS NULL THEN 0 ELSE 1 END c FROM sys.segments WHERE datasource='clicks' order by 1`,
      )
      .then(
        (rows) =>
          require('node:fs').writeFileSync(
            '/tmp/follow-segments.txt',
            rows.map((r) => JSON.stringify(r)).join('\n'),
          ),
        () => undefined,
      );
  }
  /** Waits for something while nothing goes wrong. */
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      debug();
      segments.check();
      recent.check();
      await sleep(100);
    }
  }

  it(
    'reads all that was produced, through crashes and compactions',
    async () => {
      const endMs = Date.now() + producingMs;
      let compaction: Promise<unknown> | undefined;
      for (let batch = 1; Date.now() < endMs; batch++) {
        await feed.send(100, Date.now());
        if (batch % 45 === 0) segments.crash();
        if (batch % 35 === 0) recent.crash();
        if (compaction === undefined && endMs - Date.now() < producingMs / 2) {
          const day = [feed.oldDayMs, feed.oldDayMs + 24 * hourMs].map((ms) => new Date(ms).toISOString());
          compaction = runTask(druid, {
            type: 'compact',
            dataSource,
            ioConfig: { type: 'compact', inputSpec: { type: 'interval', interval: day.join('/') } },
            granularitySpec: { segmentGranularity: 'DAY' },
            tuningConfig: { type: 'index_parallel' },
            context: { useConcurrentLocks: true },
          });
        }
        segments.check();
        recent.check();
        debug();
        await sleep(200);
      }
      await compaction;
      await until(() => segments.committed.length >= feed.total.count);
      expect(sumOf(segments)).toEqual(feed.total);
    },
    producingMs + 60_000,
  );
  it('report', () => {
    console.log({
      produced: feed.produced,
      segments: [
        segments.committed.length,
        segments.restarts,
        lateRows(segments, 'fresh'),
        lateRows(segments, 'old'),
      ],
      recent: [recent.committed.length, recent.restarts, lateRows(recent, 'fresh'), lateRows(recent, 'old')],
      polls,
    });
    console.log(segments.log.join('\n'));
    console.log(recent.log.join('\n'));
  });
});
