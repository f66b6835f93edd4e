import { OperatorError } from '../errors.js';
import { describeValue, messageOf } from './describe-value.js';

/** Who failed: an operator's subtask. */
export interface FailingOperator {
  readonly name: string;
  readonly subtaskIndex: number;
}

/** What an operator threw for a record, wrapped once, with the operator's name and the record. */
export function recordError(error: unknown, at: FailingOperator, value: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  return operatorError(error, at, `processing the record ${describeValue(value)}`);
}

export function operatorError(error: unknown, at: FailingOperator, doing: string): OperatorError {
  if (error instanceof OperatorError) return error; // already named, further down the chain
  const what = `'${at.name}' (subtask ${at.subtaskIndex}) failed while ${doing}: ${messageOf(error)}`;
  return new OperatorError(what, {
    cause: error,
    details: { operator: at.name, subtask: at.subtaskIndex },
  });
}
