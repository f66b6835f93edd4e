import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockToJsonArray, LineBlocks } from '../src/line-blocks.js';

/** Cuts `bytes` at arbitrary places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

function read(chunks: readonly Buffer[]): { values: unknown[]; isComplete: boolean } {
  const lines = new LineBlocks();
  const values: unknown[] = [];
  for (const chunk of chunks) {
    const block = lines.push(chunk);
    if (block === '') continue;
    const { text, count } = blockToJsonArray(block);
    const parsed = JSON.parse(text) as unknown[];
    expect(parsed).toHaveLength(count);
    values.push(...parsed);
  }
  return { values, isComplete: lines.isComplete };
}

const result = (rows: readonly unknown[]) =>
  Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('') + '\n');

describe('LineBlocks', () => {
  it('gives all rows whatever the chunks (invariants 1 and 2)', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(fc.nat()), (rows, places) => {
        const expected = JSON.parse(JSON.stringify(rows)) as unknown[];
        expect(read(cut(result(rows), places))).toEqual({ values: expected, isComplete: true });
      }),
    );
  });

  it('is not complete when cut short anywhere (invariant 2)', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(), fc.array(fc.nat()), (rows, length, places) => {
        const whole = result(rows);
        const { isComplete } = read(cut(whole.subarray(0, length % whole.length), places));
        expect(isComplete).toBe(false);
      }),
    );
  });

  it.each([['[1]\n\n[2]\n'], ['[1]\n\n\n'], ['[1]\n\nx']])('refuses data after the end: %j', (text) => {
    expect(() => read([Buffer.from(text)])).toThrow(SyntaxError);
    expect(() => read([...Buffer.from(text)].map((byte) => Buffer.from([byte])))).toThrow(SyntaxError);
  });
});
