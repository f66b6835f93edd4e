import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rowValidAt } from '../../src/lookup/lookup-entry.js';
import { DruidSourceConfigError } from '../../src/index.js';

it('finds the latest version that is not later than the record, unless it has ended', () => {
  const moment = fc.integer({ min: -20, max: 20 });
  const version = fc.record({ from: moment, to: fc.option(moment) });
  const versions = fc.uniqueArray(version, { maxLength: 12, selector: ({ from }) => from });
  fc.assert(
    fc.property(versions, moment, (found, timestamp) => {
      const rows = found.toSorted((a, b) => a.from - b.from);
      const latest = rows.filter(({ from }) => from <= timestamp).at(-1);
      const hasEnded = latest !== undefined && latest.to !== null && timestamp >= latest.to;
      expect(rowValidAt({ rows, valid: rows }, timestamp)).toBe(hasEnded ? undefined : latest);
    }),
    { numRuns: 300 },
  );
});

it('does not guess the time of a record without a timestamp', () => {
  expect(() => rowValidAt({ rows: [], valid: [] }, undefined)).toThrow(DruidSourceConfigError);
});
