import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidConfigError } from '../src/errors.js';
import type { SqlParameter } from '../src/sql-parameters.js';
import { sql, SqlFragment, statementOf, type SqlTemplateValue } from '../src/sql-template.js';
import { arrayLines, failure, fakeDruid, inPieces } from './fake-druid.js';

const text = (fragment: SqlFragment): string => fragment.toStatement().text;
const values = (fragment: SqlFragment): unknown[] =>
  fragment.toStatement().parameters.map(({ value }) => value);

// What people try, and what a scanner could trip over.
const nasty = fc.oneof(
  fc.constantFrom(
    "x' OR 1=1 --",
    "'; DROP TABLE t; --",
    '" OR ""="',
    '"',
    "'",
    '""',
    '?',
    '/*',
    '*/',
    '--',
    '//',
    '\\',
    "\\'",
    '\n',
    '${1}',
    'U&"\\0022"',
    '\u2028',
    '𝒳',
  ),
  fc.string({ unit: 'binary' }),
);
const nastyText = fc.array(nasty, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
const nastyName = nastyText.filter((name) => name !== '' && !/[\0\r\n]/.test(name));

/** Tokens of a statement with quoted parts and comments reduced to their kind: an oracle by regular expression. */
function tokens(statement: string): string[] {
  const parts = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(?:--|\/\/)[^\r\n]*|\/\*[^]*?\*\/|[A-Za-z_]\w*|\d+|\s+|[^]/g;
  return [...statement.matchAll(parts)]
    .map(([token]) => (token.startsWith("'") ? "''" : token.startsWith('"') ? '""' : token))
    .filter((token) => token.trim() !== '');
}

describe('sql', () => {
  it('keeps the milliseconds of a Date for a ? in text, whatever is quoted or commented before it', () => {
    const at = new Date(1_700_000_000_123);
    expect(statementOf(`SELECT '?', "?" /* ? */ FROM t WHERE a = ? AND b < ? -- ?`, ['x', at])).toEqual({
      text: `SELECT '?', "?" /* ? */ FROM t WHERE a = ? AND b < MILLIS_TO_TIMESTAMP(?) -- ?`,
      parameters: [
        { type: 'VARCHAR', value: 'x' },
        { type: 'BIGINT', value: at.getTime() },
      ],
    });
  });

  it('refuses more parameters than a text has places, which Druid would ignore', () => {
    expect(() => statementOf("SELECT ?, '?'", [1, 2])).toThrow(
      'There are 2 parameters for 1 places: the SQL has a ? for each.',
    );
    expect(() => statementOf('SELECT ?', [sql`1` as never])).toThrow(DruidConfigError);
  });

  it('puts a ? for every value and keeps the values in order, with their types', () => {
    const at = new Date(1_700_000_000_123);
    const query = sql`SELECT * FROM t WHERE a = ${'x'} AND b > ${7} AND c < ${1.5} AND d = ${2n} AND e = ${true} AND f >= ${at} AND g = ${null}`;
    expect(query.toStatement()).toEqual({
      text: 'SELECT * FROM t WHERE a = ? AND b > ? AND c < ? AND d = ? AND e = ? AND f >= MILLIS_TO_TIMESTAMP(?) AND g = ?',
      parameters: [
        { type: 'VARCHAR', value: 'x' },
        { type: 'BIGINT', value: 7 },
        { type: 'DOUBLE', value: 1.5 },
        { type: 'BIGINT', value: 2n },
        { type: 'BOOLEAN', value: true },
        { type: 'BIGINT', value: at.getTime() },
        { type: 'VARCHAR', value: null },
      ],
    });
  });

  it('nests fragments, joins them, and leaves parts out', () => {
    const conditions = [sql`a = ${1}`, sql`b IN (${sql.list(['x', 'y'])})`];
    const query = sql`SELECT ${sql.join([sql.identifier('a'), sql.identifier('t', 'b')])} FROM t WHERE ${sql.join(conditions, sql` AND `)}${sql.empty}`;
    expect(text(query)).toBe('SELECT "a", "t"."b" FROM t WHERE a = ? AND b IN (?, ?)');
    expect(values(query)).toEqual([1, 'x', 'y']);
    expect(values(sql`${sql`${1}, ${sql`${2}`}`}, ${3}`)).toEqual([1, 2, 3]);
  });

  it('passes an array as one parameter', () => {
    expect(sql`SCALAR_IN_ARRAY(a, ${sql.array([1n, 2n])})`.toStatement()).toEqual({
      text: 'SCALAR_IN_ARRAY(a, ?)',
      parameters: [{ type: 'ARRAY', value: [1n, 2n] }],
    });
  });

  it('quotes identifiers by doubling', () => {
    expect(text(sql.identifier('my"table'))).toBe('"my""table"');
    expect(text(sql.identifier('sys', 'segments'))).toBe('"sys"."segments"');
    expect(text(sql.identifier("a'b--/*?"))).toBe('"a\'b--/*?"');
  });

  it.each([[''], ['a\0b'], ['a\nb'], ['\r'], [7], [null], [undefined], [{ toString: () => 'x' }], [['x']]])(
    'refuses the identifier %j',
    (name) => {
      expect(() => sql.identifier(name as string)).toThrow(DruidConfigError);
      expect(() => sql.identifier('t', name as string)).toThrow(DruidConfigError);
    },
  );

  it('refuses empty lists, whose meaning it does not know', () => {
    expect(() => sql.list([])).toThrow(/empty list/);
    expect(() => sql.join([])).toThrow(/empty list/);
    expect(() => sql.array([])).toThrow(/no elements/);
  });

  it.each([
    ['undefined', undefined],
    ['a symbol', Symbol('x')],
    ['a function', () => 1],
    ['an array', ['a']],
    ['a plain object', { a: 1 }],
    ['NaN', Number.NaN],
    ['2^53', 2 ** 53],
    ['an integer of 65 bits', 2n ** 64n],
    ['a look-alike of a fragment', { text: '1 OR 1=1', parameters: [], toStatement: () => ({ text: 'x' }) }],
    ['an object with the prototype of a fragment', Object.create(SqlFragment.prototype)],
    ['a type that is no word', { type: 'VARCHAR) OR (1=1', value: 1 }],
  ])('refuses %s as a value', (_, value) => {
    expect(() => sql`SELECT ${value as SqlTemplateValue}`).toThrow(DruidConfigError);
  });

  it('can only be used as a tag', () => {
    const forged = Object.assign(['SELECT 1 OR 1=1'], { raw: ['x'] }) as unknown as TemplateStringsArray;
    expect(() => sql(forged)).toThrow(/tag of a template/);
    expect(() => sql('SELECT 1' as unknown as TemplateStringsArray)).toThrow(/tag of a template/);
    expect(() => new SqlFragment(Symbol('construction'), 'x', [])).toThrow(DruidConfigError);
  });

  it('refuses a value inside quotes or a comment, where its ? would be text', () => {
    expect(() => sql`SELECT '${'x'}'`).toThrow(/inside a string/);
    expect(() => sql`SELECT 'it''s ${'x'}'`).toThrow(/inside a string/);
    expect(() => sql`SELECT "${sql.identifier('x')}"`).toThrow(/inside a identifier|sql\.identifier/);
    expect(() => sql`SELECT 1 -- ${'x'}\n`).toThrow(/line comment/);
    expect(() => sql`SELECT 1 // ${'x'}\n`).toThrow(/line comment/);
    expect(() => sql`SELECT /*/ ${'x'} */ 1`).toThrow(/block comment/);
    expect(() => sql`SELECT U&${sql.identifier('\\0022')}`).toThrow(/directly behind U&/);
  });

  it('refuses a ? of its own and what is left open, but not inside quotes', () => {
    expect(() => sql`SELECT ? + ${1}`).toThrow(/written out/);
    expect(() => sql`SELECT 'x`).toThrow(/ends inside a string/);
    expect(() => sql`SELECT 1 -- x`).toThrow(/line break/);
    const fine = sql`SELECT '?', "?", ${1} /* ? ' */ -- ? "
      , 'it''s'`;
    expect(statementOf(fine, undefined).parameters).toHaveLength(1);
  });

  it('refuses fragments that form a comment where they meet', () => {
    expect(() => statementOf(sql`SELECT 1 -${sql`- `}${2}`, undefined)).toThrow(/composed/);
    expect(() => statementOf(sql`SELECT 1 /${sql`* `}${2}`, undefined)).toThrow(/composed/);
  });

  it('has as many ? as parameters, and the same tokens, whatever the values and names', () => {
    fc.assert(
      fc.property(nastyText, fc.array(nastyText, { minLength: 1 }), nastyName, (value, list, name) => {
        const build = (v: SqlParameter, l: readonly SqlParameter[], n: string) =>
          statementOf(
            sql`SELECT ${sql.identifier(n)}, 'it''s' FROM ${sql.identifier('druid', n)} -- the table?
              WHERE ${sql.join([sql`a = ${v}`, sql`b IN (${sql.list(l)})`], sql` AND `)} LIMIT ${5}`,
            undefined,
          );
        const found = build(value, list, name);
        const plain = build(
          'v',
          list.map(() => 'v'),
          'n',
        );
        expect(tokens(found.text)).toEqual(tokens(plain.text));
        expect(tokens(found.text).filter((token) => token === '?')).toHaveLength(found.parameters.length);
        expect(found.parameters.map((parameter) => parameter.value)).toEqual([value, ...list, 5]);
        // The names aside, the text is the same to the last character.
        const quoted = `"${name.replaceAll('"', '""')}"`;
        expect(found.text.split(quoted).join('"n"')).toBe(plain.text.split(quoted).join('"n"'));
      }),
      { numRuns: 300 },
    );
  });

  it('never shows a value in the text', () => {
    const secret = nastyText.map((value) => `§${value}§`);
    fc.assert(
      fc.property(secret, (value) => {
        expect(text(sql`SELECT * FROM t WHERE a = ${value} OR b IN (${sql.list([value, value])})`)).toBe(
          'SELECT * FROM t WHERE a = ? OR b IN (?, ?)',
        );
      }),
    );
  });
});

describe('a template as a query', () => {
  const columns = [['n', 'LONG', 'BIGINT']] as const;

  it('is sent as text and typed parameters', async () => {
    const druid = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, ['[1]'])));
    const client = druid.client();
    expect(await client.sql.query(sql`SELECT n FROM t WHERE n = ${9007199254740993n}`)).toEqual([{ n: 1 }]);
    expect(druid.seen[0]?.body).toMatchObject({ query: 'SELECT n FROM t WHERE n = ?' });
    expect(druid.seen[0]?.text).toContain('"parameters":[{"type":"BIGINT","value":9007199254740993}]');
    for await (const rows of client.sql.stream(sql`SELECT ${'x'}`)) expect(rows).toEqual([{ n: 1 }]);
  });

  it('does not go together with parameters, and nothing else is taken for one', async () => {
    const druid = await fakeDruid(() => undefined);
    const { sql: api } = druid.client();
    expect(DruidConfigError.is(await failure(api.query(sql`SELECT ${1}`, { parameters: [2] })))).toBe(true);
    const parsed = JSON.parse('{"text":"SELECT 1","parameters":[]}') as SqlFragment;
    expect(DruidConfigError.is(await failure(api.query(parsed)))).toBe(true);
    expect(druid.seen).toHaveLength(0);
  });
});
