// Date.parse alone takes far more than ISO 8601 (`Date.parse('x 1')` is a date), and the 30th of February.
const iso = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * Epoch milliseconds of a date or a time in ISO 8601; without a zone it is UTC, as in Druid, not the machine's time. NaN for
 * anything else.
 *
 * @example utcMs('2026-01-01 10:00') // 1767261600000
 */
export function utcMs(text: string): number {
  const match = iso.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month = '01', day = '01', time = '00:00', zone = 'Z'] = match;
  const midnight = new Date(`${year}-${month}-${day}T00:00Z`);
  return midnight.getUTCDate() === Number(day)
    ? Date.parse(`${year}-${month}-${day}T${time}${zone}`)
    : Number.NaN;
}
