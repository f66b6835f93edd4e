import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Int64Mode } from '../../src/columns.js';
import { DruidDecodeError } from '../../src/errors.js';
import { ScanFormat, type ScanBatch } from '../../src/native/scan-format.js';
import { ScanRecordsFormat, type RecordBatch } from '../../src/native/scan-records.js';
import type { ResultFormat } from '../../src/result-stream.js';
import { decodeSmile, noMoreKeys, SmileReader, smileTokens } from '../../src/smile-decode.js';
import type { RecordColumn } from '../../src/smile-records.js';
import { SmileEncoder } from '../smile-encode.js';

const text = fc.oneof(
  fc.constantFrom('ATL', 'LAX', '', 'é', 'x'.repeat(32), 'x'.repeat(33), 'x'.repeat(64), 'x'.repeat(65)),
  fc.string({ unit: 'binary', maxLength: 80 }),
);
const whole = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.integer({ min: -20, max: 20 }),
  // Around each length that an integer can have in Smile.
  fc
    .tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
    .map(([bits, more, isNegative]) => (isNegative ? -1 : 1) * (2 ** bits + more)),
);
const time = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 42 }),
  fc.integer({ min: -(2 ** 42), max: 2 ** 42 }),
  whole,
);
const real = fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 60));
const float = fc.float({ noNaN: true }).map((value) => new Float32Array([value]));
const fitting: Record<RecordColumn, fc.Arbitrary<unknown>> = {
  timestamp: time,
  string: fc.option(text),
  long: fc.option(whole),
  double: fc.option(fc.oneof(real, real, float, whole)),
  any: fc.oneof(text, whole, fc.array(text, { maxLength: 3 }), fc.dictionary(text, whole, { maxKeys: 2 })),
};
const anything = fc.oneof(
  text,
  whole,
  real,
  fc.boolean(),
  fc.constant(null),
  fc.array(text, { maxLength: 2 }),
);

const isFit: Record<RecordColumn, (value: unknown) => boolean> = {
  timestamp: (value) => typeof value === 'number',
  string: (value) => value === null || typeof value === 'string',
  long: (value) => value === null || Number.isSafeInteger(value),
  double: (value) => value === null || typeof value === 'number',
  any: () => true,
};

interface Table {
  readonly kinds: readonly RecordColumn[];
  readonly rows: readonly (readonly unknown[])[];
}

/** Tables whose rows all fit, or of which one in `oneIn` values is any other. */
const tableOf = (oneIn?: number): fc.Arbitrary<Table> =>
  fc
    .array(fc.constantFrom<RecordColumn>('string', 'long', 'double', 'any'), { maxLength: 5 })
    .chain((others) => {
      const kinds: RecordColumn[] = ['timestamp', ...others];
      const cells = kinds.map((kind) =>
        oneIn === undefined
          ? fitting[kind]
          : fc.oneof({ arbitrary: fitting[kind], weight: oneIn - 1 }, { arbitrary: anything, weight: 1 }),
      );
      return fc.array(fc.tuple(...cells), { maxLength: 40 }).map((rows) => ({ kinds, rows }));
    });

const namesOf = (kinds: readonly RecordColumn[]) =>
  kinds.map((_, i) => ['__time', '__proto__', 'constructor', 'a"b\\', 'é', 'last'][i] as string);

function encode(
  { kinds, rows }: Table,
  cutAfter = Infinity,
  shares = { names: true, strings: false },
): Buffer {
  const columns = namesOf(kinds);
  const elementOf = (events: readonly unknown[]) => ({ segmentId: 's', columns, events });
  const elements = [elementOf(rows.slice(0, cutAfter)), elementOf(rows.slice(cutAfter))];
  return new SmileEncoder(shares).document(elements);
}

/** Whether an element has a member twice, as Druid writes none: plain decoding takes the last one, rows are given as they come. */
function hasMemberTwice(bytes: Buffer): boolean {
  const reader = new SmileReader();
  reader.append(bytes);
  reader.header();
  reader.take(smileTokens.startArray);
  while (reader.take(smileTokens.startObject)) {
    const names = new Set<string>();
    for (let name = reader.key(); name !== noMoreKeys; name = reader.key()) {
      if (names.has(name)) return true;
      names.add(name);
      reader.value();
    }
  }
  return false;
}

/** What plain decoding of the whole document gives. */
const plainRows = (bytes: Buffer): unknown[][] =>
  (decodeSmile(bytes) as { events: unknown[][] }[]).flatMap(({ events }) => events);

function formatOf({ kinds }: Table, int64: Int64Mode = 'safe-number'): ScanRecordsFormat {
  const columns = namesOf(kinds);
  const records = Object.fromEntries(columns.map((name, i) => [name, kinds[i] as RecordColumn]));
  return new ScanRecordsFormat({ columns, records, int64, operation: 'test' });
}

function read(format: ScanRecordsFormat, bytes: Buffer, places: readonly number[]) {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).flatMap((end, i) => format.push(bytes.subarray(cuts[i], end)));
}

/** The rows of the batches as plain values again, and whether each came as a record. */
function rowsOf(batches: readonly (RecordBatch | ScanBatch)[], columns: readonly string[]) {
  return batches.flatMap((batch) => {
    if ('rows' in batch) return batch.rows.map((values) => ({ values, isRecord: false }));
    expect(batch.times).toEqual(batch.records.map((record) => record['__time']));
    return batch.records.map((record) => {
      expect(Object.keys(record)).toEqual(Object.keys(Object.fromEntries(columns.map((name) => [name, 0]))));
      return { values: columns.map((name) => record[name]), isRecord: true };
    });
  });
}

const places = fc.array(fc.nat());

describe('ScanRecordsFormat', () => {
  it('makes a record of every row that fits, with the values of plain decoding, whatever the chunks', () => {
    fc.assert(
      fc.property(tableOf(), fc.nat({ max: 40 }), places, (table, cutAfter, cuts) => {
        const bytes = encode(table, cutAfter);
        const format = formatOf(table);
        const rows = rowsOf(read(format, bytes, cuts), namesOf(table.kinds));
        expect(rows).toEqual(plainRows(bytes).map((values) => ({ values, isRecord: true })));
        expect(format).toMatchObject({ isComplete: true, rowCount: table.rows.length });
      }),
    );
  });

  it('gives the same byte by byte', () => {
    fc.assert(
      fc.property(tableOf(10), (table) => {
        const bytes = encode(table, 3);
        const format = formatOf(table);
        const rows = rowsOf(
          [...bytes].flatMap((byte) => format.push(Buffer.from([byte]))),
          namesOf(table.kinds),
        );
        const fits = (row: readonly unknown[]) =>
          row.every((value, i) => isFit[table.kinds[i] as RecordColumn](value));
        expect(rows).toEqual(plainRows(bytes).map((values) => ({ values, isRecord: fits(values) })));
        expect(format.isComplete).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('gives all rows in their order, those that do not fit plain and with all values (invariants 1, 2)', () => {
    fc.assert(
      fc.property(tableOf(6), fc.boolean(), places, (table, strings, cuts) => {
        const bytes = encode(table, 4, { names: true, strings });
        const format = formatOf(table);
        const rows = rowsOf(read(format, bytes, cuts), namesOf(table.kinds));
        expect(rows.map(({ values }) => values)).toEqual(plainRows(bytes));
        for (const { values, isRecord } of rows) {
          if (isRecord) {
            for (const [i, value] of values.entries()) {
              expect(isFit[table.kinds[i] as RecordColumn](value)).toBe(true);
            }
          }
        }
        expect(format).toMatchObject({ isComplete: true, rowCount: table.rows.length });
      }),
    );
  });

  it('is not complete when cut short anywhere, and has given a beginning of the rows by then', () => {
    fc.assert(
      fc.property(tableOf(8), fc.nat(), places, (table, length, cuts) => {
        const bytes = encode(table, 5);
        const format = formatOf(table);
        const rows = rowsOf(
          read(format, bytes.subarray(0, length % bytes.length), cuts),
          namesOf(table.kinds),
        );
        expect(rows.map(({ values }) => values)).toEqual(plainRows(bytes).slice(0, rows.length));
        expect(format.isComplete).toBe(false);
      }),
    );
  });

  it('gives or refuses what plain decoding does, where a byte is another', () => {
    const outcome = (
      format: ResultFormat<RecordBatch | ScanBatch>,
      bytes: Buffer,
      columns: readonly string[],
    ) => {
      try {
        const rows = rowsOf(format.push(bytes), columns).map(({ values }) => values);
        return format.isComplete ? rows : undefined;
      } catch (error) {
        expect(error).toSatisfy((each) => each instanceof SyntaxError || each instanceof DruidDecodeError);
        return undefined;
      }
    };
    fc.assert(
      fc.property(tableOf(), fc.nat(), fc.integer({ min: 0, max: 255 }), (table, place, byte) => {
        const bytes = encode(table);
        const columns = namesOf(table.kinds);
        const start = bytes.indexOf('events');
        bytes[start + (place % (bytes.length - start))] = byte;
        const plain = outcome(new ScanFormat('safe-number', 'test'), bytes, columns);
        fc.pre(plain === undefined || !hasMemberTwice(bytes));
        expect(outcome(formatOf(table), bytes, columns)).toEqual(plain);
      }),
      { numRuns: 300 },
    );
  });

  it('hands integers out as int64 says', () => {
    const table: Table = {
      kinds: ['timestamp', 'long'],
      rows: [
        [1, 5],
        [2, null],
        [3, 2n ** 60n],
        [4, -(2 ** 40)],
      ],
    };
    const at = (int64: Int64Mode) =>
      rowsOf(read(formatOf(table, int64), encode(table), []), namesOf(table.kinds)).map(
        ({ values }) => values[1],
      );
    // What follows a row that does not fit is plain up to the end of its chunk.
    expect(at('bigint')).toEqual([5n, null, 2n ** 60n, -(2 ** 40)]);
    expect(at('string')).toEqual(['5', null, String(2n ** 60n), -(2 ** 40)]);
    expect(() => at('safe-number')).toThrow(DruidDecodeError);
  });

  it('leaves out the columns that records do not have, but not their times', () => {
    const columns = ['__time', 'kept', 'other'];
    const format = new ScanRecordsFormat({
      columns,
      records: { kept: 'string' },
      int64: 'safe-number',
      operation: 'test',
    });
    const events = [[1_700_000_000_000, 'a', [1]]];
    const bytes = new SmileEncoder({ names: true, strings: false }).document([{ columns, events }]);
    expect(format.push(bytes)).toEqual([
      { segmentId: '', columns, records: [{ kept: 'a' }], times: [1_700_000_000_000] },
    ]);
  });

  it('reads plainly where columns are others, too many, or come after the rows', () => {
    const records = { a: 'long' } as const;
    const options = { records, int64: 'safe-number', operation: 'test' } as const;
    const document = (value: unknown) => new SmileEncoder({ names: true, strings: false }).document([value]);
    const others = new ScanRecordsFormat({ ...options, columns: ['a'] });
    expect(others.push(document({ columns: ['b'], events: [[1]] }))).toMatchObject([
      { columns: ['b'], rows: [[1]] },
    ]);
    const many = Array.from({ length: 65 }, (_, i) => `c${i}`);
    const wide = new ScanRecordsFormat({ ...options, columns: many });
    expect(wide.push(document({ columns: many, events: [many] }))).toMatchObject([{ rows: [many] }]);
    const late = new ScanRecordsFormat({ ...options, columns: ['a'] });
    expect(late.push(document({ events: [[1]], columns: ['a'] }))).toMatchObject([{ rows: [[1]] }]);
    expect([others, wide, late].map(({ rowCount }) => rowCount)).toEqual([1, 1, 1]);
  });

  it('reads plainly where a process forbids code generation from strings', () => {
    vi.stubGlobal('Function', function () {
      throw new EvalError('Code generation from strings disallowed for this context');
    });
    try {
      const columns = ['in a process without'];
      const records = Object.fromEntries(columns.map((name) => [name, 'long' as const]));
      const format = new ScanRecordsFormat({ columns, records, int64: 'safe-number', operation: 'test' });
      const bytes = new SmileEncoder({ names: true, strings: false }).document([{ columns, events: [[1]] }]);
      expect(format.push(bytes)).toMatchObject([{ rows: [[1]] }]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it.each([
    ['too few values', [1]],
    ['too many values', [1, 2, 3]],
    ['no array', { a: 1 }],
  ])('refuses a row that is or has %s', (_, row) => {
    const columns = ['__time', 'a'];
    const format = new ScanRecordsFormat({
      columns,
      records: { a: 'long' },
      int64: 'safe-number',
      operation: 'test',
    });
    const bytes = new SmileEncoder({ names: true, strings: false }).document([
      { columns, events: [[1, 2], row] },
    ]);
    expect(() => format.push(bytes)).toThrow(DruidDecodeError);
  });
});
