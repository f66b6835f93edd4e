import { DruidRemoteError, DruidTimeoutError, type DruidClient } from '@millrace/druid-client';
import { sleep } from '@millrace/core-stream';
import type { SpoolCommittable } from './committable.js';
import { callDruid, monotonicNow, type Patience } from '../druid/druid-calls.js';
import { DruidSinkInvariantError, DruidSinkTimeoutError } from '../errors.js';
import { formatInterval, timeRangeOf } from './ingestion-spec.js';

/** How many of a committable's rows Druid has. `all` with roll-up and without a count metric means: some. */
export type RowsFound = 'none' | 'all' | 'other';

export interface PublishedRowsOptions extends Patience {
  readonly druid: DruidClient;
  readonly pollIntervalMs: number;
  /** How long published rows may take until they can be queried. */
  readonly queryableTimeoutMs: number;
}

/** Rows are there soon after their task has ended: the pauses between looks grow from this. */
const FIRST_PAUSE_MS = 25;

/** Druid may publish for an instant after a task that was stopped shows as FAILED: the second look is this much later. */
const STOPPED_SETTLE_MS = 5_000;
const SETTLE_MS = 500;

/** Asks the Broker and the Coordinator which rows are there. Commit ids must be counted by those who have one. */
export class PublishedRows {
  readonly #options: PublishedRowsOptions;

  constructor(options: PublishedRowsOptions) {
    this.#options = options;
  }

  /**
   * Waits until the Broker answers with the committable's rows, by count. SUCCESS alone does not say so.
   * @throws DruidSinkTimeoutError
   */
  async untilCounted(committable: SpoolCommittable): Promise<Exclude<RowsFound, 'none'>> {
    const { clock, signal, queryableTimeoutMs, pollIntervalMs } = this.#options;
    const startedMs = monotonicNow(clock);
    for (let looks = 0; ; looks++) {
      // The first look makes the Coordinator read what was just published; a forced look costs a large cluster much.
      const loaded = await this.#loadStatus(committable, looks === 0);
      const found = await this.#sqlCount(committable);
      if (typeof found === 'number') {
        const verdict = verdictOf(committable, found);
        if (verdict === 'all') return verdict;
        if (found > committable.rows) return 'other';
      }
      const waitedMs = Math.round(monotonicNow(clock) - startedMs);
      if (waitedMs >= queryableTimeoutMs) {
        throw new DruidSinkTimeoutError(
          `The rows of '${committable.file}' are published in '${committable.dataSchema.dataSource}', but not queryable ` +
            `after ${waitedMs} ms: the Broker counts ${found ?? 'nothing (no such table or column yet)'} of ${committable.rows}, ` +
            `${loaded?.percentLoaded ?? 0} % of the interval is loaded. Check that Historicals have room and that no load rule ` +
            `drops this time range, or set waitUntil: 'published'.`,
          { details: { file: committable.file, rows: committable.rows, found, waitedMs }, retryable: true },
        );
      }
      await sleep(clock, Math.min(FIRST_PAUSE_MS * 2 ** looks, pollIntervalMs), signal);
    }
  }

  /** Waits until all that is published in the committable's time can be queried, whoever wrote it. */
  async untilLoaded(committable: SpoolCommittable): Promise<void> {
    const { druid, signal, queryableTimeoutMs, pollIntervalMs } = this.#options;
    // Nothing in use any more: what was published has been dropped since.
    if ((await this.#loadStatus(committable, true)) === undefined) return;
    const { dataSource } = committable.dataSchema;
    await this.#call('when segments are loaded', async () => {
      try {
        await druid.datasources.waitUntilQueryable(dataSource, {
          ...intervalOf(committable),
          timeoutMs: queryableTimeoutMs,
          pollIntervalMs,
          signal,
        });
      } catch (cause) {
        if (!DruidTimeoutError.is(cause)) throw cause;
        throw new DruidSinkTimeoutError(
          `What is published in '${dataSource}' is not loaded after ${queryableTimeoutMs} ms, so it cannot be told whether ` +
            `'${committable.file}' is part of it. Check the Historicals and the Coordinator's load queue. ${cause.message}`,
          { details: { file: committable.file, waitedMs: queryableTimeoutMs }, cause, retryable: true },
        );
      }
    });
  }

  /**
   * Finds out whether a task that FAILED published its rows after all. `none` is the answer of two looks, each after all
   * that is published was loaded.
   */
  async count(committable: SpoolCommittable, stopped: boolean): Promise<RowsFound> {
    const first = await this.#look(committable);
    if (first !== 'none') return first;
    await sleep(this.#options.clock, stopped ? STOPPED_SETTLE_MS : SETTLE_MS, this.#options.signal);
    return this.#look(committable);
  }

  async #look(committable: SpoolCommittable): Promise<RowsFound> {
    // No segment in use there, read from the metadata store: nothing was published.
    if ((await this.#loadStatus(committable, true)) === undefined) return 'none';
    await this.untilLoaded(committable);
    const found = (await this.#sqlCount(committable)) ?? (await this.#scanCount(committable));
    return verdictOf(committable, found);
  }

  #loadStatus(committable: SpoolCommittable, forceMetadataRefresh: boolean) {
    const { druid, signal } = this.#options;
    return this.#call('the load status', () =>
      druid.datasources.loadStatus(committable.dataSchema.dataSource, {
        ...intervalOf(committable),
        forceMetadataRefresh,
        signal,
      }),
    );
  }

  /** `undefined` while SQL does not know the table or the column. */
  #sqlCount(committable: SpoolCommittable): Promise<number | undefined> {
    const { druid, signal } = this.#options;
    const { dataSource } = committable.dataSchema;
    const metric = countMetricOf(committable);
    const range = timeRangeOf(committable);
    const time =
      range === undefined
        ? ''
        : ` AND "__time" >= ${timestamp(range.start)} AND "__time" < ${timestamp(range.end)}`;
    const sql =
      `SELECT ${metric === undefined ? 'COUNT(*)' : `SUM(${quote(metric)})`} FROM ${quote(dataSource)} ` +
      `WHERE ${quote(commitIdOf(committable).column)} = ?${time}`;
    return this.#call('a row count', async () => {
      try {
        const rows = await druid.sql.query(sql, {
          parameters: [commitIdOf(committable).value],
          rowFormat: 'array',
          context: {
            useCache: false,
            populateCache: false,
            useResultLevelCache: false,
            populateResultLevelCache: false,
          },
          signal,
        });
        // SUM of no rows is null.
        return Number(rows[0]?.[0] ?? 0);
      } catch (error) {
        if (DruidRemoteError.is(error) && error.details.status === 400) return undefined;
        throw error;
      }
    });
  }

  /** Counts without SQL's catalogue, which learns new columns later than the Broker learns new segments. */
  #scanCount(committable: SpoolCommittable): Promise<number> {
    const { druid, signal } = this.#options;
    const { column, value } = commitIdOf(committable);
    const metric = countMetricOf(committable);
    const range = timeRangeOf(committable);
    return this.#call('a row scan', async () => {
      let found = 0;
      const scan = druid.native.scan(
        {
          dataSource: committable.dataSchema.dataSource,
          columns: [metric ?? '__time'],
          filter: { type: 'selector', dimension: column, value },
          intervals: [
            range === undefined
              ? '-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z'
              : formatInterval(range),
          ],
          limit: committable.rows + 1,
        },
        { signal },
      );
      for await (const batch of scan) {
        for (const row of batch.rows) found += metric === undefined ? 1 : Number(row[0] ?? 0);
      }
      return found;
    });
  }

  #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    return callDruid(this.#options, what, call);
  }
}

function verdictOf(committable: SpoolCommittable, found: number): RowsFound {
  if (found === 0) return 'none';
  const isMerged = committable.dataSchema.granularitySpec.rollup && countMetricOf(committable) === undefined;
  // Druid publishes a task's segments in one transaction; without counts, that is all there is to go by.
  if (isMerged) return found <= committable.rows ? 'all' : 'other';
  return found === committable.rows ? 'all' : 'other';
}

/** With roll-up rows merge: then a count metric tells how many there were. */
function countMetricOf({ dataSchema }: SpoolCommittable): string | undefined {
  if (!dataSchema.granularitySpec.rollup) return undefined;
  return dataSchema.metricsSpec.find(({ type }) => type === 'count')?.name;
}

function commitIdOf({ commitIdColumn, commitId }: SpoolCommittable): { column: string; value: string } {
  if (commitIdColumn !== null && commitId !== null) return { column: commitIdColumn, value: commitId };
  throw new DruidSinkInvariantError('Rows without a commit id were to be counted. Please report this.', {
    details: { invariant: 4 },
  });
}

function intervalOf(committable: SpoolCommittable): { readonly interval?: string } {
  const range = timeRangeOf(committable);
  return range === undefined ? {} : { interval: formatInterval(range) };
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

function timestamp(ms: number): string {
  return `TIMESTAMP '${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}'`;
}
