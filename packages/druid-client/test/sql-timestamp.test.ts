import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTimestamp } from '../src/sql-timestamp.js';

describe('parseTimestamp', () => {
  it('inverts toISOString for any date', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        expect(parseTimestamp(date.toISOString())).toBe(date.getTime());
      }),
    );
    const years = fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(fc.property(years, (date) => parseTimestamp(date.toISOString()) === date.getTime()));
  });

  it.each([
    ['10000-01-01T00:00:00.000Z', Date.UTC(10_000, 0, 1)],
    ['-0001-03-01T00:00:00.000Z', Date.parse('-000001-03-01T00:00:00.000Z')],
    ['2024-02-29T23:59:59.999Z', Date.UTC(2024, 1, 29, 23, 59, 59, 999)],
    ['2024-06-01T02:00:00.000+02:00', Date.UTC(2024, 5, 1)],
    ['2024-06-01T00:00:00Z', Date.UTC(2024, 5, 1)],
  ])('reads %s', (text, ms) => {
    expect(parseTimestamp(text)).toBe(ms);
  });

  it.each([
    '',
    'x 1',
    '2024-13-01T00:00:00.000Z',
    '2024-01-01T24:61:00.000Z',
    '2024-01-01T00:00:0x.000Z',
    '2024-01-01T00:00:00.00xZ',
    '2024-01-01 00:00:00.000Z',
    '-146136543-09-08T08:23:32.096Z',
  ])('does not take %j', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});
