/** Times, periods and intervals as Druid writes and reads them; all instants are epoch milliseconds in UTC. */

/** A half-open range of instants, in epoch milliseconds. */
export interface Interval {
  start: number;
  end: number;
}

/** Milliseconds of an ISO period when it has a fixed length, or whole calendar months. */
export interface Period {
  months: number;
  ms: number;
}

/** The years 0 to 9999: instants beyond are written with another number of digits, and not read back here. */
export const EARLIEST_MS = -62_167_219_200_000;
export const LATEST_MS = 253_402_300_799_999;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

/** `2024-01-01T00:00:00.000Z`; years beyond 9999 without the plus sign and zeros that JavaScript writes. */
export const isoTime = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace(/^([-+])0{0,2}(\d)/, (_, sign: string, digit: string) => (sign === '-' ? '-' : '') + digit);

const two = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'));
const three = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'));

/** {@link isoTime} for many instants that are close together: it writes the date once per day. */
export function isoTimeWriter(): (ms: number) => string {
  let day = NaN;
  let date = '';
  return (ms) => {
    const start = Math.floor(ms / DAY) * DAY;
    if (start !== day) {
      date = isoTime(start).slice(0, -13);
      day = start;
    }
    const rest = ms - start;
    const hour = two[Math.floor(rest / HOUR)];
    const minute = two[Math.floor((rest % HOUR) / MINUTE)];
    const second = two[Math.floor((rest % MINUTE) / SECOND)];
    return `${date}${hour}:${minute}:${second}.${three[rest % SECOND]}Z`;
  };
}

/** `start/end`, the way Druid prints intervals. */
export const intervalText = (interval: Interval): string =>
  `${isoTime(interval.start)}/${isoTime(interval.end)}`;

const ISO_DATE = /^(\d{4})(?:-(\d{3})(?!\d)|-W(\d{2})(?:-(\d))?|-(\d{2})(?:-(\d{2}))?)?/;
const ISO_TIME = /^T(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

/**
 * Parses the ISO-8601 forms that Druid accepts: calendar, ordinal and week dates, with or without a time and a zone.
 *
 * @returns undefined if the text is none of them
 */
export function parseIsoTime(text: string): number | undefined {
  const date = ISO_DATE.exec(text);
  if (!date) return undefined;
  const day = dayOf(date);
  const rest = text.slice(date[0].length);
  if (day === undefined || rest === '') return day;
  const time = ISO_TIME.exec(rest);
  if (!time) return undefined;
  const [, hour = '0', minute = '0', second = '0', fraction = '', zone] = time;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const ms = Number(hour) * HOUR + Number(minute) * MINUTE + Number(second) * SECOND;
  return day + ms + Number((fraction + '000').slice(0, 3)) - zoneOffset(zone);
}

function dayOf([, yearText, ordinal, week, weekday = '1', month = '1', day = '1']: RegExpExecArray):
  number | undefined {
  const year = Number(yearText);
  const at = (monthIndex: number, dayOfMonth: number): number =>
    new Date(0).setUTCFullYear(year, monthIndex, dayOfMonth);
  if (ordinal !== undefined) {
    const ms = at(0, Number(ordinal));
    return Number(ordinal) > 0 && new Date(ms).getUTCFullYear() === year ? ms : undefined;
  }
  if (week !== undefined) {
    if (Number(week) < 1 || Number(week) > 53 || Number(weekday) < 1 || Number(weekday) > 7) return undefined;
    // 4 January is always in week 1; ISO weeks start on Monday.
    const fourth = at(0, 4);
    const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY;
    return monday + (Number(week) - 1) * WEEK + (Number(weekday) - 1) * DAY;
  }
  const ms = at(Number(month) - 1, Number(day));
  const check = new Date(ms);
  return check.getUTCMonth() === Number(month) - 1 && check.getUTCDate() === Number(day) ? ms : undefined;
}

function zoneOffset(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  return sign * (Number(zone.slice(1, 3)) * HOUR + Number(zone.slice(3).replace(':', '') || '0') * MINUTE);
}

const ISO_PERIOD = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;

/** Parses `PT1H`, `P1D`, `P1M`… ; undefined if the text is no period or mixes months with smaller units. */
export function parsePeriod(text: string): Period | undefined {
  const match = ISO_PERIOD.exec(text);
  if (!match || text === 'P' || text.endsWith('T')) return undefined;
  const [years, months, weeks, days, hours, minutes, seconds] = match
    .slice(1)
    .map((part) => Number(part ?? 0)) as [number, number, number, number, number, number, number];
  const ms = weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND;
  const total = { months: years * 12 + months, ms };
  return (total.months > 0 && total.ms > 0) || (total.months === 0 && total.ms === 0) ? undefined : total;
}

/** Adds a period to an instant. */
export function addPeriod(ms: number, period: Period, times = 1): number {
  if (period.months === 0) return ms + period.ms * times;
  const date = new Date(ms);
  date.setUTCMonth(date.getUTCMonth() + period.months * times);
  return date.getTime();
}

/** Parses `start/end`, `start/period` and `period/end` (also with `_` for `/`); undefined if it is none of them. */
export function parseInterval(text: string): Interval | undefined {
  const [left, right, ...rest] = text.split('/');
  if (left === undefined || right === undefined || rest.length > 0) return undefined;
  const start = parseIsoTime(left);
  const end = parseIsoTime(right);
  if (start !== undefined && end !== undefined) return start <= end ? { start, end } : undefined;
  if (start !== undefined) {
    const period = parsePeriod(right);
    return period && { start, end: addPeriod(start, period) };
  }
  const period = parsePeriod(left);
  return period && end !== undefined ? { start: addPeriod(end, period, -1), end } : undefined;
}
