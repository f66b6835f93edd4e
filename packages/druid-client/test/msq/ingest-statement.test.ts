import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidConfigError } from '../../src/errors.js';
import { extern, selectExtern, type ExternInput } from '../../src/msq/extern.js';
import { insertStatement, replaceStatement, type PartitionedBy } from '../../src/msq/ingest-statement.js';
import { sql, statementOf, type SqlFragment } from '../../src/sql-template.js';

const signature = { ts: 'string', page: 'string', n: 'long' } as const;
const query = sql`SELECT 1`;
const textOf = (fragment: SqlFragment): string => statementOf(fragment, undefined).text;

describe('insertStatement and replaceStatement', () => {
  it.each<[SqlFragment, string]>([
    [
      insertStatement({ into: 'a"b', query, partitionedBy: 'DAY', clusteredBy: ['x', 'y"'] }),
      'INSERT INTO "a""b" SELECT 1 PARTITIONED BY DAY CLUSTERED BY "x", "y"""',
    ],
    [
      insertStatement({ into: 'a', query, partitionedBy: { period: 'PT15M' } }),
      `INSERT INTO "a" SELECT 1 PARTITIONED BY TIME_FLOOR("__time", 'PT15M')`,
    ],
    [
      replaceStatement({ into: 'a', overwrite: 'all', query, partitionedBy: 'ALL' }),
      'REPLACE INTO "a" OVERWRITE ALL SELECT 1 PARTITIONED BY ALL',
    ],
    [
      replaceStatement({
        into: 'a',
        overwrite: { start: '2026-01-01 00:00:00', end: new Date('2026-01-02') },
        query,
        partitionedBy: 'DAY',
      }),
      `REPLACE INTO "a" OVERWRITE WHERE "__time" >= TIMESTAMP '2026-01-01 00:00:00.000' AND "__time" < TIMESTAMP '2026-01-02 00:00:00.000' SELECT 1 PARTITIONED BY DAY`,
    ],
  ])('%# are text without parameters', (made, expected) => {
    expect(made.toStatement()).toEqual({ text: expected, parameters: [] });
  });

  it('keep the parameters of their query', () => {
    const made = insertStatement({ into: 'a', query: sql`SELECT ${"x'"}, ${2n}`, partitionedBy: 'ALL' });
    expect(statementOf(made, undefined)).toEqual({
      text: 'INSERT INTO "a" SELECT ?, ? PARTITIONED BY ALL',
      parameters: [
        { type: 'VARCHAR', value: "x'" },
        { type: 'BIGINT', value: 2n },
      ],
    });
  });

  it.each([
    () => insertStatement({ into: '', query, partitionedBy: 'DAY' }),
    () => insertStatement({ into: 'a', query, partitionedBy: 'DAY; DROP' as PartitionedBy }),
    () => insertStatement({ into: 'a', query, partitionedBy: { period: "P1D'" } }),
    () => insertStatement({ into: 'a', query: sql.identifier('x'.repeat(20_000_001)), partitionedBy: 'DAY' }),
    () => insertStatement({ into: 'a', query: 'SELECT 1' as unknown as SqlFragment, partitionedBy: 'DAY' }),
    () =>
      replaceStatement({
        into: 'a',
        query,
        partitionedBy: 'DAY',
        overwrite: { start: 'now', end: '2026-01-01' },
      }),
    () =>
      replaceStatement({
        into: 'a',
        query,
        partitionedBy: 'DAY',
        overwrite: { start: '2026-02-28', end: '2026-02-30' },
      }),
    () =>
      replaceStatement({
        into: 'a',
        query,
        partitionedBy: 'DAY',
        overwrite: { start: '2026-01-01', end: '2026-01-01' },
      }),
  ])('refuses what cannot work: %s', (make) => {
    expect(make).toThrow(DruidConfigError);
  });
});

describe('extern', () => {
  it.each<[string, ExternInput, string]>([
    ['http', { uris: ['http://h/a'] }, '{"type":"http","uris":["http://h/a"]}'],
    [
      'http with credentials',
      { uris: [], username: 'u', password: 'p', requestHeaders: { a: 'b' } },
      '{"type":"http","uris":[],"httpAuthenticationUsername":"u","httpAuthenticationPassword":{"type":"default","password":"p"},"requestHeaders":{"a":"b"}}',
    ],
    ['local files', { files: ['/a'] }, '{"type":"local","files":["/a"]}'],
    ['a folder', { baseDir: '/d', filter: '*.json' }, '{"type":"local","baseDir":"/d","filter":"*.json"}'],
    [
      'another source',
      { inputSource: { type: 's3', uris: ['s3://a/b'] } },
      '{"type":"s3","uris":["s3://a/b"]}',
    ],
    ['rows', { rows: [{ n: 9007199254740993n }] }, '{"type":"inline","data":"{\\"n\\":9007199254740993}"}'],
  ])('reads %s', (_, input, source) => {
    expect(textOf(extern({ input, signature: { n: 'long' } }))).toBe(
      `TABLE(EXTERN('${source}', '{"type":"json"}', '[{"name":"n","type":"long"}]'))`,
    );
  });

  it('selects its columns, the timestamp as __time', () => {
    const table = { input: { files: ['/a'] }, signature, inputFormat: { type: 'csv' } };
    expect(textOf(selectExtern(table, { column: 'ts' }))).toMatch(
      /^SELECT TIME_PARSE\("ts"\) AS "__time", "page", "n" FROM TABLE\(EXTERN\(.*'\{"type":"csv"\}'/,
    );
    expect(textOf(selectExtern(table, { column: 'n', format: 'millis' }))).toContain(
      'MILLIS_TO_TIMESTAMP("n")',
    );
    // Druid reads an external column of that name as a time, which no function has to make of it.
    const timed = { ...table, signature: { __time: 'long', page: 'string' } } as const;
    expect(textOf(selectExtern(timed, { column: '__time', format: 'millis' }))).toMatch(
      /^SELECT "__time", "page" FROM /,
    );
    expect(() => selectExtern(table, { column: 'time' })).toThrow(DruidConfigError);
  });

  it.each([
    [[{ ts: 'a', other: 1 }], "Row 0 has 'other'"],
    [[{ ts: 'a' }, { n: Number.NaN }], "Row 1 has NaN in 'n'"],
    [[{ page: ['a\0'] }], 'zero byte'],
  ])('refuses rows that Druid would change or fail on: %j', (rows, message) => {
    expect(() => extern({ input: { rows }, signature })).toThrow(message);
  });

  it('goes into a template, whatever its rows hold', () => {
    const table = extern({ input: { rows: [{ page: 'it\'s ? -- /* "' }] }, signature });
    const made = statementOf(sql`SELECT COUNT(*) FROM ${table} WHERE "page" = ${'x'}`, undefined);
    expect(made.parameters).toEqual([{ type: 'VARCHAR', value: 'x' }]);
    expect(made.text).toContain("it''s ? -- /*");
  });

  it('refuses a column __time that is no long, as Druid does less plainly', () => {
    const input = { files: ['/a'] };
    expect(() => extern({ input, signature: { __time: 'string' } })).toThrow(/'__time' as string/);
    expect(textOf(extern({ input, signature: { __time: 'long' } }))).toContain('__time');
  });

  it('writes -0 so that Druid reads its sign', () => {
    expect(textOf(extern({ input: { rows: [{ n: -0 }] }, signature }))).toContain('{\\"n\\":-0.0}');
  });

  it('holds any row in a literal that nothing ends early', () => {
    const cell = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(fc.record({ ts: cell, page: cell })), (rows) => {
        const text = textOf(extern({ input: { rows }, signature }));
        // A naive reader of SQL literals: a quote ends one unless another follows.
        const [source] = [...text.matchAll(/'((?:[^']|'')*)'/g)].map((match) =>
          match[1]?.replaceAll("''", "'"),
        );
        const { data } = JSON.parse(source ?? '') as { data: string };
        expect(data === '' ? [] : data.split('\n').map((line) => JSON.parse(line) as unknown)).toEqual(rows);
        expect(text.match(/'/g)?.length).toBe(
          6 + 2 * [...JSON.stringify(rows)].filter((c) => c === "'").length,
        );
      }),
      { numRuns: 200 },
    );
  });
});
