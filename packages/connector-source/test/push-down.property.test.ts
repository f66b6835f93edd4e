import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { and, DruidSource, equals, isIn, isNull, not, or, range, type DruidFilter } from '../src/index.js';
import { append } from './support/ingest.js';
import { TestJob } from './support/test-job.js';

interface Row {
  readonly t: number;
  readonly page: string | null;
  readonly id: number;
}

/** What Druid is asked, and what SQL's three-valued logic makes of a row. */
interface Condition {
  readonly filter: DruidFilter;
  readonly holds: (row: Row) => boolean | null;
}

const hourMs = 3_600_000;
const startMs = Date.UTC(2024, 0, 1);
// Two segments for each of three days, their rows in order of time.
const rows = Array.from({ length: 180 }, (_, id): Row => ({
  t: startMs + Math.floor(id / 60) * 24 * hourMs + (id % 30) * 0.7 * hourMs,
  page: id % 4 === 0 ? null : `p${(id * 7) % 5}`,
  id,
}));

let embedded: EmbeddedDruid;
let druid: DruidClient;

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  for (const part of [0, 1]) {
    const lines = rows.filter(({ id }) => Math.floor(id / 30) % 2 === part).map((row) => JSON.stringify(row));
    await append(druid, 'edits', lines, { dimensions: ['page', { type: 'long', name: 'id' }] });
  }
});

afterAll(async () => {
  druid.close();
  await embedded.stop();
});

const page: fc.Arbitrary<string> = fc.constantFrom('p0', 'p1', 'p2', 'p3', 'p4', 'nowhere');
const number = fc.integer({ min: -5, max: 185 });

const conditions = fc.letrec<{ any: Condition; leaf: Condition }>((tie) => ({
  leaf: fc.oneof(
    page.map((value) => ({
      filter: equals('page', value),
      holds: (row: Row) => (row.page === null ? null : row.page === value),
    })),
    fc.constant({ filter: isNull('page'), holds: (row: Row) => row.page === null }),
    fc.array(page, { minLength: 1, maxLength: 3 }).map((values) => ({
      filter: isIn('page', values),
      holds: (row: Row) => (row.page === null ? null : values.includes(row.page)),
    })),
    fc.tuple(number, number).map(([gte, lt]) => ({
      filter: range('id', { gte, lt }),
      holds: ({ id }: Row) => id >= gte && id < lt,
    })),
  ),
  any: fc.oneof(
    { maxDepth: 3 },
    tie('leaf'),
    tie('any').map(({ filter, holds }) => ({
      filter: not(filter),
      holds: (row: Row) => negated(holds(row)),
    })),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => ({
      filter: and(a.filter, b.filter),
      holds: (row: Row) => both(a.holds(row), b.holds(row)),
    })),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => ({
      filter: or(a.filter, b.filter),
      holds: (row: Row) => negated(both(negated(a.holds(row)), negated(b.holds(row)))),
    })),
  ),
})).any;

const negated = (a: boolean | null) => (a === null ? null : !a);
const both = (a: boolean | null, b: boolean | null) =>
  a === false || b === false ? false : a === null || b === null ? null : true;

it('reads the rows that a search through all rows finds, and of these the first', async () => {
  const read = fc.record({
    condition: fc.option(conditions),
    interval: fc.option(fc.uniqueArray(fc.integer({ min: -10, max: 85 }), { minLength: 2, maxLength: 2 })),
    limit: fc.option(fc.integer({ min: 1, max: 100 })),
    parallelism: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(read, async ({ condition, interval, limit, parallelism }) => {
      const [start, end] = (interval ?? [-1000, 1000])
        .toSorted((a, b) => a - b)
        .map((hours) => startMs + hours * hourMs) as [number, number];
      const matching = rows.filter(
        (row) => row.t >= start && row.t < end && (condition === null || condition.holds(row) === true),
      );
      const source = new DruidSource({
        druid,
        dataSource: 'edits',
        columns: { page: 'string', id: 'long' },
        batchSize: 7,
        ...(condition !== null && { filter: condition.filter }),
        ...(interval !== null && { interval: { start, end } }),
        ...(limit !== null && { limit }),
      });
      const job = new TestJob(source, { parallelism });
      await job.run();
      await job.stop();
      const found = job.rows().toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
      expect(found).toEqual(matching.slice(0, limit ?? undefined).map(({ page, id }) => ({ page, id })));
    }),
    { numRuns: 40 },
  );
}, 240_000);
