import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateTimeBuckets } from '../../src/connectors/date-time-buckets.js';

const at = (timestamp: number | undefined, now = 0) => ({
  timestamp,
  currentWatermark: 0,
  currentProcessingTime: () => now,
});

describe('date-time buckets', () => {
  it('are the hour in UTC unless told', () => {
    fc.assert(
      fc.property(
        fc.array(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })),
        (dates) => {
          const assign = dateTimeBuckets();
          for (const date of dates) {
            const iso = date.toISOString();
            expect(assign(null, at(date.getTime()))).toBe(`${iso.slice(0, 10)}--${iso.slice(11, 13)}`);
          }
        },
      ),
    );
  });

  it('can be nested, with text, in any zone, by processing time', () => {
    const noon = Date.UTC(2026, 2, 1, 23, 7);
    expect(dateTimeBuckets("'day='yyyy-MM-dd/'hour='HH")(null, at(noon))).toBe('day=2026-03-01/hour=23');
    expect(dateTimeBuckets('yyyyMMddHHmm', { timeZone: 'Asia/Kolkata' })(null, at(noon))).toBe(
      '202603020437',
    );
    expect(dateTimeBuckets('yyyy', { time: 'processing' })(null, at(undefined, noon))).toBe('2026');
  });

  it('refuse a record without a timestamp, unknown zones and unknown letters', () => {
    expect(() => dateTimeBuckets()(null, at(undefined))).toThrow(
      'A record without a timestamp has no bucket',
    );
    expect(() => dateTimeBuckets('yyyy', { timeZone: 'Mars' })).toThrow("'timeZone' of date-time buckets");
    for (const pattern of ['', 'YYYY', 'yyyy-MM-dd ss', "'open", 'day', "'only text'"]) {
      expect(() => dateTimeBuckets(pattern)).toThrow('The pattern of date-time buckets');
    }
  });
});
