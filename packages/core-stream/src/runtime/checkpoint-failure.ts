/** What is said about checkpoints that fail. */
import { CheckpointError } from '../errors.js';
import { messageOf } from './describe-value.js';

/** `missing` are the tasks that have not given their part; none where it is being written. */
export function tookTooLong(
  checkpointId: number,
  timeoutMs: number,
  missing: readonly string[],
  location: string | undefined,
): CheckpointError {
  const where =
    missing.length === 0
      ? `${location} has not taken it yet.`
      : `its barriers have not come through the tasks ${missing.join(', ')}.`;
  return new CheckpointError(
    `Checkpoint ${checkpointId} was not complete within ${timeoutMs} ms: ${where} ` +
      'Find what is slow, let barriers overtake (alignedTimeoutMs), or allow more time (timeoutMs).',
    { retryable: true, details: { checkpointId } },
  );
}

/** The place of a savepoint. */
export function savedTooSlowly(timeoutMs: number): CheckpointError {
  const message = `it was not written within ${timeoutMs} ms. Allow more time (timeoutMs).`;
  return new CheckpointError(message, { retryable: true });
}

/** Why the job fails. What a task threw is told as it is; a job that starts again may have more luck with the rest. */
export function tooManyFailures(checkpointId: number, tolerable: number, cause: unknown): CheckpointError {
  const inARow = tolerable === 0 ? '' : ` ${tolerable + 1} checkpoints in a row have failed.`;
  return new CheckpointError(`${messageOf(cause)}${inARow}`, {
    cause,
    retryable: true,
    details: { checkpointId },
  });
}

/** Another process has taken the storage, and runs the job: this one must end, whatever is tolerable. */
export function isFencedOff(error: unknown): boolean {
  return error instanceof CheckpointError && error.details['newerOwner'] !== undefined;
}
