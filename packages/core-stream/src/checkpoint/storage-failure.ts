import { CheckpointError, type StreamErrorDetails } from '../errors.js';

/** What to do about a failure of the store; each says the next step. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: make room',
  EDQUOT: 'The quota is used up: make room',
  EACCES: 'Check that this user may read and write there',
  EPERM: 'Check that this user may read and write there, and that the file system has hard links',
  EROFS: 'The file system is read-only: choose another directory, or mount it anew',
  ENOENT: 'Something has removed it, or a part of it: put it back',
};

/** A `CheckpointError` stays what it is; anything else becomes one that says where it happened and what to do. */
export function storageFailure(
  what: string,
  location: string,
  error: unknown,
  details: StreamErrorDetails = {},
): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const step = NEXT_STEPS[code ?? ''] ?? 'Check that the directory is writable and the disk has space';
  return new CheckpointError(
    `${what}: ${messageOf(error)}. ${step}; the job can then be started again from its newest checkpoint.`,
    { cause: error, details: { ...details, location } },
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
