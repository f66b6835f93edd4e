/** What went wrong, for code that decides; the message says it for people. */
export type FaultProxyErrorCode = 'bad-upstream' | 'bad-fault' | 'port-taken' | 'stopped';

/** Facts about the failure; which of them are there depends on the code. */
export interface FaultProxyErrorDetails {
  readonly upstream?: string;
  readonly port?: number;
  readonly fault?: string;
}

/**
 * A {@link FaultProxy} could not be started, or was scripted with something that can never happen.
 *
 * `retryable` is true where the same call may succeed later with nothing changed (`port-taken`).
 */
export class FaultProxyError extends Error {
  override readonly name = 'FaultProxyError';
  readonly code: FaultProxyErrorCode;
  readonly retryable: boolean;
  readonly details: FaultProxyErrorDetails;

  constructor(
    code: FaultProxyErrorCode,
    message: string,
    options: { cause?: unknown; details?: FaultProxyErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = code === 'port-taken';
    this.details = options.details ?? {};
  }

  /** True for an error of this class, also when it comes from another copy of the package. */
  static is(error: unknown): error is FaultProxyError {
    return error instanceof Error && error.name === 'FaultProxyError' && 'code' in error;
  }
}
