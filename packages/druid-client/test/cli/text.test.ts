import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, visible, widthOf } from '../../src/cli/cell-text.js';
import { jsonText, prettyJson } from '../../src/cli/json-text.js';
import { bytesText, durationText, timeText } from '../../src/cli/list-columns.js';
import { writeRows, type OutputColumn, type RowFormat } from '../../src/cli/row-formats.js';
import { decodeJson } from '../../src/json-decode.js';

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('日', '👩‍👩‍👧', 'é', '…', '\n', '\u001b', '"', ','),
    fc.string({ maxLength: 3 }),
  ),
});

async function print(
  columns: readonly OutputColumn[],
  rows: readonly (readonly unknown[])[],
  options: { format?: RowFormat; width?: number; batch?: number } = {},
): Promise<{ out: string; notes: string[] }> {
  const { format = 'table', width = 80, batch = 3 } = options;
  async function* batches() {
    for (let i = 0; i < rows.length; i += batch) yield rows.slice(i, i + batch);
  }
  let out = '';
  const notes: string[] = [];
  const io = { out: async (piece: string) => void (out += piece) };
  await writeRows({ columns: () => columns, batches: batches(), nullText: 'NULL' }, io, {
    format,
    width,
    note: (note) => notes.push(note),
  });
  return { out, notes };
}

describe('text in cells', () => {
  it.each([
    ['abc', 3],
    ['…é', 2],
    ['日本', 4],
    ['👩‍👩‍👧', 2],
    ['e\u0301', 1],
    ['ｆ', 2],
    ['', 0],
  ])('%j takes %i', (of, width) => expect(widthOf(of)).toBe(width));

  it('is cut to fit, between graphemes, and as late as possible', () => {
    expect(cut('日本語', 5)).toBe('日本…');
    expect(cut('日本語', 4)).toBe('日…');
    expect(cut('abc', 3)).toBe('abc');
    fc.assert(
      fc.property(
        text.map((raw) => visible(raw)),
        fc.integer({ min: 1, max: 20 }),
        (whole, width) => {
          const fitting = cut(whole, width);
          expect(widthOf(fitting)).toBeLessThanOrEqual(width);
          if (widthOf(whole) <= width) expect(fitting).toBe(whole);
          else expect(whole.startsWith(fitting.slice(0, -1)) && fitting.endsWith('…')).toBe(true);
        },
      ),
    );
  });

  it('holds nothing that a terminal obeys', () => {
    expect(visible('a\u001b[31m\u009b\u202e\n\t\u0000')).toBe('a\\u001b[31m\\u009b\\u202e\\n\\t\\u0000');
    expect(visible('a\nb\r', '\n')).toBe('a\nb\\r');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        expect(visible(raw)).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('tables', () => {
  const columns = [{ name: 'n', isNumber: true }, { name: 'text' }, { name: 'more' }];
  const rows = (count: number, of = 'x'): unknown[][] =>
    Array.from({ length: count }, (_, n) => [n, of, null]);

  it('are as wide as asked for, and say so where something is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), text, text), { maxLength: 9 }),
        fc.integer({ min: 32, max: 90 }),
        async (some, width) => {
          const { out, notes } = await print(columns, some, { width });
          for (const line of out.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width);
          const isCut = some.some((row) =>
            row.slice(1).some((cell) => !out.includes(visible(String(cell)).trimEnd())),
          );
          if (isCut) expect(notes).toHaveLength(1);
        },
      ),
    );
  });

  it('show every value whole with width 0', async () => {
    const long = 'long '.repeat(100).trimEnd();
    const { out, notes } = await print(columns, rows(2, long), { width: 0 });
    expect(out).toContain(`1  ${long}  NULL\n`);
    expect(notes).toEqual([]);
  });

  it('never cut a number or a time', async () => {
    const wide = [columns[0]!, columns[1]!, { name: 'time', isWhole: true }];
    const row = [9007199254740993n, 'a text that is far too long', '2026-01-01T00:00:00.000Z'];
    expect((await print(wide, [row], { width: 60 })).out).toContain(
      '\n9007199254740993  a text that is …  2026-01-01T00:00:00.000Z\n',
    );
    // Not even one that comes after the widths were found.
    const late = [...rows(2000), [9007199254740993n, 'x', null]];
    const { out } = await print(columns, late, { batch: 100 });
    expect(out.slice(-100)).toContain('\n9007199254740993  x       NULL\n(2001 rows)\n');
  });

  it('leave room for longer texts behind the rows that set the widths', async () => {
    const { out } = await print(
      columns,
      [...rows(600, '0123456789'), [1, '0123456789abcde', null], [1, '0123456789abcdef', null]],
      { batch: 100 },
    );
    expect(out).toContain('  0123456789abcde  ');
    expect(out).toContain('  0123456789abcd…  ');
  });

  it('become records where the columns do not fit', async () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ name: `column ${i}` }));
    const { out } = await print(many, [many.map(({ name }) => `value of ${name}`)], { width: 60 });
    expect(out).toContain('--- row 1 ---\ncolumn 0   value of column 0\n');
    expect(out).toContain('column 19  value of column 19\n');
  });

  it('wait for no more rows than can be held', async () => {
    let asked = 0;
    async function* batches() {
      for (; asked < 20;) yield [[++asked, 'x'.repeat(1 << 20)]];
    }
    const askedAt: number[] = [];
    const out = async () => void askedAt.push(asked);
    await writeRows(
      { columns: () => columns.slice(0, 2), batches: batches(), nullText: '' },
      { out },
      { format: 'table', width: 80, note: () => undefined },
    );
    expect(askedAt[0]).toBe(4);
  });

  it('number records through all batches', async () => {
    const { out } = await print(columns, rows(4), { format: 'records' });
    expect(out.match(/--- row \d/g)).toEqual([1, 2, 3, 4].map((n) => `--- row ${n}`));
  });

  it('hold no more of a huge value than can be seen', async () => {
    const { out, notes } = await print(columns, rows(1, '\u0301'.repeat(1_000_000)), { width: 40 });
    expect(out.length).toBeLessThan(2000);
    expect(notes).toHaveLength(1);
  });
});

describe('rows', () => {
  it.each(['csv', 'ndjson', 'json', 'records'] as const)(
    'as %s are asked for one batch at a time',
    async (format) => {
      let asked = 0;
      async function* batches() {
        for (;;) yield [[++asked]];
      }
      let written = 0;
      const enough = new Error('enough');
      const out = async () => {
        expect(asked).toBe(++written);
        await new Promise((resolve) => setImmediate(resolve));
        if (written === 5) throw enough;
      };
      const rows = { columns: () => [{ name: 'n' }], batches: batches(), nullText: '' };
      const writing = writeRows(rows, { out }, { format, width: 80, note: () => undefined });
      await expect(writing).rejects.toBe(enough);
      expect(asked).toBe(5);
      // Whoever fails to write ends the query.
      expect(await rows.batches.next()).toEqual({ done: true, value: undefined });
    },
  );

  it('of a table end with it, too', async () => {
    async function* batches() {
      for (;;) yield [[1]];
    }
    const rows = { columns: () => [{ name: 'n' }], batches: batches(), nullText: '' };
    const out = async () => Promise.reject(new Error('enough'));
    await expect(
      writeRows(rows, { out }, { format: 'table', width: 80, note: () => undefined }),
    ).rejects.toThrow('enough');
    expect(await rows.batches.next()).toEqual({ done: true, value: undefined });
  });
});

describe('CSV', () => {
  it('is read back as it was, null and the empty text apart', async () => {
    const cell = fc.oneof(fc.constant(null), fc.constant(''), text, fc.bigInt());
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { maxLength: 9 }), async (some) => {
        const { out } = await print([{ name: 'a,"b"' }, { name: 'c' }], some, { format: 'csv' });
        const asText = some.map((row) => row.map((value) => (value === null ? null : String(value))));
        expect(readCsv(out)).toEqual([['a,"b"', 'c'], ...asText]);
      }),
    );
  });
});

/** By the letter of RFC 4180, a character at a time; nothing at all is null. */
function readCsv(csv: string): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let row: (string | null)[] = [];
  let at = 0;
  while (at < csv.length) {
    let field = '';
    const isQuoted = csv[at] === '"';
    if (isQuoted) {
      for (at++; csv[at] !== '"' || csv[at + 1] === '"'; at++) {
        if (csv[at] === '"') at++;
        field += csv[at];
      }
      at++;
    } else {
      while (csv[at] !== ',' && csv[at] !== '\n') field += csv[at++];
    }
    row.push(field === '' && !isQuoted ? null : field);
    if (csv[at] === '\n') {
      rows.push(row);
      row = [];
    }
    at++;
  }
  return rows;
}

describe('JSON', () => {
  it('has all digits, and special numbers as text', () => {
    expect(jsonText([1n, 9007199254740993n, NaN, -Infinity, { a: [null] }])).toBe(
      '[1,9007199254740993,"NaN","-Infinity",{"a":[null]}]',
    );
  });

  it('for people is the same JSON', () => {
    expect(prettyJson({ a: [1, { b: 9007199254740993n }], c: {}, d: [], e: undefined })).toBe(
      '{\n  "a": [\n    1,\n    {\n      "b": 9007199254740993\n    }\n  ],\n  "c": {},\n  "d": []\n}',
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeJson(prettyJson(value)).value).toEqual(decodeJson(jsonText(value)).value);
      }),
    );
  });
});

describe('units', () => {
  it('are chosen for reading', () => {
    expect([0, 1023, 1536, 5 * 1024 ** 3, 2 ** 70].map(bytesText)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '5.0 GiB',
      '1048576.0 PiB',
    ]);
    expect([269, 59_999, 754_000, 7_200_000].map(durationText)).toEqual([
      '0.3 s',
      '60.0 s',
      '12 min 34 s',
      '2 h 0 min',
    ]);
    expect(
      ['2026-01-01T00:00:00.000Z', '2026-01-01T10:00:00.000Z', '2026-01-01T10:00:05.120Z'].map(timeText),
    ).toEqual(['2026-01-01', '2026-01-01T10:00Z', '2026-01-01T10:00:05Z']);
  });
});
