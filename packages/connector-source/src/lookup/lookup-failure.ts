import { DruidDecodeError } from '@millrace/druid-client';
import { DruidSourceReadError, DruidSourceRecordError, type DruidSourceError } from '../errors.js';
import { endOf } from '../scan-failure.js';

/** The error for a question to Druid that brought no answer; druid-client has repeated it as often as it may. */
export function lookupFailure(what: string, cause: unknown): DruidSourceError {
  const message = `${what} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
  if (DruidDecodeError.is(cause) && cause.details.column !== undefined) {
    const { column, value } = cause.details;
    return new DruidSourceRecordError(message, { details: { column, value }, cause });
  }
  return new DruidSourceReadError(message, { cause, retryable: endOf(cause) === 'broken' });
}
