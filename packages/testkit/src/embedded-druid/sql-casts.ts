/** `CAST` between the types that Druid and DuckDB convert alike. */

import { notSupported } from './druid-error.js';
import type { ExprOf, SqlType } from './sql-ast.js';
import {
  derive,
  duckType,
  isApproximate,
  isInteger,
  isNumeric,
  isText,
  isTime,
  timeText,
  type Typed,
} from './sql-typed.js';

const TARGETS: Record<string, SqlType> = {
  VARCHAR: 'VARCHAR',
  CHAR: 'VARCHAR',
  BIGINT: 'BIGINT',
  INTEGER: 'INTEGER',
  INT: 'INTEGER',
  DOUBLE: 'DOUBLE',
  FLOAT: 'FLOAT',
  TIMESTAMP: 'TIMESTAMP',
  DATE: 'DATE',
};

const DAY_MS = 86_400_000;

export function planCast(operand: Typed, expr: ExprOf<'cast'>): Typed {
  const target = TARGETS[expr.type];
  if (!target) throw notSupported(`CAST AS ${expr.type}`);
  const { type: from, sql } = operand;
  if (from === 'NULL') return derive(`CAST(NULL AS ${duckType(target)})`, target, operand);
  if (from === target) return operand;
  if (isInteger(target)) return derive(asInteger(operand, target), target, operand);
  if (isApproximate(target) && isNumeric(from))
    return derive(`CAST(${sql} AS ${duckType(target)})`, target, operand);
  if (target === 'DOUBLE' && isText(from)) {
    return derive(
      `(CASE WHEN regexp_full_match(${sql}, '-?[0-9]+([.][0-9]+)?') THEN CAST(${sql} AS DOUBLE) END)`,
      target,
      operand,
    );
  }
  if (target === 'VARCHAR' && isText(from)) return { ...operand, type: target };
  if (target === 'VARCHAR' && isInteger(from)) return derive(`CAST(${sql} AS VARCHAR)`, target, operand);
  if (target === 'VARCHAR' && from === 'TIMESTAMP') {
    return derive(`strftime(epoch_ms(${sql}), '%Y-%m-%d %H:%M:%S')`, target, operand);
  }
  if (isTime(target) && operand.text !== undefined)
    return derive(String(timeText(operand.text, expr.span)), target, operand);
  if (target === 'TIMESTAMP' && (isInteger(from) || isTime(from))) return derive(sql, target, operand);
  if (target === 'DATE' && from === 'TIMESTAMP') {
    return derive(`(${sql} - (((${sql} % ${DAY_MS}) + ${DAY_MS}) % ${DAY_MS}))`, target, operand);
  }
  throw notSupported(`CAST of ${from} AS ${expr.type}`);
}

/** A double as a long the way Java casts it: towards zero, with the ends of the range as limits. */
const saturated = (x: string): string =>
  `(CASE WHEN isnan(${x}) THEN 0 WHEN ${x} >= 9223372036854775807 THEN 9223372036854775807
    WHEN ${x} <= -9223372036854775808 THEN CAST('-9223372036854775808' AS BIGINT) ELSE CAST(trunc(${x}) AS BIGINT) END)`;

function asInteger({ sql, type: from }: Typed, target: SqlType): string {
  // 32-bit overflow wraps around in Druid; here it is an error rather than another number.
  const narrow = (value: string): string =>
    target === 'INTEGER' ? `CAST(CAST(${value} AS INTEGER) AS BIGINT)` : value;
  if (isInteger(from) || isTime(from)) return narrow(sql);
  if (isApproximate(from)) return narrow(saturated(`CAST(${sql} AS DOUBLE)`));
  if (from === 'BOOLEAN') return `CAST(${sql} AS BIGINT)`;
  return narrow(`(CASE WHEN regexp_full_match(${sql}, '-?[0-9]{1,18}') THEN CAST(${sql} AS BIGINT)
    WHEN regexp_full_match(${sql}, '-?[0-9]{1,15}[.][0-9]+') THEN CAST(trunc(CAST(${sql} AS DOUBLE)) AS BIGINT) END)`);
}
