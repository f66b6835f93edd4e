import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIsoTimestamp } from '../src/schema/iso-timestamp.js';

describe('parseIsoTimestamp', () => {
  it('reads back every time of the years 0 to 9999 as Date prints it', () => {
    const dates = fc.date({
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(fc.property(dates, (date) => parseIsoTimestamp(date.toISOString()) === date.getTime()));
  });

  it.each([
    ['2001-02-03', Date.UTC(2001, 1, 3)],
    ['2001-02-03T04:05', Date.UTC(2001, 1, 3, 4, 5)],
    ['2001-02-03 04:05:06', Date.UTC(2001, 1, 3, 4, 5, 6)],
    ['2001-02-03T04:05:06.7', Date.UTC(2001, 1, 3, 4, 5, 6, 700)],
    ['2001-02-03T04:05:06.789000Z', Date.UTC(2001, 1, 3, 4, 5, 6, 789)],
    ['2001-02-03T04:05:06+05:30', Date.UTC(2001, 1, 2, 22, 35, 6)],
    ['2001-02-03T04:05:06-0100', Date.UTC(2001, 1, 3, 5, 5, 6)],
  ])('reads %s; without a zone it means UTC', (text, time) => {
    expect(parseIsoTimestamp(text)).toBe(time);
  });

  it.each([
    '',
    '2001',
    '2001-02-30',
    '2001-13-01',
    '2001-02-03T24:00:00Z',
    '2001-02-03T04:05:06.7891Z',
    '2001-02-03T04:05:06+99:00',
  ])('takes %j for no time that milliseconds hold exactly', (text) => {
    expect(parseIsoTimestamp(text)).toBeUndefined();
  });
});
