import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidConfigError, DruidDecodeError } from '../src/errors.js';
import { encodeJson } from '../src/json-encode.js';
import type { SqlColumnTypes } from '../src/sql-columns.js';
import type { SqlColumnsOptions } from '../src/sql.js';
import { arrayLines, failure, fakeDruid, inPieces, json } from './fake-druid.js';

type Header = readonly (readonly [string, string, string?])[];

async function ask(header: Header, lines: readonly string[]) {
  const druid = await fakeDruid((request, response) =>
    request.method === 'DELETE' ? json(response, 202, {}) : inPieces(response, arrayLines(header, lines)),
  );
  return druid;
}

async function rows<const C extends SqlColumnTypes>(
  header: Header,
  lines: readonly string[],
  options: SqlColumnsOptions<C, 'safe-number' | 'bigint' | 'string', 'ms' | 'date'>,
): Promise<unknown[]> {
  return (await ask(header, lines)).client().sql.query('SELECT', options);
}

const one = (type: string, sqlType: string): Header => [['x', type, sqlType]];

describe('declared columns', () => {
  it('decode every type', async () => {
    const header: Header = [
      ['page', 'STRING', 'VARCHAR'],
      ['added', 'LONG', 'BIGINT'],
      ['at', 'LONG', 'TIMESTAMP'],
      ['tags', 'ARRAY<STRING>', 'ARRAY'],
      ['counts', 'ARRAY<LONG>', 'ARRAY'],
      ['j', 'COMPLEX<json>', 'OTHER'],
      ['hll', 'COMPLEX<HLLSketch>', 'OTHER'],
      ['d', 'DOUBLE', 'DOUBLE'],
      ['ok', 'LONG', 'BOOLEAN'],
      ['mv', 'STRING', 'VARCHAR'],
    ];
    const line = encodeJson([
      'grün 𝒳',
      9007199254740993n,
      '2024-01-02T03:04:05.678Z',
      ['a', null],
      [1, 9223372036854775807n],
      '{"a":[1,9007199254740993]}',
      '"AgEH//8="',
      'NaN',
      true,
      '["b","c"]',
    ]);
    const columns = {
      page: 'string',
      added: 'long',
      at: 'timestamp',
      tags: 'array<string>',
      counts: 'array<long>',
      j: 'json',
      hll: 'bytes',
      d: 'double',
      ok: 'boolean',
      mv: 'multi-value',
    } as const;
    const nothing = JSON.stringify(header.map(() => null));
    const found = await rows(header, [line, nothing], { columns, int64: 'bigint', timestamps: 'date' });
    expect(found).toEqual([
      {
        page: 'grün 𝒳',
        added: 9007199254740993n,
        at: new Date('2024-01-02T03:04:05.678Z'),
        tags: ['a', null],
        counts: [1n, 9223372036854775807n],
        j: { a: [1, 9007199254740993n] },
        hll: new Uint8Array([2, 1, 7, 255, 255]),
        d: Number.NaN,
        ok: true,
        mv: ['b', 'c'],
      },
      Object.fromEntries(header.map(([name]) => [name, null])),
    ]);
  });

  it.each([
    ['safe-number', ['5', '-3']],
    ['bigint', ['5', '9007199254740993']],
    ['string', ['5', '-9223372036854775808']],
  ] as const)('hand out longs as %s', async (int64, values) => {
    const expected = values.map((value) =>
      int64 === 'bigint' ? BigInt(value) : int64 === 'string' ? value : Number(value),
    );
    const lines = values.map((value) => `[${value}]`);
    const found = await rows(one('LONG', 'BIGINT'), lines, { columns: { x: 'long' }, int64 });
    expect(found).toEqual(expected.map((x) => ({ x })));
  });

  it('keep doubles as they are, -0 and infinities included', async () => {
    const lines = ['[-0.0]', '["-Infinity"]', '["Infinity"]', '[1.0E300]', '[12345678901234567890]'];
    const found = await rows(one('DOUBLE', 'DOUBLE'), lines, { columns: { x: 'double not null' } });
    expect(found.map((row) => (row as { x: number }).x)).toEqual([
      -0,
      -Infinity,
      Infinity,
      1e300,
      1.2345678901234567e19,
    ]);
  });

  it('take timestamps from text of any zone and from milliseconds', async () => {
    const lines = ['["2024-06-01T02:00:00.000+02:00"]', '[1717200000000]'];
    const at = Date.UTC(2024, 5, 1);
    expect(await rows(one('LONG', 'TIMESTAMP'), lines, { columns: { x: 'timestamp' } })).toEqual([
      { x: at },
      { x: at },
    ]);
  });

  it('take a multi-value string with one value or none, and arrays that came as text', async () => {
    const lines = ['["plain"]', '["[not json"]', '["[]"]', '["[\\"a\\",null]"]'];
    expect(await rows(one('STRING', 'VARCHAR'), lines, { columns: { x: 'multi-value' } })).toEqual([
      { x: ['plain'] },
      { x: ['[not json'] },
      { x: [] },
      { x: ['a', null] },
    ]);
    const text = ['["[1,\\"NaN\\"]"]'];
    expect(await rows(one('STRING', 'VARCHAR'), text, { columns: { x: 'array<double>' } })).toEqual([
      { x: [1, Number.NaN] },
    ]);
  });

  it('give bytes back exactly', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.boolean(), async (bytes, inQuotes) => {
        const base64 = Buffer.from(bytes).toString('base64');
        const line = JSON.stringify([inQuotes ? JSON.stringify(base64) : base64]);
        expect(await rows(one('COMPLEX<x>', 'OTHER'), [line], { columns: { x: 'bytes' } })).toEqual([
          { x: bytes },
        ]);
      }),
      { numRuns: 20 },
    );
  });

  it('give the declared columns in their order, and no others', async () => {
    const header: Header = [
      ['b', 'STRING'],
      ['other', 'STRING'],
      ['__proto__', 'STRING'],
    ];
    const columns = Object.fromEntries([
      ['__proto__', 'string'],
      ['b', 'string'],
    ]) as SqlColumnTypes;
    const [row] = await rows(header, ['["1","2","3"]'], { columns });
    expect(Object.entries(row as object)).toEqual([
      ['__proto__', '3'],
      ['b', '1'],
    ]);
  });

  it.each([
    ['long', '"7"', '"7"'],
    ['long', '1.5', '1.5'],
    ['long', '1.0E300', '1e+300'],
    ['long', '9007199254740993', '9007199254740993'],
    ['string', '7', '7'],
    ['double', '"x"', '"x"'],
    ['boolean', '2', '2'],
    ['timestamp', '"yesterday"', '"yesterday"'],
    ['timestamp', '"-146136543-09-08T08:23:32.096Z"', '"-146136543-09-08T08:23:32.096Z"'],
    ['array<string>', '["a",1]', '["a",1]'],
    ['array<long>', '"x"', '"x"'],
    ['multi-value', '7', '7'],
    ['json', '"{"', '"{"'],
    ['bytes', '"abc"', '"abc"'],
    ['bytes', '12.5', '12.5'],
    ['string not null', 'null', 'null'],
  ] as const)('refuse as %s the value %s, naming row, column and value', async (type, value, seen) => {
    const fine = { string: '"a"', long: '1', double: '1.5', boolean: 'true', json: '"1"', bytes: '""' };
    const first = fine[type.replace(' not null', '') as 'string'] ?? 'null';
    const error = await failure(
      rows(one('STRING', 'VARCHAR'), [`[${first}]`, `[${value}]`], { columns: { x: type } }),
    );
    expect(DruidDecodeError.is(error) && error.details).toMatchObject({ row: 1, column: 'x', value: seen });
    expect((error as Error).message).toContain("column 'x'");
  });

  it.each([
    ['long', '9007199254740993'],
    ['array<long>', '[1,9007199254740993]'],
    ['array<long>', '"[1,9007199254740993]"'],
    ['json', '"{\\"a\\":[9007199254740993]}"'],
  ] as const)('say how to read the large integer of a %s, %s', async (type, value) => {
    const error = await failure(rows(one('STRING', 'VARCHAR'), [`[${value}]`], { columns: { x: type } }));
    expect((error as Error).message).toContain("Ask for int64: 'bigint' or 'string'");
    expect(error).toMatchObject({ details: { row: 0, column: 'x', value: '9007199254740993' } });
  });

  it('does not take digits in a text for a large integer', async () => {
    const error = await failure(
      rows(one('STRING', 'VARCHAR'), ['["9007199254740993"]'], { columns: { x: 'long' } }),
    );
    expect((error as Error).message).toContain('Declare what the column holds');
  });

  it('shows only the beginning of a long value', async () => {
    const line = JSON.stringify(['y'.repeat(1_000_000)]);
    const error = await failure(rows(one('STRING', 'VARCHAR'), [line], { columns: { x: 'long' } }));
    expect((error as Error).message.length).toBeLessThan(400);
  });

  it('must be in the result, once each', async () => {
    const missing = await failure(rows(one('LONG', 'BIGINT'), ['[1]'], { columns: { y: 'long' } }));
    expect((missing as Error).message).toMatch(/no column 'y'.*columns are x/);
    const twice: Header = [
      ['x', 'LONG'],
      ['x', 'LONG'],
    ];
    expect(await failure(rows(twice, ['[1,2]'], { columns: { x: 'long' } }))).toMatchObject({
      code: 'DRUID_DECODE',
    });
  });

  it('refuse a type that does not exist, no columns, and other ways to say what rows are', async () => {
    const header = one('LONG', 'BIGINT');
    for (const options of [
      { columns: { x: 'int' } },
      { columns: {} },
      { columns: { x: 'long' }, rowFormat: 'array' },
    ]) {
      expect(DruidConfigError.is(await failure(rows(header, [], options as never)))).toBe(true);
    }
  });

  it('ask for arrays as arrays only where one is declared, and leave the last word to the caller', async () => {
    const druid = await ask(one('STRING', 'VARCHAR'), []);
    const client = druid.client();
    const stringify = () =>
      (druid.seen.at(-1)?.body['context'] as Record<string, unknown>)['sqlStringifyArrays'];
    await client.sql.query('SELECT', { columns: { x: 'string' } });
    expect(stringify()).toBeUndefined();
    await client.sql.query('SELECT', { columns: { x: 'array<string>' } });
    expect(stringify()).toBe(false);
    const context = { sqlStringifyArrays: true };
    await client.sql.query('SELECT', { columns: { x: 'array<string>' }, context });
    expect(stringify()).toBe(true);
  });
});
