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

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

/** `2024-01-01T00:00:00.000Z` */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

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

const ISO_INSTANT =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

/** Parses the ISO-8601 forms that Druid accepts (date only, minutes only, with or without zone); undefined if it is none. */
export function parseIsoTime(text: string): number | undefined {
  const match = ISO_INSTANT.exec(text);
  if (!match) return undefined;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = '', zone] =
    match;
  if (zone !== undefined && match[4] === undefined) return undefined;
  const millis = Number((fraction + '000').slice(0, 3));
  const utc = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    millis,
  );
  const check = new Date(utc);
  if (check.getUTCMonth() !== Number(month) - 1 || check.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  return utc - zoneOffset(zone);
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
