import { DruidRemoteError, DruidTimeoutError, type DruidClient } from '@millrace/druid-client';
import { sleep } from '@millrace/core-stream';
import { formatInterval } from '../commit/ingestion-spec.js';
import { callDruid, type Patience } from '../druid/druid-calls.js';
import { DruidSinkTimeoutError } from '../errors.js';
import type { ChunkRevision } from './chunk-committable.js';

export interface ChunkRowsOptions extends Patience {
  readonly druid: DruidClient;
  readonly pollIntervalMs: number;
  /** How long published rows may take until they can be queried. */
  readonly queryableTimeoutMs: number;
}

/** The Broker learns a new column later than new segments: so often a count that differs is repeated. */
const LOOKS = 5;

/** Asks what Druid has in a chunk of time. */
export class ChunkRows {
  readonly #options: ChunkRowsOptions;

  constructor(options: ChunkRowsOptions) {
    this.#options = options;
  }

  /**
   * Waits until the Broker has every segment that is published in the chunk. What those overshadow is not queried any more.
   * `false` where nothing is in use there.
   * @throws DruidSinkTimeoutError
   */
  async untilLoaded({ chunk, dataSchema: { dataSource } }: ChunkRevision): Promise<boolean> {
    const { druid, signal, queryableTimeoutMs, pollIntervalMs } = this.#options;
    const interval = formatInterval(chunk);
    // Makes the Coordinator read what was just published. Nothing in use: it has been dropped since.
    const status = await this.#call('the load status', () =>
      druid.datasources.loadStatus(dataSource, { interval, forceMetadataRefresh: true, signal }),
    );
    if (status === undefined) return false;
    await this.#call('when segments are loaded', async () => {
      try {
        const timeoutMs = queryableTimeoutMs;
        await druid.datasources.waitUntilQueryable(dataSource, {
          interval,
          timeoutMs,
          pollIntervalMs,
          signal,
        });
      } catch (cause) {
        if (!DruidTimeoutError.is(cause)) throw cause;
        throw new DruidSinkTimeoutError(
          `The chunk ${interval} of '${dataSource}' is published, but not queryable after ${queryableTimeoutMs} ms. Check that ` +
            `Historicals have room and that no load rule drops this time range, or set waitUntil: 'published'. ${cause.message}`,
          { details: { dataSource, interval, waitedMs: queryableTimeoutMs }, cause, retryable: true },
        );
      }
    });
    return true;
  }

  /** Whether the chunk has the revision's rows and no others. */
  async agree(
    revision: ChunkRevision,
  ): Promise<{ readonly agrees: boolean; readonly found: number | undefined }> {
    if (!isInSql(revision)) return { agrees: true, found: undefined };
    for (let look = 1; ; look++) {
      const found = await this.#count(revision);
      const agrees =
        found === revision.rows || (isMerged(revision) && found !== undefined && found <= revision.rows);
      if (agrees || look === LOOKS) return { agrees, found };
      await sleep(this.#options.clock, this.#options.pollIntervalMs, this.#options.signal);
    }
  }

  /** `undefined` while SQL does not know the table or the column. */
  #count(revision: ChunkRevision): Promise<number | undefined> {
    const { druid, signal } = this.#options;
    const { dataSource } = revision.dataSchema;
    const metric = countMetric(revision);
    const rows = metric === undefined ? 'COUNT(*)' : `SUM(${quote(metric)})`;
    const { start, end } = revision.chunk;
    const sql = `SELECT ${rows} FROM ${quote(dataSource)} WHERE "__time" >= ${timestamp(start)} AND "__time" < ${timestamp(end)}`;
    const noCache = { useCache: false, populateCache: false, useResultLevelCache: false };
    const context = { ...noCache, populateResultLevelCache: false };
    return this.#call('a row count', async () => {
      try {
        const answer = await druid.sql.query(sql, { rowFormat: 'array', context, signal });
        return Number(answer[0]?.[0] ?? 0); // SUM of no rows is null
      } catch (error) {
        if (DruidRemoteError.is(error) && error.details.status === 400) return undefined;
        throw error;
      }
    });
  }

  #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    return callDruid(this.#options, what, call);
  }
}

/** With roll-up rows merge: then a count metric tells how many there were. */
function countMetric({ dataSchema }: ChunkRevision): string | undefined {
  if (!dataSchema.granularitySpec.rollup) return undefined;
  return dataSchema.metricsSpec.find(({ type }) => type === 'count')?.name;
}

function isMerged(revision: ChunkRevision): boolean {
  return revision.dataSchema.granularitySpec.rollup && countMetric(revision) === undefined;
}

/** Beyond these years SQL literals do not have the form that compares. */
function isInSql({ chunk }: ChunkRevision): boolean {
  return chunk.start >= Date.UTC(1000, 0) && chunk.end <= Date.UTC(9999, 0);
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

function timestamp(ms: number): string {
  return `TIMESTAMP '${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}'`;
}
