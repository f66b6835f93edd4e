import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamRecordError } from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { encodeKey, encodeState, keyIdentity } from '../../src/state/canonical-encoding.js';

/** Every UTF-16 string, also with lone surrogates and zeros. */
const text = fc.oneof(
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 6,
  }),
  fc.constantFrom('', '\u0000', '\u0000\u0007', '\ud800', '\udc00', '__proto__', 'constructor', 'toString'),
);
const primitive = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(
    null,
    undefined,
    NaN,
    -0,
    0,
    Infinity,
    -Infinity,
    2 ** 31,
    -(2 ** 31),
    2 ** 31 - 1,
    2 ** 53,
  ),
);
/** `toStrictEqual` takes a property of this name for the class. */
const NOT_COMPARABLE = 'constructor';
const date = fc.oneof(fc.date(), fc.constant(new Date(NaN)));

function objectOf<T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> {
  return fc
    .uniqueArray(fc.tuple(text, value), { selector: ([name]) => name, maxLength: 4 })
    .map((entries) => Object.fromEntries(entries));
}

const plainKey = fc.letrec<{ key: unknown }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    primitive,
    date,
    fc.array(tie('key'), { maxLength: 4 }),
    objectOf(tie('key')),
  ),
})).key;

const stateValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    primitive,
    date,
    fc.uint8Array({ maxLength: 8 }),
    fc.array(tie('value'), { maxLength: 4 }),
    objectOf(tie('value')).filter((value) => !Object.hasOwn(value, NOT_COMPARABLE)),
    fc.array(fc.tuple(primitive, tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(primitive, { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).value;

/** What equality of keys means, said without bytes. */
function areEqualKeys(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return a === b || (typeof a === 'number' && typeof b === 'number' && a !== a && b !== b);
  }
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && areEqualKeys(a.getTime(), b.getTime());
  }
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => areEqualKeys(item, b[index]));
  }
  const left = new Map<string, unknown>(Object.entries(a));
  const right = new Map<string, unknown>(Object.entries(b));
  return (
    left.size === right.size &&
    [...left].every(([name, item]) => right.has(name) && areEqualKeys(item, right.get(name)))
  );
}

function bytesOf(key: unknown): string {
  return encodeKey(key).toString('hex');
}

describe('canonical encoding', () => {
  it('invariant 1: a decoded state is structurally what was encoded', () => {
    fc.assert(
      fc.property(stateValue, (value) => {
        expect(decodeState(encodeState(value))).toStrictEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps -0 and NaN in state', () => {
    expect(decodeState(encodeState([-0, NaN]))).toStrictEqual([-0, NaN]);
  });

  it('keeps a property named constructor', () => {
    expect(decodeState(encodeState({ constructor: 1 }))).toEqual({ constructor: 1 });
  });

  it('keeps a property named __proto__ as a property', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as Record<string, unknown>;
    const decoded = decodeState(encodeState(value)) as Record<string, unknown>;
    expect(Object.keys(decoded)).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });

  it('invariant 2: keys have the same bytes if and only if they are equal', () => {
    fc.assert(
      fc.property(plainKey, plainKey, (a, b) => {
        expect(bytesOf(a) === bytesOf(b)).toBe(areEqualKeys(a, b));
      }),
      { numRuns: 1000 },
    );
  });

  it('invariant 2: a copy of a key with its properties in another order has the same bytes', () => {
    const reversed = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null || value instanceof Date) return value;
      if (Array.isArray(value)) return value.map(reversed);
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, item]) => [name, reversed(item)]),
      );
    };
    fc.assert(
      fc.property(plainKey, (key) => {
        expect(bytesOf(reversed(key))).toBe(bytesOf(key));
        expect(keyIdentity(reversed(key))).toEqual(keyIdentity(key));
      }),
    );
  });

  it.each([
    ['-0 and 0', -0, 0, true],
    ['two NaN', NaN, Number('x'), true],
    ['bigint and number', 1n, 1, false],
    ['number and string', 1, '1', false],
    ['null and undefined', null, undefined, false],
    ['a date and its number', new Date(5), 5, false],
    ['lone surrogates', '\ud800', '\udc00', false],
    ['a lone surrogate and the replacement character', '\ud800', '\ufffd', false],
    ['property order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['an absent and an undefined property', {}, { a: undefined }, false],
    ['an array and an object like it', ['x'], { 0: 'x' }, false],
    ['nested arrays', [[1], 2], [1, [2]], false],
    ['composed and decomposed é', 'é', 'e\u0301', false],
  ])('invariant 2: %s', (_what, a, b, expected) => {
    expect(bytesOf(a) === bytesOf(b)).toBe(expected);
    expect(new Map([[keyIdentity(a), 1]]).has(keyIdentity(b))).toBe(expected);
  });

  it('gives a Map the same equality of keys as the bytes', () => {
    fc.assert(
      fc.property(plainKey, plainKey, (a, b) => {
        expect(new Set([keyIdentity(a), keyIdentity(b)]).size === 1).toBe(areEqualKeys(a, b));
      }),
      { numRuns: 1000 },
    );
  });

  it('tells a string that looks like an encoded object from the object', () => {
    const objects: unknown[] = [{}, [], [1], { a: 1 }, new Date(0), ['\u0000']];
    for (const object of objects) {
      const identity = keyIdentity(object) as string;
      expect(keyIdentity(identity)).not.toBe(identity);
      expect(keyIdentity(keyIdentity(identity))).not.toBe(keyIdentity(identity));
    }
  });

  it.each([
    [
      'a class instance',
      {
        user: {
          name: new (class Name {
            first = 'x';
          })(),
        },
      },
      'state.user.name',
      'an instance of Name',
    ],
    ['a function', [1, () => 1], 'state[1]', 'function'],
    ['a symbol', { a: Symbol('s') }, 'state.a', 'symbol'],
    ['a boxed number', { a: Object(1) as unknown }, 'state.a', 'Number'],
    ['a typed array that is not bytes', { a: new Float64Array(1) }, 'state.a', 'Float64Array'],
    [
      'an object without a constructor',
      { a: Object.create(Object.create(null) as object) as unknown },
      'state.a',
      'object',
    ],
    ['a value in a Map', new Map([['k', () => 1]]), 'state.value', 'function'],
  ])('invariant 3: refuses %s, with its path', (_what, value, path, what) => {
    let thrown: unknown;
    try {
      encodeState(value);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(StreamRecordError);
    expect((thrown as StreamRecordError).details.path).toBe(path);
    expect((thrown as StreamRecordError).message).toContain(what);
  });

  it.each([
    ['a Date', new (class Moment extends Date {})(0)],
    ['an array', new (class List extends Array {})()],
    ['a Map', new (class Table extends Map {})()],
    ['a Set', new (class Bag extends Set {})()],
  ])('invariant 3: refuses a subclass of %s, which could not be restored', (_what, value) => {
    expect(() => encodeState(value)).toThrow(StreamRecordError);
  });

  it('invariant 3: refuses symbols as property names instead of leaving them out', () => {
    expect(() => encodeState({ [Symbol('s')]: 1 })).toThrow(StreamRecordError);
  });

  it('invariant 3: refuses a cycle', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => encodeState(cycle)).toThrow(/a cycle\?/);
    expect(() => encodeKey(cycle)).toThrow(/a cycle\?/);
  });

  it.each([
    ['bytes', new Uint8Array(1)],
    ['a Map', new Map()],
    ['a function', () => 1],
  ])('refuses %s as a key', (_what, key) => {
    expect(() => encodeKey(key)).toThrow(StreamRecordError);
    expect(() => keyIdentity(key)).toThrow(StreamRecordError);
  });

  it('encodes the next key well after a key was refused half-way', () => {
    const before = bytesOf(['a', 1]);
    expect(() => encodeKey(['a', 1, () => 1])).toThrow(StreamRecordError);
    expect(bytesOf(['a', 1])).toBe(before);
  });

  it('encodes keys and states of any size', () => {
    const long = 'x'.repeat(3_000_000);
    expect(decodeState(encodeKey(long))).toBe(long);
    expect(decodeState(encodeState({ long }))).toEqual({ long });
    expect(decodeState(encodeKey('short'))).toBe('short');
  });

  it('decodes damaged bytes to a value or a RangeError, nothing else', () => {
    fc.assert(
      fc.property(
        stateValue,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.option(fc.nat(), { nil: undefined }),
        (value, at, byte, cutAt) => {
          const bytes = Uint8Array.from(encodeState(value));
          bytes[at % bytes.length] = byte;
          const damaged = cutAt === undefined ? bytes : bytes.subarray(0, cutAt % bytes.length);
          try {
            decodeState(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['no bytes', []],
    ['an unknown tag', [200]],
    ['bytes after the value', [0, 0]],
    ['text that is cut off', [7, 9, 0, 0, 0, 65]],
    ['an array that claims to be huge', [11, 255, 255, 255, 255]],
    ['a bigint of null', [6, 1]],
    ['a bigint without digits', [6, 7, 2, 0, 0, 0, 120, 120]],
    ['a date of a text', [10, 7, 1, 0, 0, 0, 65]],
    ['a property name that is no text', [12, 1, 0, 0, 0, 0, 0]],
  ])('refuses %s with a RangeError', (_what, bytes) => {
    expect(() => decodeState(Uint8Array.from(bytes))).toThrow(RangeError);
  });
});
