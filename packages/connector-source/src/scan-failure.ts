import { DruidDecodeError, DruidError, type DruidRemoteError } from '@millrace/druid-client';
import type { FailureReason, ScanEnd } from './completeness.js';
import type { DruidSplit } from './druid-split.js';
import {
  DruidSourceError,
  DruidSourceIncompleteError,
  DruidSourceReadError,
  DruidSourceRecordError,
  DruidSourceSegmentGoneError,
} from './errors.js';

const retryableCodes: ReadonlySet<string> = new Set([
  'DRUID_CONNECTION',
  'DRUID_DECODE', // malformed in transit
  'DRUID_THROTTLED',
  'DRUID_TIMEOUT',
  'DRUID_TRUNCATED',
]);

/** What Druid refuses as wrong it will refuse again; what broke may heal. */
export function endOf(error: unknown): ScanEnd {
  if (!DruidError.is(error)) return 'refused';
  if (isUnreachable(error)) return 'unreachable';
  if (error.retryable || retryableCodes.has(error.code)) return 'broken';
  if (error.code !== 'DRUID_REMOTE') return 'refused';
  const { status } = error.details as { readonly status: number };
  return status >= 500 ? 'broken' : 'refused';
}

/** No connection: ours to a server, or that of a Broker, which tells it by the class of its error (seen on 27 and 33). */
function isUnreachable(error: DruidError): boolean {
  if (error.code !== 'DRUID_REMOTE') return error.code === 'DRUID_CONNECTION';
  return (error as DruidRemoteError).details.druid.errorClass?.endsWith('.ChannelException') === true;
}

/** A value that the client cannot hand out exactly: reading again will not change it. */
export function rethrowUnreadableValue(error: unknown, split: DruidSplit, delivered: number): void {
  if (DruidSourceError.is(error)) throw error;
  if (!DruidDecodeError.is(error) || error.details.column === undefined) return;
  const { column, value } = error.details;
  throw new DruidSourceRecordError(
    `Segment '${split.splitId}' holds a value of column '${column}' that cannot be read exactly (after row ${delivered}): ${error.message}`,
    { details: { segment: split.splitId, column, value }, cause: error },
  );
}

/** The error for a split that is given up. */
export function scanFailure(
  reason: FailureReason,
  split: DruidSplit,
  facts: { readonly expected: number; readonly delivered: number; readonly cause?: unknown },
): DruidSourceError {
  const { expected, delivered, cause } = facts;
  const details = { segment: split.splitId, reason, expected, delivered };
  const options = { details, cause };
  const head = `Segment '${split.splitId}' was not read completely (${delivered} of ${expected || 'an unknown number of'} rows)`;
  switch (reason) {
    case 'gone':
      return new DruidSourceSegmentGoneError(
        `${head}: it was dropped or replaced, and no server holds it any more. Start the job without this checkpoint ` +
          `to read what the datasource holds now, or mark the segment as used again and restore.`,
        options,
      );
    case 'unavailable':
      return new DruidSourceIncompleteError(
        `${head}: it is published, but no Historical serves it. Check the load rules and the load queue of its tier, ` +
          `raise 'availabilityTimeoutMs', or exclude it by 'interval'.`,
        options,
      );
    case 'surplus':
      return new DruidSourceIncompleteError(
        `Segment '${split.splitId}' holds ${expected} rows but yields ${delivered}: the rows cannot be told apart from ` +
          `repetitions. Compare a count of it on each replica.`,
        options,
      );
    case 'contradiction':
      return new DruidSourceIncompleteError(
        `Segment '${split.splitId}' held ${expected} rows when it was pinned but ${delivered} when counted. ` +
          `Compare its replicas; a restart from the last checkpoint asks again.`,
        options,
      );
    case 'shortfall':
      return new DruidSourceIncompleteError(
        `${head}: Druid answers without an error and leaves rows out. Check that the Broker sees every Historical ` +
          `(sys.servers), then restart from the last checkpoint.`,
        options,
      );
    case 'refused':
    case 'broken':
      return new DruidSourceReadError(`${head}: ${cause instanceof Error ? cause.message : String(cause)}`, {
        ...options,
        retryable: reason === 'broken',
      });
  }
}
