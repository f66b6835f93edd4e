import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateTimeBuckets } from '../../src/connectors/date-time-buckets.js';

const at = (timestamp: number | undefined, now = 0) => ({
  timestamp,
  currentWatermark: 0,
  currentProcessingTime: () => now,
});

describe('date-time buckets', () => {
  it('are the hour in UTC unless told, of any date', () => {
    const dates = fc.array(
      fc.oneof(
        fc.date({ noInvalidDate: true }),
        fc.date({ min: new Date('-000002-01-01'), max: new Date('0002-01-01'), noInvalidDate: true }),
        fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
      ),
    );
    fc.assert(
      fc.property(dates, (of) => {
        const assign = dateTimeBuckets();
        for (const date of of) {
          const [day, time] = date.toISOString().split('T');
          expect(assign(null, at(date.getTime()))).toBe(`${day!}--${time!.slice(0, 2)}`);
        }
      }),
    );
  });

  it('are what the clocks of a zone show', () => {
    const zones = ['Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia', 'Africa/Monrovia'];
    const date = fc.date({ min: new Date('1973-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(fc.constantFrom(...zones), date, (timeZone, when) => {
        const shown = new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'short' });
        const assign = dateTimeBuckets('yyyy-MM-dd HH:mm', { timeZone });
        expect(assign(null, at(when.getTime()))).toBe(shown.format(when));
      }),
    );
  });

  it.each([NaN, Infinity, 9e15])('refuse the timestamp %s, which is no date', (timestamp) => {
    expect(() => dateTimeBuckets()(null, at(timestamp))).toThrow(`The timestamp ${timestamp} is no date`);
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
