/** Every code that an error of this package can carry. */
export type StreamErrorCode =
  | 'MILLRACE_CONFIG'
  | 'MILLRACE_RECORD'
  | 'MILLRACE_OPERATOR'
  | 'MILLRACE_CHECKPOINT'
  | 'MILLRACE_CANCELLED'
  | 'MILLRACE_INVARIANT';

/** Facts about a failure, for logs and programs. Never credentials. */
export type StreamErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/** What an error carries besides its message. */
export interface StreamErrorOptions {
  readonly cause?: unknown;
  readonly details?: StreamErrorDetails;
}

/** Base of every error that this package throws. The message says what failed, the value seen, and the next step. */
export abstract class StreamError extends Error {
  abstract readonly code: StreamErrorCode;
  /** Whether running the same thing again can succeed. */
  abstract readonly retryable: boolean;
  readonly details: StreamErrorDetails;

  constructor(message: string, options: StreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
  }

  static is(error: unknown): error is StreamError {
    return error instanceof StreamError;
  }
}

/** The program or its configuration is wrong; nothing has been processed. */
export class StreamConfigError extends StreamError {
  override readonly code = 'MILLRACE_CONFIG';
  override readonly retryable = false;
}

/** A record cannot be processed, for example because it has no timestamp. */
export class StreamRecordError extends StreamError {
  override readonly code = 'MILLRACE_RECORD';
  override readonly retryable = false;
}

/** An operator, source or sink failed; `cause` is what it threw, `details` say which operator and subtask. */
export class OperatorError extends StreamError {
  override readonly code = 'MILLRACE_OPERATOR';
  /** As its cause says by a `retryable` of its own, whoever's error that is; else running again is worth a try. */
  override readonly retryable: boolean;

  constructor(message: string, options: StreamErrorOptions = {}) {
    super(message, options);
    this.retryable = isRetryable(options.cause);
  }
}

/** Whether running the same thing again can succeed. Errors of connectors say so as those of this package do. */
export function isRetryable(error: unknown): boolean {
  const retryable = error instanceof Error && 'retryable' in error ? error.retryable : undefined;
  return retryable !== false;
}

/** A checkpoint cannot be written, read or trusted. */
export class CheckpointError extends StreamError {
  override readonly code = 'MILLRACE_CHECKPOINT';
  /** Not unless told: what cannot be trusted now cannot be trusted later. */
  override readonly retryable: boolean;

  constructor(message: string, options: StreamErrorOptions & { readonly retryable?: boolean } = {}) {
    super(message, options);
    this.retryable = options.retryable ?? false;
  }
}

/** The job was cancelled by its owner. */
export class JobCancelledError extends StreamError {
  override readonly code = 'MILLRACE_CANCELLED';
  override readonly retryable = true;
}

/** A bug in Millrace: an invariant does not hold. `details.invariant` is its number. */
export class InvariantError extends StreamError {
  override readonly code = 'MILLRACE_INVARIANT';
  override readonly retryable = false;
}
