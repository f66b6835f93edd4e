/** Every code that an error of this package can carry. */
export type DruidSourceErrorCode =
  | 'DRUID_SOURCE_CONFIG'
  | 'DRUID_SOURCE_SCHEMA'
  | 'DRUID_SOURCE_RECORD'
  | 'DRUID_SOURCE_READ'
  | 'DRUID_SOURCE_INCOMPLETE'
  | 'DRUID_SOURCE_SEGMENT_GONE'
  | 'DRUID_SOURCE_REPLACED';

/** Facts about a failure. Never credentials, and of a row only the offending value, shortened. */
export type DruidSourceErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

interface DruidSourceErrorOptions {
  readonly details?: DruidSourceErrorDetails;
  readonly cause?: unknown;
}

// A registered symbol rather than `instanceof`: two copies of this package in one program still recognise each other.
const brand = Symbol.for('@millrace/connector-source/error');

/** Base of every error of this package. The message says what failed, the value seen, and the next step. */
export abstract class DruidSourceError extends Error {
  abstract readonly code: DruidSourceErrorCode;
  /** Whether running the same job again, unchanged, can succeed. */
  abstract readonly retryable: boolean;
  readonly details: DruidSourceErrorDetails;

  constructor(message: string, options: DruidSourceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `error` was raised by this package (any copy of it). */
  static is(error: unknown): error is DruidSourceError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** The options, or options together with a restored checkpoint, can never work. Nothing has been read. */
export class DruidSourceConfigError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_CONFIG';
  override readonly retryable = false;
}

/** The datasource does not exist, lacks a column, or has it with another type. Nothing has been read. */
export class DruidSourceSchemaError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_SCHEMA';
  override readonly retryable = false;
}

/** A row does not fit the declared columns or the zod schema; `details` name segment, position and column. */
export class DruidSourceRecordError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_RECORD';
  override readonly retryable = false;
}

/** Druid refused a read or kept failing it; `cause` is the client's error. */
export class DruidSourceReadError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_READ';
  override readonly retryable: boolean;

  constructor(message: string, options: DruidSourceErrorOptions & { readonly retryable: boolean }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}

/** A split cannot be proven complete: Druid answers with fewer (or more) rows than the segment holds, or not at all. */
export class DruidSourceIncompleteError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_INCOMPLETE';
  override readonly retryable = true;
}

/** A pinned segment was dropped before it was read to its end, and no server holds it any more. */
export class DruidSourceSegmentGoneError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_SEGMENT_GONE';
  override readonly retryable = false;
}

/**
 * Data that was read already is no longer what it was: unbounded mode, replaced by something that is no recognised
 * compaction; SQL with `order: 'total'`, a statement that does not begin with the rows it gave before.
 */
export class DruidSourceReplacedError extends DruidSourceError {
  override readonly code = 'DRUID_SOURCE_REPLACED';
  override readonly retryable = false;
}
