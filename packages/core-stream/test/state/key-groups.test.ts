import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeKey } from '../../src/state/canonical-encoding.js';
import {
  DEFAULT_MAX_PARALLELISM,
  keyGroupOf,
  keyGroupRangeOf,
  murmur3,
  subtaskOfKeyGroup,
} from '../../src/state/key-groups.js';

describe('murmur3', () => {
  // MurmurHash3_x86_32 with seed 0: the vectors that implementations share.
  it.each([
    ['', 0x00000000],
    ['a', 0x3c2569b2],
    ['abc', 0xb3dd93fa],
    ['test', 0xba6bd213],
    ['hello', 0x248bfa47],
    ['hello, world', 0x149bbb7f],
    ['Hello, world!', 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('of %j', (text, expected) => {
    expect(murmur3(Buffer.from(text)).toString(16)).toBe(expected.toString(16));
  });

  it.each([
    [[0xff, 0xff, 0xff, 0xff], 0x76293b50],
    [[0x21, 0x43, 0x65, 0x87], 0xf55b516b],
    [[0x21, 0x43, 0x65], 0x7e4a8634],
    [[0x21, 0x43], 0xa0f7b07a],
    [[0x21], 0x72661cf4],
    [[0, 0, 0, 0], 0x2362f9de],
    [[0, 0, 0], 0x85f0b427],
    [[0, 0], 0x30f4c306],
    [[0], 0x514e28b7],
  ])('of the bytes %j', (bytes, expected) => {
    expect(murmur3(Uint8Array.from(bytes)).toString(16)).toBe(expected.toString(16));
  });
});

describe('key groups', () => {
  it('are murmur3 of the canonical bytes, also where the bytes are never written', () => {
    const unit = fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 0xff }) },
      fc.constantFrom(0x100, 0xffff),
    );
    const text = fc.string({ unit: unit.map((code) => String.fromCharCode(code)), maxLength: 12 });
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-0, NaN, 2 ** 31, -(2 ** 31)));
    fc.assert(
      fc.property(fc.oneof(text, number, fc.tuple(text, number)), (key) => {
        expect(keyGroupOf(key, 2 ** 31)).toBe(murmur3(encodeKey(key)) % 2 ** 31);
      }),
      { numRuns: 1000 },
    );
    const long = 'x'.repeat(1 << 24);
    expect(keyGroupOf(long, 2 ** 31)).toBe(murmur3(encodeKey(long)) % 2 ** 31);
  });

  it('ranges cover every key group once, for every parallelism up to the maximum', () => {
    for (const max of [1, 2, 7, 100, DEFAULT_MAX_PARALLELISM]) {
      for (let parallelism = 1; parallelism <= max; parallelism++) {
        let next = 0;
        for (let subtask = 0; subtask < parallelism; subtask++) {
          const range = keyGroupRangeOf(subtask, parallelism, max);
          expect(range.start).toBe(next);
          expect(range.end).toBeGreaterThan(range.start);
          for (let group = range.start; group < range.end; group++) {
            if (subtaskOfKeyGroup(group, parallelism, max) !== subtask) {
              expect.fail(`group ${group} of ${max} at parallelism ${parallelism} is not ${subtask}'s`);
            }
          }
          next = range.end;
        }
        expect(next).toBe(max);
      }
    }
  });

  it('agrees between owner and sender at the highest maximum', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32_768 }), fc.nat(), fc.nat(), (max, p, g) => {
        const parallelism = 1 + (p % max);
        const group = g % max;
        const range = keyGroupRangeOf(subtaskOfKeyGroup(group, parallelism, max), parallelism, max);
        expect(range.start <= group && group < range.end).toBe(true);
      }),
    );
  });

  it('depends on the key as a value, not on its identity', () => {
    expect(keyGroupOf({ a: 1, b: [2] }, 128)).toBe(keyGroupOf({ b: [2], a: 1 }, 128));
    expect(keyGroupOf(-0, 128)).toBe(keyGroupOf(0, 128));
  });

  it('never moves: groups are in checkpoints', () => {
    expect(['a', 'b', 'page-1', 7, 7n, null, ['a', 1]].map((key) => keyGroupOf(key, 128)))
      .toMatchInlineSnapshot(`
      [
        118,
        34,
        5,
        9,
        109,
        43,
        21,
      ]
    `);
  });
});
