import { afterEach, beforeEach, expect, it } from 'vitest';
import { DruidSource } from '../src/index.js';
import { FakeDruid } from './support/fake-druid.js';
import { HastyClock, TestJob } from './support/test-job.js';

const columns = { added: 'long' } as const;
const sqlTypes = { __time: 'TIMESTAMP', added: 'BIGINT' };
let druid: FakeDruid;
let clock: HastyClock;
let job: TestJob<{ added: number | null }>;
/** When segments were listed. */
let listedMs: number[];

beforeEach(async () => {
  druid = await FakeDruid.start(sqlTypes);
  clock = new HastyClock();
  listedMs = [];
  druid.onListing = () => void listedMs.push(clock.now());
});

afterEach(async () => {
  await job.stop();
  await druid.stop();
});

function addSegment(day: number, rows = 30): void {
  const first = day * 1000;
  const row = (i: number) => ({ __time: Date.UTC(2024, 0, day) + i, added: first + i });
  druid.addSegment(
    day,
    Array.from({ length: rows }, (_, i) => row(i)),
  );
}

function follow(restored?: ReturnType<typeof job.checkpoint>): void {
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: druid.dataSource,
    columns,
    maxBufferedRows: 10,
    batchSize: 10,
    mode: { unbounded: { pollIntervalMs: 1000 } },
  });
  job = new TestJob(source, { clock, ...(restored && { restored }) });
}

/** Waits for more listings; returns the milliseconds between all of them since then. */
async function pausesUntil(isDone: () => boolean): Promise<number[]> {
  const from = listedMs.length;
  await job.run(() => listedMs.length > from + 4 && isDone());
  return listedMs.slice(from).map((ms, i) => ms - (listedMs[from + i - 1] ?? ms));
}

it('polls ever less while there is nothing new, and soon again after a segment', async () => {
  addSegment(1);
  follow();
  await job.run(() => job.emitted.length >= 30);
  expect((await pausesUntil(() => true)).slice(-2)).toEqual([1000, 1000]);
  addSegment(2);
  expect(Math.min(...(await pausesUntil(() => job.emitted.length >= 60)).slice(1))).toBeLessThan(1000);
});

it('does not poll while segments wait for a reader that has no room (invariant 4)', async () => {
  for (const day of [1, 2, 3]) addSegment(day);
  follow();
  while (job.emitted.length === 0) {
    job.poll(0, 1);
    await job.breathe();
  }
  for (let i = 0; i < 30; i++) await job.breathe();
  expect(listedMs.length).toBe(1);

  const checkpoint = job.checkpoint();
  const before = job.rows();
  await job.stop();
  listedMs = [];
  addSegment(4);
  delete druid.columns['added'];
  delete druid.columns['__time'];
  follow(checkpoint);
  while (listedMs.length <= 2) await job.breathe(); // columns are checked at each start
  Object.assign(druid.columns, sqlTypes);
  for (let i = 0; i < 30; i++) await job.breathe();
  const listings = listedMs.length;
  for (let i = 0; i < 30; i++) await job.breathe();
  expect(listedMs.length).toBe(listings);
  await job.run(() => before.length + job.emitted.length >= 120);
  await pausesUntil(() => true);
  expect(new Set([...before, ...job.rows()].map(({ added }) => added)).size).toBe(120);
  expect(before.length + job.emitted.length).toBe(120);
});
