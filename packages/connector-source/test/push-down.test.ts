import { DruidClient } from '@millrace/druid-client';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidSource,
  equals,
  virtualColumn,
  type DruidSourceMode,
  type DruidSourceSettings,
} from '../src/index.js';
import { FakeDruid } from './support/fake-druid.js';
import { TestJob } from './support/test-job.js';

const columns = { __time: 'timestamp', page: 'string', id: 'long' } as const;
const doubled = virtualColumn.expression('doubled', 'id * 2', 'LONG');

let druid: FakeDruid;
let client: DruidClient;
let job: TestJob<unknown> | undefined;

beforeEach(async () => {
  druid = await FakeDruid.start({ __time: 'TIMESTAMP', page: 'VARCHAR', id: 'BIGINT' });
  druid.expressions['id * 2'] = (row) => (row['id'] as number) * 2;
  let id = 0;
  for (let day = 1; day <= 4; day++) {
    const rows = Array.from({ length: 10 }, (_, i) => ({
      __time: Date.UTC(2024, 0, day) + i,
      page: i % 2 === 0 ? 'even' : 'odd',
      id: id++,
    }));
    druid.addSegment(day, rows);
  }
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
});

afterEach(async () => {
  await job?.stop();
  job = undefined;
  client.close();
  await druid.stop();
});

type Extra = Partial<DruidSourceSettings<'safe-number'>>;

const sourceOf = (extra: Extra) =>
  new DruidSource({
    druid: client,
    dataSource: 'edits',
    columns,
    batchSize: 3,
    maxBufferedRows: 3,
    ...extra,
  });

function start<Row>(...args: ConstructorParameters<typeof TestJob<Row>>): TestJob<Row> {
  const started = new TestJob<Row>(...args);
  job = started as TestJob<unknown>;
  return started;
}

async function idsOf(extra: Extra, parallelism = 1): Promise<number[]> {
  const run = start(sourceOf(extra), { parallelism });
  await run.run();
  await run.stop();
  return run.rows().map(({ id }) => id as number);
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const sorted = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);

describe('virtual columns', () => {
  it('are read as the type that the columns name', async () => {
    const run = start(
      new DruidSource({
        druid: client,
        dataSource: 'edits',
        columns: { id: 'long', doubled: 'long' },
        virtualColumns: [doubled],
      }),
    );
    await run.run();
    expect(run.rows()).toEqual(upTo(40).map((id) => ({ id, doubled: id * 2 })));
  });

  it('may have any name', () => {
    const virtualColumns = [virtualColumn.expression('constructor', '1', 'LONG')];
    const columns = { __time: 'timestamp' } as const;
    expect(
      () => new DruidSource({ druid: client, dataSource: 'edits', columns, virtualColumns }),
    ).not.toThrow();
  });

  it('are read by a schema', async () => {
    const schema = z.object({ id: z.number(), doubled: z.number() });
    const run = start(
      new DruidSource({ druid: client, dataSource: 'edits', schema, virtualColumns: [doubled] }),
    );
    await run.run();
    expect(run.rows()[21]).toEqual({ id: 21, doubled: 42 });
  });

  it('can be filtered by, and are part of the count that proves the split', async () => {
    expect(await idsOf({ virtualColumns: [doubled], filter: equals('doubled', 14) })).toEqual([7]);
    expect(druid.queries.every(({ virtualColumns }) => virtualColumns?.[0]?.name === 'doubled')).toBe(true);
  });

  it.each([
    [[virtualColumn.expression('__time', '1', 'LONG')], {}, /'virtualColumns'.*__time/],
    [[doubled, doubled], {}, /'virtualColumns'.*each once/],
    [[doubled], { doubled: 'string' as const }, /'columns.doubled' is 'string'.*BIGINT/],
  ])('are refused before the job where they cannot work (%#)', (virtualColumns, more, message) => {
    const make = () =>
      new DruidSource({
        druid: client,
        dataSource: 'edits',
        columns: { ...columns, ...more },
        virtualColumns,
      });
    expect(make).toThrow(expect.objectContaining({ code: 'DRUID_SOURCE_CONFIG' }) as Error);
    expect(make).toThrow(message);
  });
});

describe('limit', () => {
  it.each([1, 2, 3])('takes the first rows in the order of segments with %i readers', async (parallelism) => {
    expect(sorted(await idsOf({ limit: 25 }, parallelism))).toEqual(upTo(25));
  });

  it('asks for no row beyond it', async () => {
    await idsOf({ limit: 12 });
    expect(druid.rowsSent).toBe(12);
  });

  it('counts rows that the filter and the interval let through', async () => {
    const interval = { start: '2024-01-02', end: '2024-02-01' };
    expect(await idsOf({ limit: 7, filter: equals('page', 'odd'), interval })).toEqual([
      11, 13, 15, 17, 19, 21, 23,
    ]);
  });

  it('takes all rows where there are fewer', async () => {
    expect(await idsOf({ limit: 1000 })).toEqual(upTo(40));
  });

  it('reads each of its rows once wherever the job is restored', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 45 }),
        fc.nat({ max: 45 }),
        fc.integer({ min: 1, max: 3 }),
        async (limit, stopAfter, parallelism) => {
          const filter = equals('page', 'odd');
          const first = start(sourceOf({ limit, filter }), { parallelism });
          await first.run(() => first.emitted.length >= stopAfter, 2);
          const restored = first.checkpoint();
          const before = first.rows();
          await first.stop();
          const second = start(sourceOf({ limit, filter }), { parallelism, restored });
          await second.run();
          await second.stop();
          const odd = upTo(40).filter((id) => id % 2 === 1);
          expect(sorted([...before, ...second.rows()].map(({ id }) => id as number))).toEqual(
            odd.slice(0, limit),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('goes on where a scan of the last segment breaks off', async () => {
    let isBroken = false;
    druid.onQuery = (query) => {
      if (isBroken || query.queryType !== 'scan') return undefined;
      isBroken = true;
      return { kind: 'truncate', afterRows: 3 };
    };
    expect(await idsOf({ limit: 8 })).toEqual(upTo(8));
  });

  it('belongs to the checkpoint', async () => {
    const first = start(sourceOf({ limit: 5 }));
    await first.run(() => first.emitted.length > 0, 1);
    const restored = first.checkpoint();
    await first.stop();
    expect(() => start(sourceOf({ limit: 6 }), { restored })).toThrow(/'limit' of the source has changed/);
  });

  it('is refused where there is no last row, and where it is no number of rows', () => {
    const mode: DruidSourceMode = { unbounded: { pollIntervalMs: 1000 } };
    expect(() => sourceOf({ limit: 5, mode })).toThrow(/'limit' is for bounded reads/);
    expect(() => sourceOf({ limit: 0 })).toThrow(/'limit' is 0/);
  });
});

it('takes filters of druid-client, with all digits of a bigint', async () => {
  const { filter } = await import('@millrace/druid-client');
  await idsOf({ filter: filter.and(filter.equals('id', 2n ** 60n), equals('page', 'odd')) });
  expect(druid.queries[0]?.aggregations?.[1]?.filter).toMatchObject({ type: 'and' });
});
