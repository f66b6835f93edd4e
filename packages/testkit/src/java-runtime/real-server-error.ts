/** What went wrong, for code that decides; the message says it for people. */
export type RealServerErrorCode =
  | 'invalid-options'
  | 'tool-missing'
  | 'jars-not-fetched'
  | 'launcher-not-compiled'
  | 'data-dir-in-use'
  | 'server-died'
  | 'start-timeout'
  | 'aborted';

/** Facts about the failure; which of them are there depends on the code. */
export interface RealServerErrorDetails {
  readonly option?: string;
  readonly tool?: string;
  readonly logFile?: string;
  readonly exitCode?: number | null;
  readonly timeoutMs?: number;
  readonly dataDir?: string;
  readonly pid?: number;
}

/**
 * A real server could not be fetched, started or kept running.
 *
 * The message holds what failed, the last relevant lines of the log where there is one, and the next step.
 * `retryable` is true where the same call may succeed later with nothing changed, such as after a time-out.
 */
export class RealServerError extends Error {
  override readonly name = 'RealServerError';
  readonly code: RealServerErrorCode;
  readonly retryable: boolean;
  readonly details: RealServerErrorDetails;

  constructor(
    code: RealServerErrorCode,
    message: string,
    options: { cause?: unknown; details?: RealServerErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = code === 'start-timeout' || code === 'jars-not-fetched';
    this.details = options.details ?? {};
  }

  /** True for an error of this class, also when it comes from another copy of the package. */
  static is(error: unknown): error is RealServerError {
    return error instanceof Error && error.name === 'RealServerError' && 'code' in error;
  }
}

/** @throws RealServerError `aborted` when the signal has been aborted. */
export const throwIfAborted = (signal: AbortSignal | undefined, doing: string): void => {
  if (!signal?.aborted) return;
  throw new RealServerError('aborted', `${doing} was aborted by the caller's signal`, {
    cause: signal.reason,
  });
};
