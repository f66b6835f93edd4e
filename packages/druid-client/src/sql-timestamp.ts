/**
 * Epoch milliseconds of a TIMESTAMP as Druid prints it, `2026-01-02T03:04:05.678Z`; undefined if `text` is none, or a
 * time that a Date cannot hold (Druid's "all time" reaches further).
 */
export function parseTimestamp(text: string): number | undefined {
  const ms = text.length === 24 ? parseUsual(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  const unusual = parseUnusual(text);
  return Number.isNaN(unusual) ? undefined : unusual;
}

// Years beyond 9999 and before 0, which Date.parse wants with six digits and a sign, and zones other than UTC.
// Date.parse alone takes far more than ISO 8601 (`Date.parse('x 1')` is a date), so the shape is looked at first.
const iso = /^([+-]?\d{4,9})-(\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))$/;

function parseUnusual(text: string): number {
  const match = iso.exec(text);
  if (match === null) return Number.NaN;
  const year = Number(match[1]);
  const digits = String(Math.abs(year));
  const isFourDigits = year >= 0 && digits.length <= 4;
  const wide = `${year < 0 ? '-' : '+'}${digits.padStart(6, '0')}`;
  return Date.parse(`${isFourDigits ? digits.padStart(4, '0') : wide}-${match[2]}`);
}

const daysBeforeMonth = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

// The common shape by arithmetic, since Date.parse would take half of the time that a row takes. NaN for any other, and
// for the last days of a month, which may not exist: those go the long way.
function parseUsual(text: string): number {
  if (
    text.charCodeAt(4) !== 0x2d ||
    text.charCodeAt(7) !== 0x2d ||
    text.charCodeAt(10) !== 0x54 ||
    text.charCodeAt(13) !== 0x3a ||
    text.charCodeAt(16) !== 0x3a ||
    text.charCodeAt(19) !== 0x2e ||
    text.charCodeAt(23) !== 0x5a
  ) {
    return Number.NaN;
  }
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  const ms = twoDigits(text, 20) * 10 + digit(text, 22);
  const lastSafeDay = month === 2 ? 28 : 30;
  // NaN fails every one of these comparisons.
  if (!(
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= lastSafeDay &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  )) {
    return Number.NaN;
  }
  // Days of the Gregorian calendar since 1970-01-01; a leap day counts from March on.
  const past = month > 2 ? year : year - 1;
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) - 477;
  const days = (year - 1970) * 365 + leapDays + (daysBeforeMonth[month - 1] as number) + day - 1;
  return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms;
}

function twoDigits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
