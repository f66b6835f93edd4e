/**
 * The error hierarchy of the sink. The class says who has to act, `retryable` whether running the same thing again can
 * succeed, `details` what a program needs to decide. Errors of the Druid client appear as `cause`.
 *
 * Invariant 1: no message, detail or cause holds a credential; the client's errors are already free of them.
 */

/** The closed set of codes, one per class. */
export type DruidSinkErrorCode =
  | 'DRUID_SINK_CONFIG'
  | 'DRUID_SINK_RECORD'
  | 'DRUID_SINK_SPOOL'
  | 'DRUID_SINK_CONNECTION'
  | 'DRUID_SINK_TIMEOUT'
  | 'DRUID_SINK_TASK'
  | 'DRUID_SINK_CHECKPOINT'
  | 'DRUID_SINK_INVARIANT';

export type DruidSinkErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

export interface DruidSinkErrorInit {
  readonly details?: DruidSinkErrorDetails;
  readonly cause?: unknown;
  readonly retryable?: boolean;
}

// A registered symbol rather than `instanceof`: two copies of this package in one program still recognise each other.
const brand = Symbol.for('@millrace/connector-sink/error');

/** Base of every error of this package. */
export abstract class DruidSinkError extends Error {
  abstract readonly code: DruidSinkErrorCode;
  /** Whether the same job, started again, can get past this. */
  readonly retryable: boolean;
  readonly details: DruidSinkErrorDetails;

  constructor(message: string, init: DruidSinkErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.retryable = init.retryable ?? false;
    this.details = init.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `error` was raised by this package (any copy of it). */
  static is(error: unknown): error is DruidSinkError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** The sink's options or its schema can never work, alone or with the datasource that exists. */
export class DruidSinkConfigError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_CONFIG';
}

/** A record that its columns cannot hold exactly. `details.column` and `details.reason` say why. */
export class DruidSinkRecordError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_RECORD';
}

/** The spool directory cannot be written or read. */
export class DruidSinkSpoolError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_SPOOL';
}

/** Druid did not answer, or refused who we are, for longer than the sink waits. */
export class DruidSinkConnectionError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_CONNECTION';
}

/** Druid answers, but what was waited for did not happen in time. */
export class DruidSinkTimeoutError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_TIMEOUT';
}

/** Druid refused an ingestion task, or every attempt of it failed. */
export class DruidSinkTaskError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_TASK';
}

/** What the checkpoint says and what disk or Druid hold do not agree: stop, a person has to look. */
export class DruidSinkCheckpointError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_CHECKPOINT';
}

/** A bug in this package: an invariant does not hold. `details.invariant` is its number. */
export class DruidSinkInvariantError extends DruidSinkError {
  override readonly code = 'DRUID_SINK_INVARIANT';
}
