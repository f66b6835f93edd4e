import { DruidConfigError } from './errors.js';

/** A typed SQL parameter as Druid takes it; `type` is an SQL type such as `VARCHAR`, `BIGINT`, `TIMESTAMP`. */
export interface SqlTypedParameter {
  readonly type: string;
  readonly value: unknown;
}

/** What may stand for a `?` in a query: a plain value, whose type is inferred, or `{ type, value }`. */
export type SqlParameter = string | number | bigint | boolean | Date | null | SqlTypedParameter;

/**
 * Maps plain values to typed parameters: string VARCHAR, whole number and bigint BIGINT, other number (and -0, whose
 * sign a BIGINT would lose) DOUBLE, boolean BOOLEAN, Date TIMESTAMP (epoch milliseconds), null VARCHAR null.
 *
 * @example toTypedParameter(7) // { type: 'BIGINT', value: 7 }
 * @throws DruidConfigError for NaN, infinities, whole numbers beyond 2^53 - 1, invalid dates and other objects
 */
export function toTypedParameter(parameter: SqlParameter, index: number): SqlTypedParameter {
  switch (typeof parameter) {
    case 'string':
      return { type: 'VARCHAR', value: parameter };
    case 'boolean':
      return { type: 'BOOLEAN', value: parameter };
    case 'bigint':
      if (BigInt.asIntN(64, parameter) === parameter) return { type: 'BIGINT', value: parameter };
      throw unusable(index, `is the integer ${parameter}, which 64 bits cannot hold`);
    case 'number':
      if (!Number.isFinite(parameter)) throw unusable(index, `is ${parameter}, which JSON cannot carry`);
      if (!Number.isInteger(parameter) || Object.is(parameter, -0))
        return { type: 'DOUBLE', value: parameter };
      if (Number.isSafeInteger(parameter)) return { type: 'BIGINT', value: parameter };
      throw unusable(index, `is the whole number ${parameter}, which is not exact any more: pass a bigint`);
    case 'object':
      if (parameter === null) return { type: 'VARCHAR', value: null };
      if (!(parameter instanceof Date)) return requireTyped(parameter, index);
      if (Number.isNaN(parameter.getTime())) throw unusable(index, 'is an invalid Date');
      return { type: 'TIMESTAMP', value: parameter.getTime() };
    default:
      throw unusable(index, `is a ${typeof parameter}, which no SQL type holds`);
  }
}

function requireTyped(parameter: SqlTypedParameter, index: number): SqlTypedParameter {
  if (Array.isArray(parameter)) {
    throw unusable(index, 'is an array: use sql.list for an IN list, sql.array for a value of type ARRAY');
  }
  // A type is one of Druid's words; what a request brought along as `type` must not reach further than that.
  if (typeof parameter.type === 'string' && /^[A-Za-z_]+$/.test(parameter.type) && 'value' in parameter) {
    return { type: parameter.type, value: parameter.value ?? null };
  }
  throw unusable(index, 'is an object without an SQL type: give { type, value }');
}

function unusable(index: number, problem: string): DruidConfigError {
  return new DruidConfigError({
    message: `SQL parameter ${index + 1} ${problem}.`,
    details: { option: `parameters[${index}]` },
  });
}
