/** Rules that operators and functions share: arithmetic, common types and Calcite's refusals. */

import { notSupported } from './druid-error.js';
import type { Expr, SqlType } from './sql-ast.js';
import { sqlError } from './sql-tokens.js';
import { commonType, derive, isInteger, isNumeric, isText, type Typed } from './sql-typed.js';

/** `+ - * /` as Calcite does them: integers stay integers and division truncates. */
export function arithmetic(op: string, left: Typed, right: Typed, expr: Expr): Typed {
  if (!isNumeric(left.type) || !isNumeric(right.type)) throw cannotApply(op, expr, [left, right]);
  const type =
    left.type === 'INTEGER' && right.type === 'INTEGER'
      ? 'INTEGER'
      : (commonType(left.type, right.type) as SqlType);
  if (!isInteger(type)) {
    return derive(
      `(CAST(${left.sql} AS DOUBLE) ${op} CAST(${right.sql} AS DOUBLE))`,
      type === 'FLOAT' ? 'DOUBLE' : type,
      left,
      right,
    );
  }
  const plain = op === '/' ? divide('//', left, right) : `(${left.sql} ${op} ${right.sql})`;
  // An INTEGER that overflows wraps around in Druid; here it is an error rather than another number.
  return derive(type === 'INTEGER' ? `CAST(CAST(${plain} AS INTEGER) AS BIGINT)` : plain, type, left, right);
}

/** Integer division or remainder that fails on zero, as Druid does, instead of giving NULL. */
export function divide(op: '//' | '%', left: Typed, right: Typed): string {
  return `(CASE WHEN ${right.sql} = 0 THEN error('/ by zero') ELSE ${left.sql} ${op} ${right.sql} END)`;
}

/** The common type of several expressions. */
export function unify(values: readonly Typed[], expr: Expr): SqlType {
  let type: SqlType = 'NULL';
  for (const value of values) {
    const next = commonType(type, value.type);
    if (!next) throw sqlError(`Illegal mixing of types ${type} and ${value.type}`, expr.span);
    type = next;
  }
  // String literals of different lengths are no CHAR(n) any more.
  return type === 'CHAR' && new Set(values.map(({ text: literal }) => literal?.length)).size > 1
    ? 'VARCHAR'
    : type;
}

export function boolean(typed: Typed, expr: Expr): Typed {
  if (typed.type !== 'BOOLEAN' && typed.type !== 'NULL')
    throw sqlError(`A BOOLEAN was expected, not ${typed.type}`, expr.span);
  return typed;
}

export function text(typed: Typed, expr: Expr): Typed {
  if (!isText(typed.type) && typed.type !== 'NULL') {
    if (isNumeric(typed.type)) throw notSupported(`An implicit cast of ${typed.type} to VARCHAR`);
    throw sqlError(`A VARCHAR was expected, not ${typed.type}`, expr.span);
  }
  return typed;
}

/** Calcite's refusal of an operator or function for the types it got. */
export function cannotApply(name: string, expr: Expr, args: readonly Typed[]): Error {
  const types = args.map(({ type }) => `<${type}>`);
  const shown =
    types.length === 2 && /\W/.test(name) ? types.join(` ${name} `) : `${name}(${types.join(', ')})`;
  return sqlError(`Cannot apply '${name}' to arguments of type '${shown}'.`, expr.span);
}
