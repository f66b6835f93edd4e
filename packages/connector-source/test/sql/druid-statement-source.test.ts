import { DruidClient, sql } from '@millrace/druid-client';
import type { Source } from '@millrace/core-stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidStatementSource,
  type DruidSourceError,
  type RejectedSqlRow,
  type StatementEnumeratorState,
  type StatementSplit,
} from '../../src/index.js';
import { FakeStatements } from '../support/fake-statements.js';
import { TestJob, type TestCheckpoint } from '../support/test-job.js';

const columns = { __time: 'timestamp not null', n: 'long not null' } as const;
const query = 'SELECT __time, n FROM edits';
type Checkpoint = TestCheckpoint<StatementSplit, StatementEnumeratorState>;
type StatementJob<Row> = TestJob<Row, StatementSplit, StatementEnumeratorState>;

let druid: FakeStatements;
let client: DruidClient;
let jobs: { stop(): Promise<void> }[];

beforeEach(async () => {
  druid = await FakeStatements.start({ __time: ['TIMESTAMP', 'LONG'], n: ['BIGINT', 'LONG'] });
  client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
  jobs = [];
});

afterEach(async () => {
  await Promise.all(jobs.map((job) => job.stop()));
  client.close();
  await druid.stop();
});

/** Pages of these sizes, whose rows are numbered through. */
function pagesOf(...sizes: number[]): { __time: number; n: number }[][] {
  let n = 0;
  return sizes.map((size) => Array.from({ length: size }, () => ({ __time: n * 1000, n: n++ })));
}

const sourceOf = (extra: { maxBufferedRows?: number; maxAttempts?: number } = {}) =>
  new DruidStatementSource({ druid: client, query, columns, ...extra });

function start<Row>(
  source: Source<Row, StatementSplit, StatementEnumeratorState>,
  options?: ConstructorParameters<typeof TestJob<Row, StatementSplit, StatementEnumeratorState>>[1],
): StatementJob<Row> {
  const job = new TestJob<Row, StatementSplit, StatementEnumeratorState>(source, options);
  jobs.push(job);
  return job;
}

const numbersOf = (rows: readonly { n: number }[]): number[] => rows.map(({ n }) => n).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function failureOf(job: { run(): Promise<void> }): Promise<DruidSourceError> {
  return job.run().then(
    () => Promise.reject(new Error('the job did not fail')),
    (error: unknown) => error as DruidSourceError,
  );
}

it.each([1, 3])('runs the statement once and reads its pages in %i readers', async (parallelism) => {
  druid.pages = pagesOf(3, 0, 5, 2);
  const job = start(sourceOf(), { parallelism });
  await job.run();
  expect(numbersOf(job.rows())).toEqual(upTo(10));
  expect(job.emitted.every(({ row, timestamp }) => row.__time === timestamp)).toBe(true);
  expect(job.released.sort()).toEqual(['page-0', 'page-2', 'page-3']);
  expect([...druid.submitted.values()]).toMatchObject([
    { query, context: { executionMode: 'ASYNC', selectDestination: 'durableStorage' } },
  ]);
  await job.stop();
  expect(druid.cancelled).toEqual([]);
});

it('ends without rows where there are none, and takes a template with values', async () => {
  const job = start(new DruidStatementSource({ druid: client, query: sql`SELECT ${7} AS n`, columns }));
  await job.run();
  expect(job.emitted).toEqual([]);
  expect([...druid.submitted.values()]).toMatchObject([
    { query: 'SELECT ? AS n', parameters: [{ value: 7 }] },
  ]);
});

it('waits ever longer for the result, up to the longest wait', async () => {
  druid.state = 'RUNNING';
  druid.pages = pagesOf(1);
  const job = start(sourceOf());
  const { clock } = job;
  const startMs = clock.now();
  const looks: number[] = [];
  await job.run(() => {
    const count = druid.requests.filter((request) => request === 'GET status').length;
    if (count > looks.length) looks.push(clock.now() - startMs);
    if (looks.length === 8) druid.state = 'SUCCESS';
    return looks.length >= 9;
  });
  const pauses = looks.map((ms, i) => ms - (looks[i - 1] ?? 0));
  expect(pauses.slice(0, 8)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  await job.run();
  expect(job.rows()).toHaveLength(1);
});

it('emits every row once under any schedule of breaks, crashes and rescaling, of one run (invariant 1)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 12 }), { maxLength: 5 }),
      fc.array(
        fc.tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 })),
        {
          maxLength: 4,
        },
      ),
      fc.array(fc.boolean(), { maxLength: 8 }),
      async (sizes, starts, breaks) => {
        druid.submitted.clear();
        druid.pages = pagesOf(...sizes);
        const left = [...breaks];
        druid.breakAfter = (page) => (left.shift() ? Math.floor((sizes[page] ?? 0) / 2) : undefined);
        const source = sourceOf({ maxBufferedRows: 3, maxAttempts: 20 });
        const rows: { n: number }[] = [];
        let restored: Checkpoint | undefined;
        for (const [limit, parallelism, pollSize] of [...starts, [Infinity, 2, 3] as const]) {
          const job = start(source, { parallelism, ...(restored && { restored }) });
          await job.run(() => job.emitted.length >= limit, pollSize);
          restored = job.checkpoint();
          rows.push(...job.rows());
          await job.stop();
        }
        expect(numbersOf(rows)).toEqual(upTo(sizes.reduce((sum, size) => sum + size, 0)));
        expect(druid.submitted.size).toBe(1);
      },
    ),
    { numRuns: 40 },
  );
});

describe('a restored job', () => {
  it('finds the statement that was submitted just before the crash (invariant 1)', async () => {
    druid.pages = pagesOf(2);
    const first = start(sourceOf());
    const restored = first.checkpoint(); // before anything was asked
    await first.run(() => druid.submitted.size > 0);
    await first.stop();
    expect(restored.enumerator.isSubmitted).toBe(false);
    const second = start(sourceOf(), { restored });
    await second.run();
    expect(second.rows()).toHaveLength(2);
    expect(druid.submitted.size).toBe(1);
    expect(druid.cancelled).toEqual([]);
  });

  it('fails when Druid has forgotten the statement, before a page and in the middle of one', async () => {
    druid.state = 'RUNNING';
    druid.pages = pagesOf(6);
    const first = start(sourceOf({ maxBufferedRows: 1 }));
    await first.run(() => druid.requests.includes('GET status'));
    const running = first.checkpoint();
    druid.state = 'SUCCESS';
    await first.run(() => first.emitted.length >= 2, 2);
    const begun = first.checkpoint();
    druid.submitted.clear();
    for (const restored of [running, begun]) {
      const failure = await failureOf(start(sourceOf(), { restored }));
      expect(failure).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: false });
      expect(failure.message).toContain('no longer has the statement');
    }
    expect(begun.readers).toMatchObject([[{ splitId: 'page-0', position: 2, rows: 6 }]]);
  });

  it('refuses a checkpoint of another statement, or of other parameters', async () => {
    const of = (text: string, parameters: number[]) =>
      new DruidStatementSource({ druid: client, query: text, parameters, columns });
    const restored = start(of('SELECT ? AS n', [1])).checkpoint();
    for (const other of [of('SELECT ? AS m', [1]), of('SELECT ? AS n', [2])]) {
      expect(() => start(other, { restored })).toThrow('belongs to another statement');
    }
  });
});

describe('when the job ends, a statement that runs', () => {
  const permanent = Object.assign(new Error('a record that does not fit'), { retryable: false });
  it.each([
    ['is cancelled if no checkpoint holds it', false, new Error('away'), true],
    ['is left to a restart if a checkpoint may hold it', true, new Error('away'), false],
    ['is cancelled after a failure that no restart heals', true, permanent, true],
  ])('%s (invariant 3)', async (_, isStored, reason, isCancelled) => {
    druid.state = 'RUNNING';
    const job = start(sourceOf());
    await job.run(() => druid.requests.includes('GET status'));
    if (isStored) job.checkpoint();
    await job.stop(reason);
    expect(druid.cancelled).toEqual(isCancelled ? [...druid.submitted.keys()] : []);
  });
});

describe('failures', () => {
  it('tells what Druid said of a statement that failed or was cancelled there', async () => {
    druid.state = 'FAILED';
    const failure = await failureOf(start(sourceOf()));
    expect(failure).toMatchObject({
      code: 'DRUID_SOURCE_READ',
      retryable: false,
      details: { code: 'Canceled' },
    });
    expect(failure.message).toContain('Query canceled by user');
  });

  it('does not repeat what Druid refuses, and gives up on a server that stays away', async () => {
    druid.status = 400;
    expect(await failureOf(start(sourceOf()))).toMatchObject({ retryable: false });
    expect(druid.requests).toEqual(['POST']);
    druid.status = 503;
    const failure = await failureOf(start(sourceOf()));
    expect(failure).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: true });
    expect(failure.message).toContain('could not be submitted');
  });

  it('does not take a result whose pages Druid cannot tell for an empty one', async () => {
    druid.pages = pagesOf(2);
    druid.hasPageList = false;
    const failure = await failureOf(start(sourceOf()));
    expect(failure).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: false });
    expect(failure.message).toContain('does not say which pages');
  });

  it('gives up on a page that always breaks off, after the rows that came', async () => {
    druid.pages = pagesOf(6);
    druid.breakAfter = () => 3;
    const job = start(sourceOf({ maxAttempts: 2 }));
    expect(await failureOf(job)).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: true });
    expect(numbersOf(job.rows())).toEqual(upTo(3));
  });

  it('refuses a page that has more rows than it announced, without emitting them', async () => {
    druid.pages = pagesOf(2);
    const job = start(sourceOf());
    await job.run(() => druid.requests.includes('GET page 0'));
    await job.stop();
    const [split] = job.checkpoint().readers.flat();
    const restored = { ...job.checkpoint(), readers: [[{ ...(split as StatementSplit), rows: 1 }]] };
    const again = start(sourceOf(), { restored });
    expect(await failureOf(again)).toMatchObject({ code: 'DRUID_SOURCE_INCOMPLETE' });
    expect(again.emitted).toEqual([]);
  });
});

it('checks rows by a schema, and hands misfits over', async () => {
  druid.pages = pagesOf(4);
  const rejected: RejectedSqlRow[] = [];
  const schema = z.object({ n: z.number().max(2) });
  const job = start(
    new DruidStatementSource({
      druid: client,
      query,
      schema,
      onInvalidRow: (row) => void rejected.push(row),
    }),
  );
  await job.run();
  expect(job.rows()).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  expect(rejected).toMatchObject([{ splitId: 'page-0', position: 3, row: { n: 3 } }]);
  const untimed = new DruidStatementSource({ druid: client, query, schema, timeColumn: 'when' });
  expect(await failureOf(start(untimed))).toMatchObject({ code: 'DRUID_SOURCE_SCHEMA' });
});

it('refuses options that cannot work, with their name', () => {
  const base = { druid: client, query, columns };
  const make = (extra: object) => () => new DruidStatementSource({ ...base, ...extra });
  expect(make({ query: ' ' })).toThrow("'query'");
  expect(make({ queryContext: { selectDestination: 'taskReport' } })).toThrow('selectDestination');
  expect(make({ queryContext: { sqlQueryId: 'mine' } })).toThrow('sqlQueryId');
  expect(make({ maxPollIntervalMs: 0 })).toThrow('maxPollIntervalMs');
  expect(make({ timeColumn: 'n' })).toThrow("'timeColumn'");
});
