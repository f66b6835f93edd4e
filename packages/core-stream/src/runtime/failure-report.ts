import { isRetryable, OperatorError, StreamError, type StreamErrorCode } from '../errors.js';
import type { Describer } from './describe-value.js';

/** Causes of a cause: an endless chain of them must not make an endless report. */
const MAX_CAUSES = 10;

/** One failure of a job, as plain data. Records and messages are in it as `describeRecord` and `describeError` give them. */
export interface FailureReport {
  /** Epoch milliseconds of the engine's clock. */
  readonly at: number;
  /** Which start of the job failed; 1 is the first. */
  readonly attempt: number;
  readonly message: string;
  /** `undefined` for an error that is none of this package's. */
  readonly code: StreamErrorCode | undefined;
  /** Whether running the same thing again can succeed. Where it cannot, the job is not restarted. */
  readonly retryable: boolean;
  /** Who failed; `undefined` where it was the job as a whole. */
  readonly operator: string | undefined;
  readonly subtask: number | undefined;
  /** What it was doing, without the record: `processing the record`. */
  readonly doing: string | undefined;
  readonly record: string | undefined;
  /** What was thrown first comes last: `TypeError: no such property`. Ten at most. */
  readonly causes: readonly string[];
  /** The wait before the restart, in milliseconds; `undefined` where the job gives up. */
  readonly restartAfterMs: number | undefined;
}

/** Says what a person wants to know of a failure. */
export function reportFailure(
  error: unknown,
  describer: Describer,
  facts: Pick<FailureReport, 'at' | 'attempt' | 'restartAfterMs'>,
): FailureReport {
  const { operator, subtask, doing, record } = error instanceof OperatorError ? error.details : {};
  return {
    ...facts,
    message: describer.describeError(error),
    code: StreamError.is(error) ? error.code : undefined,
    retryable: isRetryable(error),
    operator: textOf(operator),
    subtask: typeof subtask === 'number' ? subtask : undefined,
    doing: textOf(doing),
    record: textOf(record),
    causes: causesOf(error).map((cause) => `${nameOf(cause)}: ${describer.describeError(cause)}`),
  };
}

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  let next = error;
  while (next instanceof Error && next.cause !== undefined && causes.length < MAX_CAUSES) {
    next = next.cause;
    causes.push(next);
  }
  return causes;
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : typeof thrown;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
