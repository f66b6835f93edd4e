import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replaceBigInts } from '../src/columns.js';
import { decodeJson } from '../src/json-decode.js';
import { encodeJson } from '../src/json-encode.js';

const big = '9007199254740993';
const isLong = (_: string, value: unknown) => {
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error('not a value of this test');
  return value;
};
/** No integer literals beyond 2^53 - 1, which doubles such as 1e20 are printed as. */
const withoutLongIntegers = (text: string) => {
  try {
    JSON.parse(text, isLong);
    return true;
  } catch {
    return false;
  }
};

describe('decodeJson', () => {
  it('equals JSON.parse where no integer is beyond 2^53 (invariant 1)', () => {
    fc.assert(
      fc.property(fc.json().filter(withoutLongIntegers), (text) => {
        expect(decodeJson(text)).toEqual({ value: JSON.parse(text), hasBigInt: false });
      }),
    );
  });

  it('equals JSON.parse on its own parser, too (invariant 1)', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(2), (value, space) => {
        fc.pre(withoutLongIntegers(JSON.stringify(value)));
        // The long integer in front sends the text through the exact parser.
        const text = JSON.stringify([0, value], null, space).replace('0', big);
        expect(decodeJson(text).value).toEqual([BigInt(big), JSON.parse(JSON.stringify(value))]);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps every 64-bit integer exact, wherever it stands', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const isSafe = (n: bigint) => Number.isSafeInteger(Number(n));
    fc.assert(
      fc.property(fc.array(int64), fc.string(), (integers, text) => {
        const { value } = decodeJson(encodeJson({ integers, text, nested: [{ a: integers }] }));
        const expected = integers.map((n) => (isSafe(n) ? Number(n) : n));
        expect(value).toEqual({ integers: expected, text, nested: [{ a: expected }] });
      }),
    );
  });

  it.each(Array.from({ length: 34 }, (_, before) => before))(
    'finds a long integer after %i bytes',
    (before) => {
      expect(decodeJson(`["${'x'.repeat(before)}",${big}]`).value).toEqual(['x'.repeat(before), BigInt(big)]);
      expect(decodeJson(`${' '.repeat(before)}${big}`).value).toEqual(BigInt(big));
    },
  );

  it.each([
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9223372036854775808', -9223372036854775808n],
    ['[1, 9223372036854775807]', [1, 9223372036854775807n]],
    [
      '{"__proto__":9223372036854775807}',
      JSON.parse('{"__proto__":0}', (k, v) => (k === '__proto__' ? 9223372036854775807n : v)),
    ],
  ])('reads %s', (text, expected) => {
    expect(decodeJson(text).value).toEqual(expected);
  });

  it.each(['0.3000000000000000444', '1234567890123456.5', '12345678901234567E3', '"1234567890123456789"'])(
    'leaves %s alone: it is not an integer',
    (text) => {
      expect(decodeJson(text)).toEqual({ value: JSON.parse(text), hasBigInt: false });
    },
  );

  it('refuses what JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (text, at, insert) => {
        const start = `[${big},`;
        const broken = `${start}${text.slice(0, at % text.length)}${insert}${text.slice(at % text.length)}]`;
        const attempt = (parse: (text: string) => unknown) => {
          try {
            return { value: parse(broken) };
          } catch (error) {
            return (error as Error).name;
          }
        };
        const oracle = attempt(JSON.parse);
        const found = attempt((json) => replaceBigInts(decodeJson(json).value, 'string', () => new Error()));
        if (oracle === 'SyntaxError') expect(found).toBe('SyntaxError');
        else expect(typeof found).toBe('object');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('encodeJson', () => {
  it('equals JSON.stringify where there is neither bigint nor -0', () => {
    const numbers = fc.double({ noNaN: true, noDefaultInfinity: true });
    const finite = [fc.boolean(), fc.integer(), numbers, fc.string(), fc.constantFrom(null, undefined)];
    const withoutSigns = (text: string): string => JSON.stringify(JSON.parse(text));
    fc.assert(
      fc.property(fc.anything({ withDate: true, maxDepth: 3, values: finite }), (value) => {
        fc.pre(value !== undefined);
        expect(withoutSigns(encodeJson(value))).toBe(withoutSigns(JSON.stringify(value)));
      }),
    );
  });

  it('writes bigint with all its digits, and -0 with its sign', () => {
    expect(encodeJson({ id: 9223372036854775807n, gone: undefined })).toBe('{"id":9223372036854775807}');
    expect(encodeJson([-0, 0, { a: -0 }])).toBe('[-0.0,0,{"a":-0.0}]');
  });

  it.each([NaN, Infinity, -Infinity])('refuses %s, which JSON.stringify would make null', (value) => {
    expect(() => encodeJson({ a: [value] })).toThrow(`${value} is no number that JSON can carry`);
  });
});
