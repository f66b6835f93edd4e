import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rowValidAt } from '../../src/lookup/lookup-entry.js';
import { DruidSourceConfigError } from '../../src/index.js';

it('finds the latest version that is not later than the record', () => {
  const moment = fc.integer({ min: -20, max: 20 });
  fc.assert(
    fc.property(fc.uniqueArray(moment, { maxLength: 12 }), moment, (times, timestamp) => {
      const validFrom = times.toSorted((a, b) => a - b);
      const expected = validFrom.filter((from) => from <= timestamp).at(-1);
      expect(rowValidAt({ rows: validFrom, validFrom }, timestamp)).toBe(expected);
    }),
    { numRuns: 300 },
  );
});

it('does not guess the time of a record without a timestamp', () => {
  expect(() => rowValidAt({ rows: [], validFrom: [] }, undefined)).toThrow(DruidSourceConfigError);
});
