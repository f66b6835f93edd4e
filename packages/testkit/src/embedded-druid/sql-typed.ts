/** Typed expressions: DuckDB text together with the type that Druid gives the expression. */

import type { Span, SqlType } from './sql-ast.js';
import { sqlError } from './sql-tokens.js';
import { parseIsoTime } from './time-text.js';

/**
 * An expression, ready for DuckDB. TIMESTAMP and DATE are epoch milliseconds (BIGINT), DECIMAL is DOUBLE, INTEGER is
 * BIGINT, everything else is what its name says.
 */
export interface Typed {
  sql: string;
  type: SqlType;
  /** The text of a string literal, for comparisons with other types. */
  text?: string;
  /** A column outside any aggregate that is no grouping key; an error unless a larger expression is grouped. */
  ungrouped?: { name: string; span: Span } | undefined;
  hasAggregate?: boolean;
}

export const isInteger = (type: SqlType): boolean => type === 'BIGINT' || type === 'INTEGER';
export const isApproximate = (type: SqlType): boolean =>
  type === 'DOUBLE' || type === 'FLOAT' || type === 'DECIMAL';
export const isNumeric = (type: SqlType): boolean => isInteger(type) || isApproximate(type);
export const isText = (type: SqlType): boolean => type === 'VARCHAR' || type === 'CHAR';
export const isTime = (type: SqlType): boolean => type === 'TIMESTAMP' || type === 'DATE';

/** The DuckDB type behind a SQL type. */
export function duckType(type: SqlType): string {
  if (isText(type) || type === 'NULL') return 'VARCHAR';
  if (type === 'BOOLEAN' || type === 'FLOAT') return type;
  return isApproximate(type) ? 'DOUBLE' : 'BIGINT';
}

/** Druid's native type in `typesHeader`. */
export function nativeType(type: SqlType): string {
  if (isText(type) || type === 'NULL') return 'STRING';
  if (type === 'FLOAT') return 'FLOAT';
  return isApproximate(type) ? 'DOUBLE' : 'LONG';
}

/** The type of a mix of two types, or undefined if they do not mix. */
export function commonType(a: SqlType, b: SqlType): SqlType | undefined {
  if (a === b) return a;
  if (a === 'NULL') return b;
  if (b === 'NULL') return a;
  if (isText(a) && isText(b)) return 'VARCHAR';
  if (isTime(a) && isTime(b)) return 'TIMESTAMP';
  if (!isNumeric(a) || !isNumeric(b)) return undefined;
  if (isInteger(a) && isInteger(b)) return 'BIGINT';
  if (a === 'DECIMAL' || b === 'DECIMAL') return isInteger(a) || isInteger(b) ? 'DECIMAL' : 'DOUBLE';
  return 'DOUBLE';
}

/** Combines the grouping marks of operands. */
export function derive(sql: string, type: SqlType, ...operands: Typed[]): Typed {
  return {
    sql,
    type,
    ungrouped: operands.find(({ ungrouped }) => ungrouped)?.ungrouped,
    hasAggregate: operands.some(({ hasAggregate }) => hasAggregate),
  };
}

const TIMESTAMP_LITERAL = /^(\d{4}-\d{2}-\d{2})(?: (\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?))?$/;

/** Epoch milliseconds of `TIMESTAMP '2024-01-01 00:00:00'`. */
export function timestampLiteral(type: 'TIMESTAMP' | 'DATE', text: string, span: Span): number {
  const match = TIMESTAMP_LITERAL.exec(text.trim());
  const ms = match && parseIsoTime(`${match[1]}T${match[2] ?? '00:00:00'}Z`);
  if (ms === null || ms === undefined) {
    const format = type === 'DATE' ? 'yyyy-MM-dd' : 'yyyy-MM-dd HH:mm:ss';
    throw sqlError(`Illegal ${type} literal '${text}': not in format '${format}'`, span);
  }
  return ms;
}

/** Epoch milliseconds of a string that is compared with a time. */
export function timeText(text: string, span: Span): number {
  const ms = parseIsoTime(text.trim().replace(' ', 'T'));
  if (ms === undefined) throw sqlError(`Illegal TIMESTAMP constant [${text}]`, span);
  return ms;
}
