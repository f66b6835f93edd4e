import { inspect } from 'node:util';
import { DruidSinkError } from '@millrace/connector-sink';
import { DruidSourceError } from '@millrace/connector-source';
import { JobCancelledError, OperatorError, StreamError } from '@millrace/core-stream';
import { DruidError } from '@millrace/druid-client';
import { RealServerError } from '@millrace/testkit';

/** Something that the person who started the demo can put right. The message says what is wrong and the next step. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

/** The person who started the demo has stopped it. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`Interrupted by ${signal}.`);
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/** What the disk's own errors ask for. */
const DISK: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full. Free some space, or choose a --data-dir on another disk.',
  EDQUOT: 'The disk quota is used up. Free some space, or choose a --data-dir on another disk.',
  EFBIG: 'A file is larger than this process may write. Raise the limit (ulimit -f), or run fewer --rows.',
  EACCES: 'This process may not write there. Change the permissions, or choose another --data-dir.',
  EPERM: 'This process may not write there. Change the permissions, or choose another --data-dir.',
  EROFS: 'That disk is read-only. Choose another --data-dir.',
  EEXIST: 'There is a file at that path. Choose another --data-dir.',
  ENOTDIR: 'A part of that path is a file. Choose another --data-dir.',
  EMFILE: 'Too many files are open. Raise the limit (ulimit -n).',
};

/** One message for a person: what failed, and the next step. Never a stack trace. */
export function describeFailure(error: unknown): string {
  const chain = [...causesOf(error)];
  // What an operator threw says more than that it threw; our own messages name the next step.
  const telling = chain.filter(isOurs).find((cause) => !(cause instanceof OperatorError));
  const disk = chain
    .map((cause) => DISK[(cause as NodeJS.ErrnoException | undefined)?.code ?? ''])
    .find(Boolean);
  if (telling !== undefined) return [telling.message, disk].filter(Boolean).join('\n');
  const message = chain[0] instanceof Error ? chain[0].message : String(chain[0]);
  if (disk !== undefined) return `${message}\n${disk}`;
  if (chain[0] instanceof OperatorError) return message;
  return `Unexpected: ${message}\nThis looks like a bug: please report it with what --verbose shows.`;
}

/** The error with its stack, its details and its causes, for `--verbose`. */
export function inspectFailure(error: unknown): string {
  return inspect(error, { depth: 5, colors: false });
}

/** Whether this is, or was caused by, the person's own wish to stop. */
export function interruptionIn(error: unknown): InterruptedError | undefined {
  return [...causesOf(error)].find((cause) => cause instanceof InterruptedError);
}

function* causesOf(error: unknown): Iterable<unknown> {
  for (let cause = error, depth = 0; cause !== undefined && depth < 10; depth++) {
    yield cause;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
}

function isOurs(error: unknown): error is Error {
  return (
    error instanceof DemoError ||
    (error instanceof StreamError && !(error instanceof JobCancelledError)) ||
    [DruidSinkError, DruidSourceError, DruidError, RealServerError].some((kind) => kind.is(error))
  );
}
