import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { and, DruidSource, equals, range } from '../src/index.js';
import { append } from './support/ingest.js';
import { TestJob } from './support/test-job.js';

const columns = { __time: 'timestamp', page: 'string', added: 'long' } as const;
const dimensions = ['page', { type: 'long', name: 'added' }];

let embedded: EmbeddedDruid;
let druid: DruidClient;
let nextId = 0;

const edits = (day: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ t: Date.UTC(2024, 0, day) + i * 1000, page: `p${i % 3}`, added: nextId++ }),
  );

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  await append(druid, 'edits', [...edits(1, 300), ...edits(2, 200)], { dimensions });
  await append(druid, 'edits', edits(1, 100), { dimensions });
});

afterAll(async () => {
  druid.close();
  await embedded.stop();
});

it('reads every row once from the embedded Druid, resumes, and follows new segments', async () => {
  const source = new DruidSource({ druid, dataSource: 'edits', columns, batchSize: 50, maxBufferedRows: 50 });
  const first = new TestJob(source, { parallelism: 2 });
  await first.run(() => first.emitted.length > 150, 20);
  const restored = first.checkpoint();
  const before = first.rows();
  await first.stop();
  const second = new TestJob(source, { parallelism: 3, restored });
  await second.run();
  await second.stop();
  const ids = [...before, ...second.rows()].map((row) => row.added ?? -1).sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: 600 }, (_, i) => i));
});

it('agrees with its SQL about filter and interval', async () => {
  const filter = and(equals('page', 'p1'), range('added', { gte: 10 }));
  const interval = { start: '2024-01-01T00:01:00Z', end: '2024-01-02T00:01:00Z' };
  const job = new TestJob(new DruidSource({ druid, dataSource: 'edits', columns, filter, interval }));
  await job.run();
  await job.stop();
  const [expected] = await druid.sql.query(
    `SELECT COUNT(*) AS n FROM edits WHERE page = 'p1' AND added >= 10
     AND __time >= TIMESTAMP '2024-01-01 00:01:00' AND __time < TIMESTAMP '2024-01-02 00:01:00'`,
  );
  expect(expected).toEqual({ n: job.emitted.length });
});
