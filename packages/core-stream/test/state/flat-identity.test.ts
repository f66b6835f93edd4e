import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeKey, keyIdentity } from '../../src/state/canonical-encoding.js';
import { flatIdentity } from '../../src/state/flat-identity.js';

const text = fc.oneof(
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 3,
  }),
  // What the marks and separators of an identity are made of.
  fc.string({ unit: fc.constantFrom('i', 'l', 'd', 's', ',', ':', '=', '1', '\u0000', '\u0001', '[', '{') }),
);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(
    NaN,
    -0,
    Infinity,
    -Infinity,
    2 ** 31,
    -(2 ** 31),
    2 ** 32,
    -(2 ** 32),
    2 ** 53,
    -(2 ** 53),
  ),
);
const item = fc.oneof(
  { weight: 8, arbitrary: fc.oneof(text, number) },
  fc.constantFrom(null, undefined, true, 1n),
);
const name = fc.oneof(fc.constantFrom('a', 'b', 'ab', '', '1', '2', '1:a', '__proto__', '='), text);
const key = fc.oneof(
  fc.array(item, { maxLength: 3 }),
  fc.uniqueArray(fc.tuple(name, item), { selector: ([own]) => own, maxLength: 3 }).map(Object.fromEntries),
);

const bytesOf = (value: unknown): string => encodeKey(value).toString('hex');

describe('flat identity', () => {
  it('invariant 1: is the same if and only if the canonical bytes are', () => {
    fc.assert(
      fc.property(fc.array(key, { minLength: 2, maxLength: 30 }), (keys) => {
        for (const a of keys) {
          for (const b of keys) {
            expect(keyIdentity(a) === keyIdentity(b)).toBe(bytesOf(a) === bytesOf(b));
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('invariant 1: numbers that differ in any bit range are told apart, wherever they are', () => {
    const numbers = [
      0,
      1,
      -1,
      2 ** 16,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32,
      2 ** 32 + 1,
      -(2 ** 32),
      2 ** 48,
      -(2 ** 48),
    ];
    const more = [
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      2 ** 53,
      1.5,
      -1.5,
      NaN,
      Infinity,
      5e-324,
    ];
    const keys = [...numbers, ...more].flatMap((n) => [[n], [n, 0], { n }]);
    expect(new Set(keys.map(keyIdentity)).size).toBe(keys.length);
  });

  it.each([
    ['-0 and 0', [-0], [0], true],
    ['two NaN', [NaN], [Number('x')], true],
    ['number and text', [1], ['1'], false],
    ['number and bigint', [1], [1n], false],
    ['text split elsewhere', ['a', 'bc'], ['ab', 'c'], false],
    ['an array and an object like it', ['x'], { 0: 'x' }, false],
    ['properties in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['names split elsewhere', { a: 1, bc: 2 }, { ab: 1, c: 2 }, false],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }, true],
    ['an empty array and an empty object', [], {}, false],
    ['an absent and an undefined property', {}, { a: undefined }, false],
    ['a hole and undefined', [, 1], [undefined, 1], true], // eslint-disable-line no-sparse-arrays
    ['9 items', [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9], true],
  ])('invariant 1: %s', (_what, a, b, expected) => {
    expect(keyIdentity(a) === keyIdentity(b)).toBe(expected);
    expect(bytesOf(a) === bytesOf(b)).toBe(expected);
  });

  it('invariant 2: leaves anything that is not small and flat to the canonical bytes', () => {
    const long = 'x'.repeat(0x1_0000);
    const nine = Array.from({ length: 9 }, (_, i) => i);
    const others = [[long], { long }, nine, { ...nine }, [[1]], { a: {} }, [true], [null], [1n], new Date(0)];
    for (const other of others) expect(flatIdentity(other)).toBeUndefined();
    expect(flatIdentity(nine.slice(1))).toBeDefined();
    expect(flatIdentity({ ...nine.slice(1) })).toBeDefined();
    expect(flatIdentity([long.slice(1)])).toBeDefined();
  });

  it('invariant 3: no key string equals an identity', () => {
    for (const identity of [[1], ['a'], { a: 1 }, {}, []].map((flat) => keyIdentity(flat) as string)) {
      expect(keyIdentity(identity)).not.toBe(identity);
    }
  });

  it('forgets the properties of the object before', () => {
    const keys = [{ a: 1 }, { a: 1, b: 1 }, { b: 1 }, {}, { a: 1 }];
    expect(keys.map(keyIdentity).map((own, _, all) => all.indexOf(own))).toEqual([0, 1, 2, 3, 0]);
  });
});
