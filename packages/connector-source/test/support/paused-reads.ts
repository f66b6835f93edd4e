import { systemClock } from '@millrace/core-stream';
import { sql, type DruidClientOptions } from '@millrace/druid-client';
import { expect } from 'vitest';
import {
  DruidSource,
  DruidSourceError,
  DruidSqlSource,
  range,
  type ReadPath,
  type SqlEnumeratorState,
  type SqlSplit,
} from '../../src/index.js';
import { hashOf } from './independent-export.js';
import type { IngestOptions } from './ingest.js';
import { TestJob, type TestCheckpoint } from './test-job.js';

export const flightIngestion: IngestOptions = {
  dimensions: ['origin', { type: 'long', name: 'flights' }, { type: 'double', name: 'delay' }, 'pad'],
  maxRowsPerSegment: 2000,
  // The segments that are read first are larger than what sockets hold: a change comes in the middle of their scans.
  transforms: { pad: `if(flights < 4000, concat(repeat('x', 3000), flights % 10), 'short')` },
};

export const flightColumns = 'TIMESTAMP_TO_MILLIS(__time), origin, flights, delay, pad';

/** Rows of 2024-01-01 to -03, numbered through, each with a time of its own. */
export function flights(perDay: number, first = 0): string[] {
  return Array.from({ length: 3 * perDay }, (_, i) => {
    const ms = (((i % perDay) * 7919) % 86_400) * 1000 + (first % 1000);
    const t = Date.UTC(2024, 0, 1 + Math.floor(i / perDay)) + ms;
    return JSON.stringify({ t, origin: i % 7 === 0 ? null : `o${i % 5}`, flights: first + i, delay: i / 4 });
  });
}

export interface FlightRow {
  readonly __time: number | null;
  readonly origin: string | null;
  readonly flights: number | null;
  readonly delay: number | null;
  readonly pad: string | null;
}
type Rows = readonly (readonly unknown[])[];
type SegmentJob = TestJob<FlightRow>;
type SqlJob = TestJob<FlightRow, SqlSplit, SqlEnumeratorState>;

export const readPaths = ['direct', 'auto', 'broker'] as const satisfies readonly ReadPath[];

/** Values in the order of {@link flightColumns}. */
export const flightValues = (rows: readonly FlightRow[]): unknown[][] =>
  rows.map(({ __time, origin, flights, delay, pad }) => [__time, origin, flights, delay, pad]);

/** Jobs that stand still in the middle of what they read, as nobody takes their rows, until they are checked. */
export class PausedReads {
  readonly #druid: DruidClientOptions;
  readonly #jobs: { stop(): Promise<void> }[] = [];

  constructor(druid: DruidClientOptions) {
    this.#druid = druid;
  }

  /** One for each path, in the middle of the first two segments. */
  async overSegments(dataSource: string): Promise<SegmentJob[]> {
    const jobs = readPaths.map((path) => this.job(dataSource, path));
    for (const job of jobs) {
      await job.run(() => job.emitted.length >= 1000, 100);
      expect(job.released).toEqual([]);
    }
    return jobs;
  }

  job(dataSource: string, path: ReadPath, restored?: TestCheckpoint): SegmentJob {
    const source = new DruidSource({
      druid: this.#druid,
      path,
      dataSource,
      columns: { __time: 'timestamp', origin: 'string', flights: 'long', delay: 'double', pad: 'string' },
      // What a filter leaves is counted segment by segment, when the turn comes to one.
      ...(path === 'auto' && { filter: range('flights', { gte: 0 }) }),
      batchSize: 250,
      maxBufferedRows: 500,
      maxAttempts: 3,
    });
    return this.#start(
      new TestJob<FlightRow>(source, { parallelism: 2, clock: systemClock, ...(restored && { restored }) }),
    );
  }

  /** One for each order, one range a day, the last of which was not asked for yet. */
  async overSql(dataSource: string): Promise<SqlJob[]> {
    const jobs = (['any', 'total'] as const).map((order): SqlJob => {
      const source = new DruidSqlSource({
        druid: this.#druid,
        query: ({ condition }) =>
          sql`SELECT __time, origin, flights, delay, pad FROM ${sql.identifier(dataSource)}
            WHERE ${condition} ORDER BY __time`,
        interval: { start: '2024-01-01', end: '2024-01-04' },
        splitMs: 86_400_000,
        columns: {
          __time: 'timestamp not null',
          origin: 'string',
          flights: 'long',
          delay: 'double',
          pad: 'string',
        },
        order,
        maxBufferedRows: order === 'any' ? 5000 : 500,
      });
      return this.#start(new TestJob(source, { clock: systemClock }));
    });
    for (const job of jobs) await job.run(() => job.emitted.length >= 1000, 100);
    return jobs;
  }

  async expectSnapshot(jobs: readonly SegmentJob[], snapshot: Rows): Promise<void> {
    await Promise.all(
      jobs.map(async (job) => {
        expect(await failureOf(job)).toBeUndefined();
        expect(hashOf(flightValues(job.rows()))).toBe(hashOf(snapshot));
      }),
    );
  }

  /** An error that names a pinned segment, after some of the snapshot's rows, none of them twice. */
  async expectSegmentGone(jobs: readonly SegmentJob[], snapshot: Rows): Promise<void> {
    await Promise.all(
      jobs.map(async (job) => {
        const { readers, enumerator } = job.checkpoint();
        const pinned = [...readers.flat(), ...enumerator.pending].map(({ splitId }) => splitId);
        const error = await failureOf(job);
        expect(error).toMatchObject({ code: 'DRUID_SOURCE_SEGMENT_GONE', retryable: false });
        const { segment } = error?.details as { readonly segment: string };
        expect(pinned).toContain(segment);
        expect(error?.message).toContain(segment);
        expectSomeOf(snapshot, job);
        // What was being scanned when the change came has been read to its end.
        expect(job.released.length).toBeGreaterThan(0);
      }),
    );
  }

  /** Every day as it was before, or as it was afterwards. */
  async expectWholeDays(jobs: readonly SqlJob[], before: Rows, after: Rows): Promise<void> {
    const ofDay = (rows: Rows, day: number): string =>
      hashOf(rows.filter(([time]) => new Date(time as number).getUTCDate() === day));
    await Promise.all(
      jobs.map(async (job) => {
        expect(await failureOf(job)).toBeUndefined();
        const rows = flightValues(job.rows());
        for (const day of [1, 2, 3])
          expect([ofDay(before, day), ofDay(after, day)]).toContain(ofDay(rows, day));
      }),
    );
  }

  /** Some of the snapshot's rows, none of them twice, and no error: SQL cannot tell that there were more. */
  async expectSome(jobs: readonly SqlJob[], snapshot: Rows): Promise<void> {
    await Promise.all(
      jobs.map(async (job) => {
        expect(await failureOf(job)).toBeUndefined();
        expectSomeOf(snapshot, job);
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#jobs.map((job) => job.stop()));
  }

  #start<Job extends { stop(): Promise<void> }>(job: Job): Job {
    this.#jobs.push(job);
    return job;
  }
}

function expectSomeOf(snapshot: Rows, job: SegmentJob | SqlJob): void {
  const left = new Set(snapshot.map((row) => JSON.stringify(row)));
  for (const row of flightValues(job.rows())) expect(left.delete(JSON.stringify(row))).toBe(true);
}

function failureOf(job: SegmentJob | SqlJob): Promise<DruidSourceError | undefined> {
  return job.run(undefined, 500).then(
    () => undefined,
    (error: unknown) => {
      if (DruidSourceError.is(error)) return error;
      throw error;
    },
  );
}
