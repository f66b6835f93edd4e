import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnEncoders } from '../src/schema/column-encoders.js';

const json = columnEncoders.json;
const reason = (value: unknown) => {
  const encoded = json(value);
  return typeof encoded === 'string' ? encoded : encoded.reason;
};

describe('JSON columns', () => {
  it('hold what JSON holds: JSON.parse gives the value back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue())), (value) => {
        expect(JSON.parse(reason(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('are written on one line, with 64-bit integers to the last digit and without members that are undefined', () => {
    expect(reason({ a: 'x\n"', b: undefined, c: 2n ** 63n - 1n, d: [null, true], e: -0 })).toBe(
      '{"a":"x\\n\\"","c":9223372036854775807,"d":[null,true],"e":-0.0}',
    );
    // Digits alone would be an integer beyond 64 bits.
    expect(reason({ a: 2 ** 64 })).toBe('{"a":18446744073709552000.0}');
  });

  it('refuse what JSON.stringify would change, and say where it is', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(reason({ a: [{ b: Number.NaN }] })).toBe(
      'at .a[0].b: NaN has no place in JSON; use null for "unknown"',
    );
    expect(reason({ a: new Date(0) })).toBe(
      'at .a: it is a Date (1970-01-01T00:00:00.000Z); map it to plain data',
    );
    expect(reason({ a: new Map() })).toBe('at .a: it is an instance of Map; map it to plain data');
    expect(reason([undefined])).toBe('at [0]: it is undefined, which JSON does not have');
    expect(reason({ a: 2n ** 63n })).toBe('at .a: 9223372036854775808n does not fit 64 bits');
    expect(reason({ a: '\ud800' })).toContain('at .a: "\\ud800" has a lone surrogate');
    expect(reason(cycle)).toMatch(/^at (\.self)+: it is deeper than 500 levels$/);
    expect(reason('text')).toBe('it is "text", not an object');
  });
});

describe('array columns', () => {
  it('hold nulls and empty lists, and each element as its column would', () => {
    expect(columnEncoders['array<long>']([1, null, 2n ** 63n - 1n])).toBe('[1,null,9223372036854775807]');
    expect(columnEncoders['array<double>']([1, 0.5, null, 2 ** 63])).toBe(
      '[1,0.5,null,9223372036854776000.0]',
    );
    expect(columnEncoders['array<string>'](['a', null, ''])).toBe('["a",null,""]');
    expect(columnEncoders['array<string>']([])).toBe('[]');
    expect(columnEncoders['array<long>']([1.5])).toMatchObject({
      reason: 'element 0: 1.5 is not an integer',
    });
    expect(columnEncoders['array<double>'](1)).toMatchObject({ reason: 'it is 1, not an array of numbers' });
  });
});
