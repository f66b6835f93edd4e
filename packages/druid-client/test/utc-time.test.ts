import { describe, expect, it } from 'vitest';
import { utcMs } from '../src/utc-time.js';

describe('utcMs', () => {
  it.each([
    ['2026', '2026-01-01T00:00:00.000Z'],
    ['2026-02', '2026-02-01T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2026-01-01T10:00', '2026-01-01T10:00:00.000Z'],
    ['2026-01-01 10:00:00', '2026-01-01T10:00:00.000Z'],
    ['2026-01-01T10:00:00.123Z', '2026-01-01T10:00:00.123Z'],
    ['2026-01-01T10:00:00+05:30', '2026-01-01T04:30:00.000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(new Date(utcMs(text)).toISOString()).toBe(expected);
  });

  it.each(['', 'now', 'x 1', '2026-02-30', '2026-13-01', '2026-01-01T25:00', '1/2/2026', 'P1D', '20260101'])(
    '%j is no time',
    (text) => {
      expect(utcMs(text)).toBeNaN();
    },
  );

  it('does not depend on the zone of the machine', () => {
    const before = process.env['TZ'];
    try {
      process.env['TZ'] = 'America/New_York';
      expect(utcMs('2026-07-01 10:00')).toBe(Date.UTC(2026, 6, 1, 10));
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
  });
});
