/** Every code that an error of this package can carry. */
export type KafkaErrorCode =
  | 'KAFKA_CONFIG'
  | 'KAFKA_CONNECTION'
  | 'KAFKA_REMOTE'
  | 'KAFKA_RECORD'
  | 'KAFKA_OFFSET'
  | 'KAFKA_FENCED'
  | 'KAFKA_TRANSACTION_LOST';

/** Facts about a failure. Never credentials, and of a record only where it is. */
export type KafkaErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

interface KafkaErrorOptions {
  readonly details?: KafkaErrorDetails;
  readonly cause?: unknown;
}

// A registered symbol rather than `instanceof`: two copies of this package in one program still recognise each other.
const brand = Symbol.for('@millrace/connector-kafka/error');

/** Base of every error of this package. The message says what failed, the value seen, and the next step. */
export abstract class KafkaError extends Error {
  abstract readonly code: KafkaErrorCode;
  /** Whether running the same job again, unchanged, can succeed. */
  abstract readonly retryable: boolean;
  readonly details: KafkaErrorDetails;

  constructor(message: string, options: KafkaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `error` was raised by this package (any copy of it). */
  static is(error: unknown): error is KafkaError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** The options, or options together with a restored checkpoint, can never work. */
export class KafkaConfigError extends KafkaError {
  override readonly code = 'KAFKA_CONFIG';
  override readonly retryable = false;
}

/** No broker could be reached, or none answered in time; not retryable where it refused the credentials. */
export class KafkaConnectionError extends KafkaError {
  override readonly code = 'KAFKA_CONNECTION';
  override readonly retryable: boolean;

  constructor(message: string, options: KafkaErrorOptions & { readonly retryable?: boolean } = {}) {
    super(message, options);
    this.retryable = options.retryable ?? true;
  }
}

/** A broker answered with an error; `details.kafkaError` is its name. */
export class KafkaRemoteError extends KafkaError {
  override readonly code = 'KAFKA_REMOTE';
  override readonly retryable: boolean;
  /** The name that Kafka's protocol has for it, such as `NOT_LEADER_OR_FOLLOWER`. */
  readonly kafkaError: string;

  constructor(
    message: string,
    options: KafkaErrorOptions & { readonly retryable: boolean; readonly kafkaError: string },
  ) {
    super(message, { ...options, details: { ...options.details, kafkaError: options.kafkaError } });
    this.retryable = options.retryable;
    this.kafkaError = options.kafkaError;
  }
}

/** A record cannot be decoded or encoded; `details` name topic, partition and offset where it has them. */
export class KafkaRecordError extends KafkaError {
  override readonly code = 'KAFKA_RECORD';
  override readonly retryable = false;
}

/** The offset to go on from is not in the log any more, or not yet; or it is one of a topic that was deleted and made anew. */
export class KafkaOffsetError extends KafkaError {
  override readonly code = 'KAFKA_OFFSET';
  override readonly retryable = false;
}

/** Another writer has taken over this one's transaction. Nothing of it becomes visible. */
export class KafkaFencedError extends KafkaError {
  override readonly code = 'KAFKA_FENCED';
  override readonly retryable = true;
}

/** A checkpoint is complete, but Kafka has not got its transaction any more: its records are lost. */
export class KafkaTransactionLostError extends KafkaError {
  override readonly code = 'KAFKA_TRANSACTION_LOST';
  override readonly retryable = false;
}
