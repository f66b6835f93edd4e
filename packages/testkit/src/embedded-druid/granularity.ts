/** Druid's granularities: how instants are cut into buckets, in TypeScript and as a DuckDB expression. */

import { addPeriod, type Interval, parsePeriod, type Period } from './time-text.js';

/** `none` keeps milliseconds, `all` is one bucket, everything else is a UTC period. */
export type Granularity = { kind: 'none' } | { kind: 'all' } | { kind: 'period'; period: Period };

const NAMED: Record<string, string> = {
  SECOND: 'PT1S',
  MINUTE: 'PT1M',
  FIVE_MINUTE: 'PT5M',
  TEN_MINUTE: 'PT10M',
  FIFTEEN_MINUTE: 'PT15M',
  THIRTY_MINUTE: 'PT30M',
  HOUR: 'PT1H',
  SIX_HOUR: 'PT6H',
  EIGHT_HOUR: 'PT8H',
  DAY: 'P1D',
  WEEK: 'P1W',
  MONTH: 'P1M',
  QUARTER: 'P3M',
  YEAR: 'P1Y',
};

/** 1970-01-01 was a Thursday; weeks start on the Monday before. */
const WEEK_MS = 7 * 86_400_000;
const FIRST_MONDAY = -3 * 86_400_000;

/**
 * Reads a granularity from a query or an ingestion spec: a name, `{type: "period", period}` or `{type: "duration"}`.
 *
 * @returns undefined when it is unknown, has an origin, or a time zone other than UTC.
 */
export function parseGranularity(value: unknown): Granularity | undefined {
  if (typeof value === 'string') {
    const name = value.toUpperCase();
    if (name === 'NONE') return { kind: 'none' };
    if (name === 'ALL') return { kind: 'all' };
    return periodGranularity(NAMED[name] ?? value);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, period, duration, timeZone, origin } = value as Record<string, unknown>;
  if (type === 'none' || type === 'all') return { kind: type };
  if (origin !== undefined && origin !== null) return undefined;
  if (type === 'duration') {
    const ms = Number(duration);
    return Number.isSafeInteger(ms) && ms > 0 ? { kind: 'period', period: { months: 0, ms } } : undefined;
  }
  const utc = timeZone === undefined || timeZone === null || timeZone === 'UTC' || timeZone === 'Etc/UTC';
  return type === 'period' && typeof period === 'string' && utc ? periodGranularity(period) : undefined;
}

function periodGranularity(text: string): Granularity | undefined {
  const period = parsePeriod(text);
  return period && { kind: 'period', period };
}

const offsetOf = (period: Period): number => (period.ms % WEEK_MS === 0 ? FIRST_MONDAY : 0);

/** The start of the bucket that holds `ms`. */
export function bucketStart(ms: number, granularity: Granularity): number {
  if (granularity.kind !== 'period') return granularity.kind === 'none' ? ms : Number.MIN_SAFE_INTEGER;
  const { period } = granularity;
  if (period.months === 0) {
    const offset = offsetOf(period);
    return Math.floor((ms - offset) / period.ms) * period.ms + offset;
  }
  const date = new Date(ms);
  const months = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
  return addPeriod(0, { months: 1, ms: 0 }, Math.floor(months / period.months) * period.months);
}

/** The bucket that starts at `start` (which must come from {@link bucketStart}). */
export function bucketFrom(start: number, granularity: Granularity): Interval {
  if (granularity.kind !== 'period') return { start, end: start + 1 };
  return { start, end: addPeriod(start, granularity.period) };
}

/** A DuckDB expression over epoch milliseconds that gives the start of the bucket; the mirror of {@link bucketStart}. */
export function bucketSql(ms: string, granularity: Granularity, allStart = 0): string {
  if (granularity.kind === 'none') return ms;
  if (granularity.kind === 'all') return `CAST(${allStart} AS BIGINT)`;
  const { period } = granularity;
  if (period.months === 0) {
    const offset = offsetOf(period);
    const shifted = offset === 0 ? `(${ms})` : `(${ms} - (${offset}))`;
    return `(${ms} - (((${shifted} % ${period.ms}) + ${period.ms}) % ${period.ms}))`;
  }
  const date = `epoch_ms(CAST(${ms} AS BIGINT))`;
  const months = `((year(${date}) - 1970) * 12 + month(${date}) - 1)`;
  const floored = `(${months} - ((${months} % ${period.months}) + ${period.months}) % ${period.months})`;
  return `epoch_ms(TIMESTAMP '1970-01-01' + to_months(CAST(${floored} AS INTEGER)))`;
}
