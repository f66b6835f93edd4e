/** ISO 8601 with an optional time, fraction and zone; the year has four digits. */
const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * Epoch milliseconds of an ISO 8601 string, or `undefined` where it is not one that milliseconds hold exactly. Without a
 * zone it means UTC, as in Druid; `Date.parse` would take the machine's zone. `truncate` drops digits below a millisecond.
 *
 * @example
 * parseIsoTimestamp('2001-02-03')                      // 981158400000
 * parseIsoTimestamp('2001-02-03T04:05:06.789+01:00')   // 981169506789
 * parseIsoTimestamp('2001-02-30')                      // undefined
 * parseIsoTimestamp('2001-02-03T04:05:06.7891Z')       // undefined: microseconds would be lost
 */
export function parseIsoTimestamp(text: string, truncate = false): number | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  if (!truncate && /[1-9]/.test(fraction.slice(3))) return undefined;
  const date = new Date(0);
  const days = date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const ofDay = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1000;
  const offset = zoneOffsetMs(zone);
  if (offset === undefined) return undefined;
  return days + ofDay + Number(fraction.slice(0, 3).padEnd(3, '0')) - offset;
}

function zoneOffsetMs(zone: string): number | undefined {
  if (zone === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 18 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
