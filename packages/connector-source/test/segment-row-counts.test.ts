import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DruidSource, equals, type DruidSourceMode } from '../src/index.js';
import { FakeDruid, type FakeRow } from './support/fake-druid.js';
import { TestJob } from './support/test-job.js';

const unbounded: DruidSourceMode = { unbounded: { pollIntervalMs: 1000 } };

let druid: FakeDruid;
let job: TestJob<{ added: number | null }>;

beforeEach(async () => {
  druid = await FakeDruid.start({ __time: 'TIMESTAMP', added: 'BIGINT' });
});

afterEach(async () => {
  await job.stop();
  await druid.stop();
});

const rowsOf = (day: number, count: number): FakeRow[] =>
  Array.from({ length: count }, (_, i) => ({ __time: Date.UTC(2024, 0, day) + i, added: i }));

function start(mode: DruidSourceMode, filter?: ReturnType<typeof equals>) {
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    columns: { added: 'long' },
    mode,
    maxAttempts: 2,
    ...(filter && { filter }),
  });
  job = new TestJob(source);
}

// What the Broker saw while a streaming task wrote a segment of 30 rows.
describe.each([
  ['fewer rows than there are', 12],
  ['rows that were merged since', 40],
])('num_rows that says %s', (_name, staleRows) => {
  it.each([
    ['bounded', 'bounded' as const],
    ['unbounded', unbounded],
  ])('is not believed (%s, invariant 1)', async (_mode, mode) => {
    druid.addSegment(1, rowsOf(1, 30), { staleRows });
    start(mode);
    await job.run(() => job.emitted.length >= 30);
    if (mode === 'bounded') await job.run();
    expect(job.emitted).toHaveLength(30);
  });

  it('is not believed by a read with a filter', async () => {
    druid.addSegment(1, rowsOf(1, 30), { staleRows });
    start('bounded', equals('added', 7));
    await job.run();
    expect(job.rows()).toEqual([{ added: 7 }]);
  });

  it('is not believed of a segment that is handed off while it is waited for (invariant 2)', async () => {
    const segment = druid.addSegment(1, rowsOf(1, 30), { staleRows, isRealtime: true });
    start('bounded');
    for (let i = 0; i < 20; i++) {
      job.poll(0, 10);
      await job.breathe();
    }
    segment.isRealtime = false;
    await job.run();
    expect(job.emitted).toHaveLength(30);
  });

  it('does not keep a compaction from being recognised', async () => {
    const streamed = druid.addSegment(1, rowsOf(1, 30), { staleRows });
    start(unbounded);
    await job.run(() => job.emitted.length >= 30);
    streamed.isOvershadowed = true;
    const version = '2024-07-01T00:00:00.000Z';
    const shardSpec = { type: 'numbered', partitionNum: 0, partitions: 1 };
    druid.addSegment(1, rowsOf(1, 30), { version, isCompacted: true, shardSpec });
    druid.addSegment(2, rowsOf(2, 5));
    await job.run(() => job.emitted.length >= 35);
    expect(job.emitted).toHaveLength(35);
  });
});

it('asks about a segment once, however often the segments are listed', async () => {
  let asked = 0;
  druid.onSegmentMetadata = (pinned) => void (asked += pinned.length);
  start(unbounded);
  druid.addSegment(1, rowsOf(1, 30));
  druid.addSegment(2, rowsOf(2, 30), { isOvershadowed: true });
  await job.run(() => job.emitted.length >= 30);
  for (let i = 0; i < 50; i++) await job.breathe();
  druid.addSegment(3, rowsOf(3, 10));
  await job.run(() => job.emitted.length >= 40);
  expect(asked).toBe(3);
});
