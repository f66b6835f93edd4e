import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentName } from '../../src/checkpoint/segment-name.js';

const id = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', 'A', '.', '/', '%', '2', 'E', 'é', '\u0000'), maxLength: 6 }),
  fc.string({ unit: 'grapheme', minLength: 150, maxLength: 400 }),
);

describe('the name of a segment’s object', () => {
  it.each([
    ['count-1a2b3c4d-7', 'segments/count-1a2b3c4d-7'],
    ['.hidden', 'segments/%2Ehidden'],
    ['..', 'segments/%2E.'],
    ['../../etc/passwd', 'segments/%2E.%2F..%2Fetc%2Fpasswd'],
    ['a b', 'segments/a%20b'],
    ['a%20b', 'segments/a%2520b'],
    ['é', 'segments/%C3%A9'],
    ['C:\\x', 'segments/C%3A%5Cx'],
  ])('of %j is %s', (from, name) => {
    expect(segmentName(from)).toBe(name);
  });

  it('is one that every store takes', () => {
    fc.assert(
      fc.property(id, (any) => {
        expect(segmentName(any)).toMatch(/^segments\/(?!\.)[A-Za-z0-9_.%-]{0,180}$/);
      }),
      { numRuns: 300 },
    );
  });

  it('is its own: two ids have one name only where they are the same as text', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(segmentName(a) === segmentName(b)).toBe(Buffer.from(a).equals(Buffer.from(b)));
      }),
      { numRuns: 300 },
    );
    const long = 'x'.repeat(300);
    expect(segmentName(`${long}a`)).not.toBe(segmentName(`${long}b`));
    // A long one that looks like the cut name of another.
    expect(segmentName(segmentName(long).slice('segments/'.length))).toBe(segmentName(long));
  });
});
