import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonArrayElements } from '../src/json-array-elements.js';

function read(bytes: Buffer, places: readonly number[]): { values: unknown[]; isComplete: boolean } {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const elements = new JsonArrayElements();
  const values = cuts
    .slice(1)
    .flatMap((end, i) => elements.push(bytes.subarray(cuts[i], end)))
    .map((text) => JSON.parse(text) as unknown);
  return { values, isComplete: elements.isComplete };
}

describe('JsonArrayElements', () => {
  it('gives all elements whatever the chunks (invariant 1)', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(2), fc.array(fc.nat()), (rows, space, places) => {
        const text = JSON.stringify(rows, null, space);
        expect(read(Buffer.from(text), places)).toEqual({ values: JSON.parse(text), isComplete: true });
      }),
      { numRuns: 300 },
    );
  });

  it('gives a prefix and is not complete when cut short anywhere (invariant 1)', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(), fc.array(fc.nat()), (rows, length, places) => {
        const whole = Buffer.from(JSON.stringify(rows));
        const { values, isComplete } = read(whole.subarray(0, length % whole.length), places);
        expect(isComplete).toBe(false);
        expect(values).toEqual((JSON.parse(JSON.stringify(rows)) as unknown[]).slice(0, values.length));
      }),
      { numRuns: 300 },
    );
  });

  it.each(['[1,]', '[,1]', '[1,,2]', '[1] x', '[1]]', '{"error":"x"}', 'null', '[1 2]', '[}]', '[{]}'])(
    'refuses %s, or does not call it complete',
    (text) => {
      let isComplete = false;
      try {
        isComplete = read(Buffer.from(text), []).isComplete;
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
      expect(isComplete).toBe(false);
    },
  );
});
