/** Time functions over epoch milliseconds, in UTC. */

import { notSupported } from './druid-error.js';
import { bucketSql, type Granularity } from './granularity.js';
import type { ExprOf, Span } from './sql-ast.js';
import { sqlError } from './sql-tokens.js';
import { derive, isTime, type Typed } from './sql-typed.js';
import { parsePeriod, type Period } from './time-text.js';

const UNIT_PERIODS: Record<string, string> = {
  SECOND: 'PT1S',
  MINUTE: 'PT1M',
  HOUR: 'PT1H',
  DAY: 'P1D',
  WEEK: 'P1W',
  MONTH: 'P1M',
  QUARTER: 'P3M',
  YEAR: 'P1Y',
};

/** DuckDB's `date_part` names that count as Joda does. */
const EXTRACTED: Record<string, string> = {
  SECOND: 'second',
  MINUTE: 'minute',
  HOUR: 'hour',
  DAY: 'day',
  DOW: 'isodow',
  ISODOW: 'isodow',
  DOY: 'doy',
  WEEK: 'week',
  MONTH: 'month',
  QUARTER: 'quarter',
  YEAR: 'year',
  EPOCH: 'epoch',
};

/** The granularity of a unit word such as `HOUR`. */
export function unitGranularity(unit: string, span: Span): Granularity {
  const text = UNIT_PERIODS[unit.toUpperCase()];
  if (!text) throw sqlError(`'${unit}' is not a valid time frame`, span);
  return { kind: 'period', period: parsePeriod(text) as Period };
}

/** The granularity of an ISO period in a literal. */
export function periodGranularity(text: string | undefined, span: Span): Granularity {
  if (text === undefined) throw notSupported('A period that is no literal');
  const period = parsePeriod(text);
  if (!period) throw sqlError(`Invalid period [${text}]`, span);
  return { kind: 'period', period };
}

export function floorTime(time: Typed, granularity: Granularity): Typed {
  return derive(bucketSql(time.sql, granularity), time.type, time);
}

export function ceilTime(time: Typed, granularity: Granularity): Typed {
  if (granularity.kind !== 'period') return time;
  const floor = bucketSql(time.sql, granularity);
  return derive(
    `(CASE WHEN ${floor} = ${time.sql} THEN ${time.sql} ELSE ${shiftSql(floor, granularity.period, '1')} END)`,
    time.type,
    time,
  );
}

export function planRoundTime(operand: Typed, expr: ExprOf<'roundTime'>): Typed {
  if (!isTime(operand.type)) throw sqlError(`A TIMESTAMP was expected, not ${operand.type}`, expr.span);
  const granularity = unitGranularity(expr.unit, expr.span);
  return expr.up ? ceilTime(operand, granularity) : floorTime(operand, granularity);
}

export function planExtract(operand: Typed, unit: string, span: Span): Typed {
  if (!isTime(operand.type)) throw sqlError(`A TIMESTAMP was expected, not ${operand.type}`, span);
  const part = EXTRACTED[unit.toUpperCase()];
  if (!part) throw notSupported(`EXTRACT of ${unit}`);
  if (part === 'epoch') return derive(`((${operand.sql}) // 1000)`, 'BIGINT', operand);
  return derive(`CAST(date_part('${part}', epoch_ms(${operand.sql})) AS BIGINT)`, 'BIGINT', operand);
}

/** A time moved by `steps` periods. */
export function shiftSql(time: string, period: Period, steps: string): string {
  if (period.months === 0) return `(${time} + ${period.ms} * (${steps}))`;
  return `epoch_ms(epoch_ms(CAST(${time} AS BIGINT)) + to_months(CAST(${period.months} * (${steps}) AS INTEGER)))`;
}

export function shiftTime(time: Typed, interval: ExprOf<'interval'>, sign: number): Typed {
  const granularity = unitGranularity(interval.unit.replace(/S$/, ''), interval.span);
  if (granularity.kind !== 'period') return time;
  return derive(shiftSql(time.sql, granularity.period, String(sign * interval.amount)), time.type, time);
}
