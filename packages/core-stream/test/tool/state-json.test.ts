import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamConfigError } from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { fromStateJson, toStateJson } from '../../src/tool/state-json.js';

describe('state as JSON', () => {
  it.each([
    [new Map([['a', 1]]), '{"$map":[["a",1]]}'],
    [new Set([1, 2]), '{"$set":[1,2]}'],
    [new Date(0), '{"$date":"1970-01-01T00:00:00.000Z"}'],
    [new Date(NaN), '{"$date":"Invalid Date"}'],
    [12n, '{"$bigint":"12"}'],
    [Uint8Array.of(1, 255), '{"$bytes":"Af8="}'],
    [NaN, '{"$number":"NaN"}'],
    [-Infinity, '{"$number":"-Infinity"}'],
    [-0, '{"$number":"-0"}'],
    [{ a: undefined }, '{"a":{"$undefined":true}}'],
    [{ $map: 1, plain: [null, 'x', true] }, '{"$$map":1,"plain":[null,"x",true]}'],
  ])('%o is %s', (value, json) => {
    expect(JSON.stringify(toStateJson(value))).toBe(json);
    expect(fromStateJson(JSON.parse(json))).toEqual(value);
  });

  it('loses nothing of any state', () => {
    const { state } = fc.letrec<{ state: unknown }>((tie) => ({
      state: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.bigInt(), fc.date()),
        fc.constantFrom(null, undefined, -0, NaN),
        fc.uint8Array(),
        fc.array(tie('state')),
        fc.array(fc.tuple(fc.string(), tie('state'))).map((entries) => new Map(entries)),
        fc.array(tie('state')).map((items) => new Set(items)),
        fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('$map', '$', '$$', '__proto__')), tie('state')),
      ),
    }));
    fc.assert(
      fc.property(state, (value) => {
        const stored = decodeState(encodeState(value)); // what a reader gives
        const back = fromStateJson(JSON.parse(JSON.stringify(toStateJson(stored))));
        expect(encodeState(back)).toEqual(encodeState(stored));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a tag that it does not know', () => {
    expect(() => fromStateJson({ $regexp: 'x' })).toThrow(StreamConfigError);
    expect(() => fromStateJson({ $regexp: 'x' })).toThrow("Write a property of that name as '$$regexp'.");
  });
});
