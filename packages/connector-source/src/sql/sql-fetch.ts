/**
 * Runs the statement of one split until its rows are here, repeating what breaks.
 *
 * Invariant 1 (`any`): rows of a run are handed on only when that run is complete; a repetition starts from nothing.
 * Invariant 2 (`total`): a repetition, in this run or after a restore, must begin with exactly the rows that were handed on
 *   before, which their digest tells. Then it goes on with the next row; otherwise reading fails.
 */
import type { Hash } from 'node:crypto';
import { sleep, type Clock, type Logger } from '@millrace/core-stream';
import { DruidDecodeError, type DruidClient } from '@millrace/druid-client';
import { backOffMs } from '../completeness.js';
import {
  DruidSourceError,
  DruidSourceReadError,
  DruidSourceRecordError,
  DruidSourceReplacedError,
} from '../errors.js';
import { endOf } from '../scan-failure.js';
import { addToDigest, digestSoFar, newDigest } from './row-text.js';
import type { SqlCall, SqlRows } from './sql-rows.js';
import type { HeldRow, SqlSplit } from './sql-split.js';

export interface SqlTools {
  readonly druid: DruidClient;
  readonly rows: SqlRows;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface FetchLimits {
  readonly maxAttempts: number;
  readonly maxRows: number;
  /** What to do about a result with more rows. */
  readonly advice: string;
}

/** All rows of one complete run. @throws DruidSourceReadError */
export async function fetchAll(
  name: string,
  call: SqlCall,
  { maxAttempts, maxRows, advice }: FetchLimits,
  tools: SqlTools,
): Promise<HeldRow[]> {
  for (let attempt = 1; ; attempt++) {
    const all: HeldRow[] = []; // invariant 1
    try {
      for await (const batch of tools.rows.read(tools.druid, call, tools.signal)) {
        for (const row of batch) all.push(row);
        if (all.length > maxRows) throw tooManyRows(name, maxRows, advice);
      }
      return all;
    } catch (error) {
      await pauseAfter(error, name, attempt, maxAttempts, tools);
    }
  }
}

/** Rows that follow each other, and the digest of all rows before them. */
export interface OrderedRows {
  readonly rows: readonly HeldRow[];
  readonly before: Hash;
}

/** The rows from the split's position on, as they arrive. @throws DruidSourceReadError, DruidSourceReplacedError */
export async function* fetchInOrder(
  split: SqlSplit,
  call: SqlCall,
  maxAttempts: number,
  tools: SqlTools,
): AsyncGenerator<OrderedRows, void, undefined> {
  let delivered = split.position;
  let deliveredDigest = split.digest;
  for (let attempt = 1; ; attempt++) {
    const skip = delivered;
    const digest = newDigest();
    let seen = 0;
    try {
      for await (const batch of tools.rows.read(tools.druid, call, tools.signal)) {
        const repeated = batch.slice(0, Math.max(0, skip - seen));
        addToDigest(digest, repeated);
        seen += repeated.length;
        if (repeated.length > 0 && seen === skip) requireSameRows(split, skip, digest, deliveredDigest); // invariant 2
        const rows = repeated.length === 0 ? batch : batch.slice(repeated.length);
        if (rows.length === 0) continue;
        const before = digest.copy();
        addToDigest(digest, rows);
        seen += rows.length;
        delivered = seen;
        deliveredDigest = digestSoFar(digest);
        attempt = 1;
        yield { rows, before };
      }
      if (seen < skip) throw changedResult(split, skip); // invariant 2
      return;
    } catch (error) {
      await pauseAfter(error, split.splitId, attempt, maxAttempts, tools);
    }
  }
}

/** Returns when it is time for another attempt. @throws what `error` becomes if there is none */
export async function pauseAfter(
  error: unknown,
  name: string,
  attempt: number,
  maxAttempts: number,
  { rows, clock, logger, signal }: SqlTools,
): Promise<void> {
  signal.throwIfAborted();
  if (DruidSourceError.is(error)) throw error;
  const cause = error instanceof Error ? error.message : String(error);
  if (DruidDecodeError.is(error) && error.details.column !== undefined) {
    const { column, value } = error.details;
    throw new DruidSourceRecordError(`The result of '${name}' does not fit: ${cause}`, {
      details: { split: name, column, value },
      cause: error,
    });
  }
  const isRefused = endOf(error) === 'refused';
  if (isRefused || attempt >= maxAttempts) {
    throw new DruidSourceReadError(
      isRefused
        ? `Druid refuses the statement of '${name}': ${cause}`
        : `The statement of '${name}' failed ${attempt} times in a row: ${cause}`,
      { details: { split: name, attempts: attempt }, cause: error, retryable: !isRefused },
    );
  }
  rows.countRetry();
  const delayMs = backOffMs(attempt);
  logger.warn('Druid SQL result not read completely, trying again', { split: name, attempt, delayMs, cause });
  await sleep(clock, delayMs, signal);
}

function requireSameRows(split: SqlSplit, count: number, digest: Hash, expected: string | null): void {
  if (digestSoFar(digest) !== expected) throw changedResult(split, count);
}

function changedResult(split: SqlSplit, count: number): DruidSourceReplacedError {
  return new DruidSourceReplacedError(
    `The statement of '${split.splitId}', run again, does not begin with the ${count} rows that it gave before: the data ` +
      `has changed, or its ORDER BY leaves ties. Start without this checkpoint, order by enough columns to leave no ties, ` +
      `or use order: 'any', which does not depend on it.`,
    { details: { split: split.splitId, rows: count } },
  );
}

function tooManyRows(name: string, maxRows: number, advice: string): DruidSourceReadError {
  return new DruidSourceReadError(
    `The result of '${name}' has more than ${maxRows} rows, which is all that is held in memory. ${advice}`,
    { details: { split: name, maxRows }, retryable: false },
  );
}
