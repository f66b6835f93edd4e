import { formatInterval } from '../commit/ingestion-spec.js';
import { DruidSinkCheckpointError, DruidSinkTaskError, type DruidSinkError } from '../errors.js';
import type { ChunkRevision } from './chunk-committable.js';
import type { ReplaceFailure } from './replace-protocol.js';

export interface ReplaceFailureFacts {
  readonly taskId: string;
  readonly revision: ChunkRevision;
  readonly attempt: number;
  /** What Druid said about the last attempt, or what was seen. */
  readonly reason: string;
  readonly cause: unknown;
}

/** The error for a revision that did not get into Druid. */
export function replaceFailure(failure: ReplaceFailure, facts: ReplaceFailureFacts): DruidSinkError {
  const { taskId, revision, attempt, reason, cause } = facts;
  const { dataSource } = revision.dataSchema;
  const chunk = formatInterval(revision.chunk);
  const said = cause instanceof Error ? ` ${cause.message}` : '';
  const init = { details: { failure, taskId, dataSource, chunk, rows: revision.rows, attempt }, cause };
  switch (failure) {
    case 'refused':
      return new DruidSinkTaskError(
        `Druid refused task '${taskId}', which replaces ${chunk} of '${dataSource}'.${said} Correct the schema or the options it names.`,
        init,
      );
    case 'not-accepted':
      return new DruidSinkTaskError(
        `Druid has not accepted task '${taskId}', which replaces ${chunk} of '${dataSource}', though it was posted several times.${said} ` +
          `Check the Overlord; the job continues from its last checkpoint.`,
        { ...init, retryable: true },
      );
    case 'attempts-exhausted':
      return new DruidSinkTaskError(
        `All attempts to replace ${chunk} of '${dataSource}' failed; the last one with: ${reason}. See the log of the task before ` +
          `'${taskId}' in Druid. The rows are safe in the spool directory; the job continues from its last checkpoint.`,
        { ...init, retryable: true },
      );
    case 'other-rows':
      return new DruidSinkCheckpointError(
        `Task '${taskId}' has replaced ${chunk} of '${dataSource}' by ${revision.rows} rows, but ${reason} there. Something else ` +
          `writes into this chunk: in mode 'replace' it belongs to this sink alone.`,
        init,
      );
  }
}
