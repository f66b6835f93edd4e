import type { CommitFailure } from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import { MAX_REJECTED_ROWS } from './rejected-rows.js';
import { DruidSinkCheckpointError, DruidSinkTaskError, type DruidSinkError } from '../errors.js';

export interface CommitFailureFacts {
  readonly taskId: string;
  readonly committable: SpoolCommittable;
  readonly attempts: number;
  /** What Druid said about the task. */
  readonly taskError: string | undefined;
  readonly cause: unknown;
}

/** The error for a commit that ended without success. */
export function commitFailure(failure: CommitFailure, facts: CommitFailureFacts): DruidSinkError {
  const { taskId, committable, attempts, cause } = facts;
  const { dataSource } = committable.dataSchema;
  const taskError = facts.taskError ?? 'no reason given';
  const said = cause instanceof Error ? ` ${cause.message}` : '';
  const init = {
    details: { failure, taskId, dataSource, file: committable.file, rows: committable.rows },
    cause,
  };
  switch (failure) {
    case 'refused':
      return new DruidSinkTaskError(
        `Druid refused ingestion task '${taskId}' for '${dataSource}'.${said} Correct the schema or the options it names.`,
        init,
      );
    case 'not-accepted':
      return new DruidSinkTaskError(
        `Druid has not accepted ingestion task '${taskId}' for '${dataSource}', though it was posted several times.${said} ` +
          `Check the Overlord; the job continues from its last checkpoint.`,
        { ...init, retryable: true },
      );
    case 'rows-rejected':
      return new DruidSinkTaskError(
        `Druid cannot read a row of '${committable.file}' for '${dataSource}' (task '${taskId}'): ${taskError}. Correct it ` +
          `upstream, or set 'onRejectedRow' or 'deadLetters' to have up to ${MAX_REJECTED_ROWS} such rows of a file left out and handed on.`,
        init,
      );
    case 'attempts-exhausted':
      return new DruidSinkTaskError(
        `All attempts to append '${committable.file}' to '${dataSource}' failed; the last one, '${taskId}', with: ${taskError}. ` +
          `See its log in Druid. The rows are safe in the spool directory; the job continues from its last checkpoint.`,
        { ...init, details: { ...init.details, attempts }, retryable: true },
      );
    case 'unprovable':
      return new DruidSinkCheckpointError(
        `Ingestion task '${taskId}' failed (${taskError}), and without a commit id column nobody can tell whether its ` +
          `${committable.rows} rows were published. Look in '${dataSource}': if they are there, delete the file ` +
          `'${committable.file}' and start from a later checkpoint. Leave 'commitIdColumn' on to have this decided for you.`,
        init,
      );
    case 'rows-differ':
      return new DruidSinkCheckpointError(
        `Ingestion task '${taskId}' succeeded, but not with the ${committable.rows} rows of '${committable.file}': ${taskError}. ` +
          `'${dataSource}' now holds a part of them. Remove what this task published before you start again; a proxy that ` +
          `shortens answers on the way from this process to Druid is a known reason.`,
        init,
      );
    case 'torn':
      return new DruidSinkCheckpointError(
        `'${dataSource}' holds neither none nor all of the ${committable.rows} rows of '${committable.file}' ` +
          `(${String(committable.commitIdColumn)} = '${String(committable.commitId)}', task '${taskId}'). Something else has ` +
          `removed or repeated rows with this commit id. Find out what, and delete those rows or the file.`,
        init,
      );
  }
}
