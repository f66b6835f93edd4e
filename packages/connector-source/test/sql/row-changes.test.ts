import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyChange, changesTo, knownRows } from '../../src/sql/row-changes.js';

const rows = fc.uniqueArray(
  fc.record({ page: fc.constantFrom('a', 'b', 'c', 'd', null), n: fc.integer({ min: 0, max: 2 }) }),
  { selector: (row) => row.page, maxLength: 5 },
);

it('leads from any result to any other by changes of rows that differ, and by no others', () => {
  fc.assert(
    fc.property(rows, rows, (before, after) => {
      const known = knownRows(before, ['page']);
      const changes = changesTo(knownRows(after, ['page']), known);
      const table = new Map<string | null, number>(before.map((row) => [row.page, row.n]));
      for (const change of changes) {
        const { page, n } = change.row as { page: string | null; n: number };
        if (change.kind === 'delete') {
          expect(table.get(page)).toBe(n);
          table.delete(page);
        } else {
          expect(table.get(page)).not.toBe(n);
          table.set(page, n);
        }
        applyChange(known, change);
      }
      expect(table).toEqual(new Map(after.map((row) => [row.page, row.n])));
      expect(changesTo(knownRows(after, ['page']), known)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

it('tells null, text, bigint and number apart', () => {
  const known = knownRows(
    [{ k: 'null' }, { k: null }, { k: 1 }, { k: 1n }, { k: '1' }, { k: Number.NaN }],
    ['k'],
  );
  expect(known.size).toBe(6);
});

it('refuses two rows of one key, and a key that is no column', () => {
  expect(() =>
    knownRows(
      [
        { a: 1, b: 1 },
        { a: 1, b: 2 },
      ],
      ['a'],
    ),
  ).toThrow(/two rows with a = \[1\].*GROUP BY/);
  expect(() => knownRows([{ a: 1 }], ['c'])).toThrow(/no column 'c'.*it has: a/);
});
