import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LookupKeys } from '../../src/lookup/lookup-key.js';
import { DruidSourceConfigError, DruidSourceRecordError } from '../../src/index.js';

it('asks for keys by typed parameters; those that differ in the last column alone share an IN', () => {
  const keys = new LookupKeys({ country: 'string', id: 'long' });
  const wanted = [
    { country: 'fi', id: 1 },
    { country: "o'ne", id: 2n },
    { country: 'fi', id: 9_007_199_254_740_993n },
  ].map((key) => keys.wanted(key)!);
  const { text, parameters } = keys.condition(wanted).toStatement();
  expect(text).toBe('(("country" = ? AND "id" IN (?, ?)) OR ("country" = ? AND "id" IN (?)))');
  expect(parameters).toEqual([
    { type: 'VARCHAR', value: 'fi' },
    { type: 'BIGINT', value: 1 },
    { type: 'BIGINT', value: 9_007_199_254_740_993n },
    { type: 'VARCHAR', value: "o'ne" },
    { type: 'BIGINT', value: 2n },
  ]);
});

it('asks for a single column by one IN', () => {
  const keys = new LookupKeys({ id: 'string' });
  const wanted = ['a', 'b'].map((id) => keys.wanted({ id })!);
  expect(keys.condition(wanted).toStatement().text).toBe('(("id" IN (?, ?)))');
});

it('has one text for an integer in either form, and different texts for different keys', () => {
  const long = new LookupKeys({ id: 'long' });
  expect(long.wanted({ id: 7 })?.id).toBe(long.wanted({ id: 7n })?.id);
  expect(long.wanted({ id: -0 })?.id).toBe(long.wanted({ id: 0 })?.id);
  const keys = new LookupKeys({ a: 'string', b: 'string' });
  const part = fc.stringMatching(/^[0-9:ab]{0,4}$/);
  fc.assert(
    fc.property(part, part, part, part, (a, b, c, d) => {
      const isSame = keys.idOf([a, b]) === keys.idOf([c, d]);
      expect(isSame).toBe(a === c && b === d);
    }),
    { numRuns: 300 },
  );
});

it('asks for nothing that no row can match', () => {
  const keys = new LookupKeys({ country: 'string', id: 'long' });
  expect(keys.wanted({ country: null, id: 1 })).toBeUndefined();
  expect(keys.wanted({ country: 'fi', id: undefined })).toBeUndefined();
  const canExist = (country: string, id: number | bigint) => keys.canExist(keys.wanted({ country, id })!);
  expect(canExist('\ud800', 1)).toBe(false);
  expect(canExist('fi', 2n ** 63n)).toBe(false);
  expect(canExist('\u{1f600}', -(2n ** 63n))).toBe(true);
});

it.each([1.5, 2 ** 53, Number.NaN, '7', true, {}])('refuses %j for a long', (id) => {
  const keys = new LookupKeys({ id: 'long' });
  expect(() => keys.wanted({ id })).toThrow(DruidSourceRecordError);
});

it('refuses a number for a string, and key columns that cannot be', () => {
  expect(() => new LookupKeys({ a: 'string' }).wanted({ a: 1 })).toThrow(/Key column 'a'.*asked for 1/);
  expect(() => new LookupKeys({})).toThrow(DruidSourceConfigError);
  expect(() => new LookupKeys({ a: 'double' as never })).toThrow(/'string' or 'long'/);
});
