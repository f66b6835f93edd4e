import { CheckpointError, StreamError, type StreamErrorDetails } from '../errors.js';

/** What to do about a failure of the store; each says the next step. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: make room',
  EDQUOT: 'The quota is used up: make room',
  EACCES: 'Check that this user may read and write there',
  EPERM: 'Check that this user may read and write there, and that the file system has hard links',
  ENOTSUP: 'Check that the file system has hard links, or choose another one',
  EROFS: 'The file system is read-only: choose another directory, or mount it anew',
  EIO: 'The disk does not work: check it, and its file system',
  EMFILE: 'This process has too many files open: raise its limit (ulimit -n)',
  ENFILE: 'This machine has too many files open: raise its limit',
  ENOENT: 'Something has removed it, or a part of it: put it back',
  ENOTDIR: 'Something in this path is no directory: choose another one',
  ESTALE: 'The server of this file system has lost it: mount it anew',
};

/** Nothing changes until somebody does something: such a failure is not worth another try. */
const LASTING: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'ENOTSUP',
  'EROFS',
  'ENOENT',
  'ENOTDIR',
  'ESTALE',
]);

/** Where rows cannot be had any more. */
export const SEGMENT_LOST =
  'Restore the object from a copy, or start from an older checkpoint that does not refer to it: ' +
  'manifests list their segments, the option restoreFrom chooses a checkpoint.';

/** An error of this package stays what it is; anything else becomes one that says where it happened and what to do. */
export function storageFailure(
  what: string,
  location: string,
  error: unknown,
  details: StreamErrorDetails = {},
): StreamError {
  if (StreamError.is(error)) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const step =
    code === undefined
      ? 'The job can'
      : `${NEXT_STEPS[code] ?? 'Check that it can be read and written'}; the job can then`;
  const why = messageOf(error).replace(/\.$/, '');
  return new CheckpointError(`${what}: ${why}. ${step} be started again from its newest checkpoint.`, {
    cause: error,
    retryable: !(LASTING.has(code ?? '') || error instanceof SyntaxError), // damaged JSON stays damaged
    details: { ...details, location },
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
