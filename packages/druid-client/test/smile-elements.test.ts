import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmileElements } from '../src/smile-elements.js';
import { SmileEncoder } from './smile-encode.js';

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ minLength: 20, maxLength: 140 }),
  fc.constantFrom('ATL', 'LAX', 'a', '', 'é'.repeat(32), 'é'.repeat(33), 'x'.repeat(32), 'x'.repeat(64)),
);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const cell: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.maxSafeInteger(),
  fc.integer({ min: -20, max: 20 }),
  fc.double(),
  fc.constantFrom(
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    2 ** 31,
    -(2 ** 31) - 1,
    null,
    true,
    false,
  ),
  int64,
  fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
  fc.float().map((value) => new Float32Array([value])),
  fc.uint8Array({ maxLength: 20 }),
  fc.array(text, { maxLength: 4 }),
  fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
);
const rows = fc.array(fc.array(cell, { maxLength: 5 }), { maxLength: 8 });
const element = fc.oneof(
  rows.map((events) => ({ segmentId: 's', columns: ['a'], events })),
  fc.dictionary(text, cell, { maxKeys: 4, noNullPrototype: true }),
);
const answer = fc.array(element, { maxLength: 4 });
const shares = fc.record({ names: fc.boolean(), strings: fc.boolean() });

/** What is handed out: bigint only where a double would round, bytes as base64, floats as numbers. */
function expected(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Float32Array) return value[0];
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expected(item)]));
}

const holdsBigInt = (value: unknown): boolean =>
  typeof value === 'bigint' ||
  (typeof value === 'object' && value !== null && Object.values(value).some(holdsBigInt));

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

function read(chunks: readonly Buffer[]) {
  const elements = new SmileElements();
  const values = chunks.flatMap((chunk) => elements.push(chunk));
  return { values, isComplete: elements.isComplete };
}

const smile = (...bytes: number[]) => Buffer.from([0x3a, 0x29, 0x0a, 0, ...bytes]);

describe('SmileElements', () => {
  it('gives what was encoded, whatever the chunks', () => {
    fc.assert(
      fc.property(answer, shares, fc.array(fc.nat()), (value, shared, places) => {
        const { values, isComplete } = read(cut(new SmileEncoder(shared).document(value), places));
        const wanted = value.map((each) => expected(each));
        expect(values).toEqual(wanted.map((each) => ({ value: each, hasBigInt: holdsBigInt(each) })));
        expect(isComplete).toBe(true);
      }),
    );
  });

  it('gives the same byte by byte', () => {
    fc.assert(
      fc.property(answer, shares, (value, shared) => {
        const bytes = new SmileEncoder(shared).document(value);
        expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(read([bytes]));
      }),
      { numRuns: 50 },
    );
  });

  it('is not complete when cut short anywhere (invariant 1)', () => {
    fc.assert(
      fc.property(answer, shares, fc.nat(), fc.array(fc.nat()), (value, shared, length, places) => {
        const bytes = new SmileEncoder(shared).document(value);
        expect(read(cut(bytes.subarray(0, length % bytes.length), places)).isComplete).toBe(false);
      }),
    );
  });

  it('ends in SyntaxError or in no completeness on any other bytes', () => {
    fc.assert(
      fc.property(
        answer,
        shares,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        (value, shared, place, byte) => {
          const bytes = new SmileEncoder(shared).document(value);
          bytes[place % bytes.length] = byte;
          try {
            read([bytes]);
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError);
          }
        },
      ),
    );
  });

  it('begins its tables of names and texts anew after 1,024', () => {
    const names = Array.from({ length: 2_500 }, (_, i) => `name${i}`);
    const value = [Object.fromEntries(names.map((name) => [name, `of ${name}`])), { events: [names, names] }];
    const bytes = new SmileEncoder({ names: true, strings: true }).document(value);
    expect(read(cut(bytes, [1000, 5000, 9000, 20_000])).values.map((each) => each.value)).toEqual(value);
  });

  it('does not take what earlier chunks left behind for the value of a name that is cut off', () => {
    let nested: unknown = [];
    for (let depth = 0; depth < 200; depth++) nested = [nested];
    const name = 'n'.repeat(60);
    const value = [{ nested, [name]: 'text' }];
    const bytes = new SmileEncoder({ names: true, strings: true }).document(value);
    const at = bytes.indexOf(name) + 2;
    expect(read([bytes.subarray(0, at - 3), bytes.subarray(at - 3, at), bytes.subarray(at)]).values).toEqual([
      { value: value[0], hasBigInt: false },
    ]);
  });

  it.each([
    ['other data', Buffer.from('[{"a":1}]')],
    ['another version', Buffer.from([0x3a, 0x29, 0x0a, 0x10, 0xf8, 0xf9])],
    ['no array', smile(0xfa, 0xfb)],
    ['no object in the array', smile(0xf8, 0xc2, 0xf9)],
    ['data after the end', smile(0xf8, 0xf9, 0xc2)],
    ['a byte without meaning', smile(0xf8, 0xfa, 0x80, 0x61, 0xf0, 0xfb, 0xf9)],
    ['a name that was not there', smile(0xf8, 0xfa, 0x45, 0xc2, 0xfb, 0xf9)],
    ['an integer without end', smile(0xf8, 0xfa, 0x80, 0x61, 0x25, ...Array<number>(30).fill(1), 0xfb, 0xf9)],
  ])('refuses %s', (_, bytes) => {
    expect(() => read([bytes])).toThrow(SyntaxError);
    expect(() => read([...bytes].map((byte) => Buffer.from([byte])))).toThrow(SyntaxError);
  });
});
