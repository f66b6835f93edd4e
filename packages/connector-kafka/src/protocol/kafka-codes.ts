import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka';
import { KafkaRemoteError } from '../errors.js';

/** The codes that something here is decided by. */
export const KafkaCode = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  MESSAGE_TOO_LARGE: 10,
  TOPIC_AUTHORIZATION_FAILED: 29,
  TOPIC_ALREADY_EXISTS: 36,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  PRODUCER_FENCED: 90,
  TRANSACTIONAL_ID_NOT_FOUND: 105,
} as const;

/** Codes that the protocol's table does not call retryable, though a little later they are gone. */
const passing = new Set([
  'OPERATION_NOT_ATTEMPTED',
  'UNKNOWN_LEADER_EPOCH',
  'FENCED_LEADER_EPOCH',
  'UNSTABLE_OFFSET_COMMIT',
]);

export function kafkaErrorName(code: number): string {
  return code === -1 ? 'UNKNOWN_SERVER_ERROR' : (protocolErrorsCodesById[code] ?? `error ${code}`);
}

/** Whether the same request may succeed a little later. */
export function isPassing(code: number): boolean {
  const name = kafkaErrorName(code);
  return passing.has(name) || protocolErrors[name]?.canRetry === true;
}

/** Codes that the same request will get again, though a restarted job, with a producer id of its own, need not. */
const goneByRestart = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'TRANSACTION_ABORTABLE',
  'UNKNOWN_SERVER_ERROR',
]);

/** `what` says what was refused, such as "Fetch of orders-3". */
export function remoteError(what: string, code: number, nextStep = ''): KafkaRemoteError {
  const kafkaError = kafkaErrorName(code);
  const says = protocolErrors[kafkaError]?.message ?? '';
  return new KafkaRemoteError(
    `${what} was refused: ${kafkaError}. ${nextStep === '' ? says : nextStep}`.trim(),
    {
      kafkaError,
      retryable: isPassing(code) || goneByRestart.has(kafkaError),
    },
  );
}

/** @throws KafkaRemoteError unless the code is 0 */
export function checkCode(what: string, code: number): void {
  if (code !== KafkaCode.NONE) throw remoteError(what, code);
}
