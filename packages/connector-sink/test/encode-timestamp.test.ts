import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timestampEncoder } from '../src/schema/encode-timestamp.js';
import { Rejection } from '../src/schema/rejection.js';

const units = { seconds: 1_000_000_000n, millis: 1_000_000n, micros: 1_000n, nanos: 1n } as const;
const unit = fc.constantFrom('seconds', 'millis', 'micros', 'nanos');

/** Milliseconds by arithmetic that is exact; `undefined` where there are digits below or no date holds them. */
function oracle(value: bigint, of: keyof typeof units, truncate: boolean): number | undefined {
  const nanos = value * units[of];
  let millis = nanos / 1_000_000n;
  if (millis * 1_000_000n !== nanos) {
    if (!truncate) return undefined;
    if (nanos < 0n) millis -= 1n;
  }
  return millis >= -8_640_000_000_000_000n && millis <= 8_640_000_000_000_000n ? Number(millis) : undefined;
}

const result = (time: number | Rejection) => (typeof time === 'number' ? time : undefined);
const reason = (time: number | Rejection) => (time instanceof Rejection ? time.reason : time);

describe('timestampEncoder', () => {
  it('takes bigints of every unit to the millisecond, and truncates towards the past', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
        unit,
        fc.boolean(),
        (value, of, truncate) => {
          for (const candidate of [value, value - (value % 1_000_000n)]) {
            const time = timestampEncoder({ unit: of, truncate })(candidate);
            expect(result(time)).toBe(oracle(candidate, of, truncate));
          }
        },
      ),
    );
  });

  it('takes numbers as the bigints they are', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), unit, fc.boolean(), (value, of, truncate) => {
        for (const candidate of [value, value - (value % 1_000_000)]) {
          const time = timestampEncoder({ unit: of, truncate })(candidate);
          expect(result(time)).toBe(oracle(BigInt(candidate), of, truncate));
        }
      }),
    );
  });

  it('takes seconds with decimals that are milliseconds', () => {
    const encode = timestampEncoder({ unit: 'seconds' });
    fc.assert(
      // Beyond 2^42 seconds a double has no room for three decimals.
      fc.property(fc.integer({ min: -(2 ** 42) * 1000, max: 2 ** 42 * 1000 }), (millis) => {
        expect(encode(millis / 1000)).toBe(millis);
      }),
    );
    expect(reason(encode(1.0005))).toBe(
      "1.0005 seconds are not whole milliseconds; 'truncate' drops what is below",
    );
    expect(timestampEncoder({ unit: 'seconds', truncate: true })(-1.0005)).toBe(-1001);
  });

  it.each([
    ['nanos', 981_173_106_789_000_000, 'is not a whole number of nanos up to 2^53 - 1; use a bigint'],
    ['micros', 1_500, "1500 micros are not whole milliseconds; 'truncate' drops what is below"],
    ['nanos', 1n, "1n nanos are not whole milliseconds; 'truncate' drops what is below"],
    ['micros', '1500', 'it is "1500", not a number or bigint of epoch micros'],
    ['iso', 1500, 'it is 1500, not an ISO 8601 text'],
    ['iso', '2001-02-03T04:05:06.7891Z', 'is not an ISO 8601 time of whole milliseconds'],
    ['seconds', null, 'the timestamp is missing'],
  ] as const)('refuses as %s: %o', (of, value, text) => {
    expect(reason(timestampEncoder({ unit: of })(value))).toContain(text);
  });

  it('drops what is below a millisecond of a text where it is told to', () => {
    const encode = timestampEncoder({ unit: 'iso', truncate: true });
    expect(encode('2001-02-03T04:05:06.789999Z')).toBe(981173106789);
    expect(encode('1969-12-31T23:59:59.9999Z')).toBe(-1);
    expect(reason(encode('yesterday'))).toBe(
      '"yesterday" is not an ISO 8601 time, such as 2001-02-03T04:05:06.789Z',
    );
  });
});
