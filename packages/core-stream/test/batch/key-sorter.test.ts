import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeySorter } from '../../src/batch/key-sorter.js';
import { StreamRecordError } from '../../src/index.js';
import { encodeKey } from '../../src/state/canonical-encoding.js';

interface Item {
  readonly key: unknown;
  readonly timestamp: number;
  readonly input: 0 | 1;
  readonly value: unknown;
}
/** Key bytes, timestamp, input, value. */
type Row = readonly [string, number, number, unknown];

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'millrace-sorter-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function sorter(maxRecords: number, order: 'key-and-time' | 'arrival' = 'key-and-time'): KeySorter {
  return new KeySorter({ operatorName: 'sums', order, maxRecords, directory });
}

function sort(items: readonly Item[], used: KeySorter): Row[] {
  for (const { key, timestamp, input, value } of items) used.add(key, timestamp, input, value);
  const cursor = used.sorted();
  const rows: Row[] = [];
  while (cursor.advance()) rows.push([cursor.sortKey, cursor.timestamp, cursor.input, cursor.value]);
  expect(cursor.advance()).toBe(false);
  return rows;
}

/** The same in one sort over everything. */
function naive(items: readonly Item[]): Row[] {
  const rows = items.map(({ key, timestamp, input, value }): Row => [
    encodeKey(key).toString('latin1'),
    timestamp,
    input,
    value,
  ]);
  const before = (a: number | string, b: number | string) => (a < b ? -1 : a > b ? 1 : 0);
  return rows.sort((a, b) => before(a[0], b[0]) || before(a[1], b[1]) || before(a[2], b[2]));
}

const keys = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.constantFrom('', 'a', 'b', 'ß', '漢', null, undefined, NaN, -0, 1n, true),
  fc.record({ a: fc.integer({ min: 0, max: 2 }) }),
  fc.tuple(fc.constantFrom('x', 'y')),
);
const items = fc.array(
  fc.record({
    key: keys,
    timestamp: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NEGATIVE_INFINITY)),
    input: fc.constantFrom<0 | 1>(0, 1),
  }),
  { maxLength: 400 },
);
/** Values that tell records apart, and vary in size. */
const numbered = (drawn: readonly Omit<Item, 'value'>[]): Item[] =>
  drawn.map((item, index) => ({ ...item, value: { index, text: 'x'.repeat(index % 7) } }));

describe('KeySorter', () => {
  it('gives records by key, time, input and arrival, however much fits into memory (invariant 1)', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 500 }), (drawn, maxRecords) => {
        const records = numbered(drawn);
        const used = sorter(maxRecords);
        expect(sort(records, used)).toEqual(naive(records));
        expect(existsSync(directory) && readdirSync(directory)).toHaveLength(
          records.length > maxRecords ? 1 : 0,
        );
        used.close();
        expect(readdirSync(directory)).toEqual([]); // invariant 3
      }),
      { numRuns: 150 },
    );
  });

  it('merges files into larger ones, level by level (invariant 2)', () => {
    const records = numbered(
      Array.from({ length: 2 * (64 * 3 + 10) }, (_, i) => ({
        key: (i * 7919) % 13,
        timestamp: (i * 104729) % 31,
        input: 0,
      })),
    );
    const used = sorter(2);
    for (const { key, timestamp, input, value } of records) used.add(key, timestamp, input, value);
    const [made = ''] = readdirSync(directory);
    // 201 runs of two records, and the last two in memory: three files of 64 runs, 9 of one.
    expect(readdirSync(join(directory, made))).toHaveLength(3 + 9);
    const cursor = used.sorted();
    const rows: Row[] = [];
    while (cursor.advance()) rows.push([cursor.sortKey, cursor.timestamp, cursor.input, cursor.value]);
    expect(rows).toEqual(naive(records));
    used.close();
  });

  it('keeps the order of arrival where there is no key', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 500 }), (drawn, maxRecords) => {
        const records = numbered(drawn);
        const used = sorter(maxRecords, 'arrival');
        expect(
          sort(records, used).map(([, timestamp, input, value]) => ({ timestamp, input, value })),
        ).toEqual(records.map(({ timestamp, input, value }) => ({ timestamp, input, value })));
        used.close();
      }),
      { numRuns: 50 },
    );
  });

  it('reads back records and keys that are larger than its buffers', () => {
    const records: Item[] = [200_000, 10, 70_000, 65_536, 65_535, 1].map((size, i) => ({
      key: 'k'.repeat(i % 2 === 0 ? 100_000 : 3),
      timestamp: -i,
      input: 0,
      value: 'é'.repeat(size),
    }));
    const used = sorter(1);
    expect(sort(records, used)).toEqual(naive(records));
    used.close();
  });

  it('gives back what it was given where everything fits: no copies', () => {
    class Money {
      readonly cents = 5;
    }
    const value = new Money();
    const used = sorter(1);
    expect(sort([{ key: 1, timestamp: 0, input: 0, value }], used)[0]?.[3]).toBe(value);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuses to write what is not plain data, naming operator and record', () => {
    class Money {
      readonly cents = 5;
    }
    const used = sorter(2);
    used.add(1, 0, 0, 'fine');
    used.add(1, 0, 0, new Money());
    expect(() => used.add(2, 0, 0, 'innocent')).toThrow(
      new StreamRecordError(
        `'sums' has more than 2 records to sort, and cannot write the record {"cents":5} to disk: ` +
          "Cannot encode an instance of Money at 'state': keys and state are plain data. " +
          'Use strings, numbers, bigints, booleans, null, Date, arrays and plain objects (in state also Map, Set and bytes). ' +
          "Map records to plain data before keyBy, or raise the environment's batchSortBufferRecords.",
        { details: { operator: 'sums' } },
      ),
    );
    used.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('leaves no file behind when it is closed in the middle (invariant 3)', () => {
    const used = sorter(3);
    for (let i = 0; i < 50; i++) used.add(i % 5, i, 0, i);
    const cursor = used.sorted();
    cursor.advance();
    used.close();
    used.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('says that a directory is not there', () => {
    const used = new KeySorter({
      operatorName: 'sums',
      order: 'key-and-time',
      maxRecords: 1,
      directory: join(directory, 'missing'),
    });
    used.add(1, 0, 0, 1);
    expect(() => used.add(1, 0, 0, 2)).toThrow(/ENOENT.*missing/);
    used.close();
  });
});
