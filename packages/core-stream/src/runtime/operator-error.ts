import { OperatorError } from '../errors.js';
import { UnencodableRowError } from '../state/row-encoding.js';
import { plainDescriber, type Describer } from './describe-value.js';

/** Who failed: an operator's subtask. */
export interface FailingOperator {
  readonly name: string;
  readonly subtaskIndex: number;
  readonly describer?: Describer | undefined;
}

/** A call that has not settled, as a person reads it. */
export function describeCall(at: FailingOperator, doing: string): string {
  return `'${at.name}' (subtask ${at.subtaskIndex}) is ${doing}`;
}

/** What an operator threw for a record, wrapped once, with the operator's name and the record. */
export function recordError(
  error: unknown,
  at: FailingOperator,
  value: unknown,
  doing = 'processing the record',
): OperatorError {
  if (error instanceof OperatorError) return error; // already named, further down the chain
  const record = (at.describer ?? plainDescriber).describeRecord(value);
  return wrap(error, at, `${doing} ${record}`, { doing, record });
}

export function operatorError(error: unknown, at: FailingOperator, doing: string): OperatorError {
  if (error instanceof OperatorError) return error;
  return wrap(error, at, doing, { doing });
}

function wrap(
  thrown: unknown,
  at: FailingOperator,
  what: string,
  details: { readonly doing: string; readonly record?: string },
): OperatorError {
  const describer = at.describer ?? plainDescriber;
  const cause =
    thrown instanceof UnencodableRowError ? thrown.named((key) => describer.describeRecord(key)) : thrown;
  const why = describer.describeError(cause);
  return new OperatorError(`'${at.name}' (subtask ${at.subtaskIndex}) failed while ${what}: ${why}`, {
    cause,
    details: { operator: at.name, subtask: at.subtaskIndex, ...details },
  });
}
