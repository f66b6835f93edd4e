import { describe, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import { answersOf, type ContractVersion, type ExpectedError } from './contract-version.js';
import type { ContractContext } from './describe-druid-contract.js';

const TYPED = { resultFormat: 'array', header: true, typesHeader: true, sqlTypesHeader: true };

type Answer = readonly [statement: string, rows: unknown[][]];

/** Statements about `events` (written `@`), with the rows that Druid gives. Integers beyond 2^53 are strings here. */
const ANSWERS: readonly Answer[] = [
  ['SELECT COUNT(*) FROM @', [[6]]],
  ['SELECT SUM(n) FROM @', [['9007199254741003']]],
  ['SELECT SUM(n) / COUNT(*), CAST(SUM(n) AS DOUBLE) / COUNT(*) FROM @ WHERE n < 100', [[2, 2.5]]],
  ['SELECT 7 / 2, 7 / 2.0, -7 / 2, MOD(-7, 3)', [[3, 3.5, -3, -1]]],
  ['SELECT n / 2, n * 2, n + d, d / 4 FROM @ WHERE n = 1', [[0, 2, 2.5, 0.375]]],
  ["SELECT SUM(d), MAX(d) FROM @ WHERE page = 'zz'", [[null, null]]],
  ["SELECT page, COUNT(*) FROM @ WHERE page = 'zz' GROUP BY page", []],
  [
    'SELECT page, SUM(n) AS s FROM @ GROUP BY page HAVING SUM(n) > 5 ORDER BY s DESC',
    [
      ['b,"q"', '9007199254740993'],
      ['a', 8],
      ['c', 7],
    ],
  ],
  [
    'SELECT page, COUNT(*) AS c FROM @ GROUP BY 1 ORDER BY c DESC, page LIMIT 2',
    [
      ['a', 2],
      ['', 1],
    ],
  ],
  [
    'SELECT "user", COUNT(*) FROM @ GROUP BY "user" ORDER BY "user"',
    [
      [null, 2],
      ['ann', 2],
      ['bob', 1],
      ['cat', 1],
    ],
  ],
  [
    'SELECT "user", COUNT(*) FROM @ GROUP BY "user" ORDER BY "user" DESC',
    [
      ['cat', 1],
      ['bob', 1],
      ['ann', 2],
      [null, 2],
    ],
  ],
  ['SELECT DISTINCT page FROM @ ORDER BY page', [[''], ['a'], ['b,"q"'], ['c'], ['ünï\ncode']]],
  ['SELECT APPROX_COUNT_DISTINCT(page), COUNT(DISTINCT "user") FROM @', [[4, 3]]],
  ["SELECT SUM(n) FILTER (WHERE page = 'a'), COUNT(*) FILTER (WHERE page = 'c') FROM @", [[8, 1]]],
  ["SELECT SUM(CASE WHEN page = 'a' THEN 1 ELSE 0 END) FROM @", [[2]]],
  ['SELECT n FROM @ WHERE "user" IS NULL ORDER BY __time', [['9007199254740993'], [null]]],
  ["SELECT n FROM @ WHERE page IN ('a', 'c') AND n BETWEEN 2 AND 7 ORDER BY __time", [[7], [7]]],
  ["SELECT page FROM @ WHERE page LIKE '%q%'", [['b,"q"']]],
  ["SELECT n FROM @ WHERE n = '7'", [[7], [7]]],
  [
    "SELECT COALESCE(\"user\", 'none'), CASE WHEN n > 5 THEN 'big' ELSE 'small' END FROM @ ORDER BY __time LIMIT 2",
    [
      ['ann', 'small'],
      ['none', 'big'],
    ],
  ],
  [
    'SELECT UPPER(page), page || \'-\' || "user", CHAR_LENGTH(page), SUBSTRING(page, 1, 1) FROM @ WHERE n = -5',
    [['ÜNÏ\nCODE', 'ünï\ncode-bob', 8, 'ü']],
  ],
  ['SELECT CONCAT(page, "user") FROM @ WHERE n > 100', [[null]]],
  ['SELECT ROUND(1.25, 1), ROUND(2.5), ROUND(-2.5), ROUND(0.125, 2)', [[1.3, 3, -3, 0.13]]],
  [
    'SELECT CAST(1.9 AS BIGINT), CAST(-1.9 AS BIGINT), CAST(d AS BIGINT) FROM @ WHERE n = -5',
    [[1, -1, '9223372036854775807']],
  ],
  [
    "SELECT TIME_FLOOR(__time, 'PT1H'), COUNT(*) FROM @ GROUP BY 1 ORDER BY 1 LIMIT 2",
    [
      ['2024-01-01T00:00:00.000Z', 2],
      ['2024-01-01T01:00:00.000Z', 1],
    ],
  ],
  [
    'SELECT FLOOR(__time TO DAY), SUM(n) FROM @ WHERE n < 100 GROUP BY FLOOR(__time TO DAY) ORDER BY 1',
    [
      ['2024-01-01T00:00:00.000Z', -4],
      ['2024-01-02T00:00:00.000Z', 14],
    ],
  ],
  [
    "SELECT TIME_FLOOR(__time, 'P1W'), TIME_FLOOR(__time, 'P1M'), TIME_FLOOR(__time, 'P1Y') FROM @ WHERE n = -5",
    [['2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.000Z']],
  ],
  [
    "SELECT DATE_TRUNC('hour', __time), TIME_SHIFT(__time, 'P1M', 1), __time + INTERVAL '1' DAY FROM @ WHERE n = -5",
    [['2024-01-01T02:00:00.000Z', '2024-02-01T02:15:00.000Z', '2024-01-02T02:15:00.000Z']],
  ],
  [
    'SELECT EXTRACT(HOUR FROM __time), TIMESTAMP_TO_MILLIS(__time), MILLIS_TO_TIMESTAMP(0) FROM @ WHERE n = -5',
    [[2, 1704075300000, '1970-01-01T00:00:00.000Z']],
  ],
  [
    "SELECT TIME_PARSE('2024-01-01T05:00:00'), TIME_FORMAT(__time, 'yyyy-MM-dd HH') FROM @ WHERE n = -5",
    [['2024-01-01T05:00:00.000Z', '2024-01-01 02']],
  ],
  ["SELECT COUNT(*) FROM @ WHERE __time >= TIMESTAMP '2024-01-02 00:00:00'", [[2]]],
  ["SELECT COUNT(*) FROM @ WHERE __time >= '2024-01-02T05:00:00.000Z'", [[2]]],
  [
    "SELECT COUNT(*) FROM @ WHERE __time BETWEEN TIMESTAMP '2024-01-01 00:30:00' AND TIMESTAMP '2024-01-01 02:15:00'",
    [[3]],
  ],
  ['SELECT MIN(__time), MAX(__time) FROM @', [['2024-01-01T00:00:00.000Z', '2024-01-02T23:59:59.999Z']]],
  ['SELECT page FROM @ WHERE n BETWEEN 1 AND 7 ORDER BY __time LIMIT 2 OFFSET 1', [['a'], ['c']]],
  ['SELECT n FROM @ WHERE n > 0 ORDER BY __time DESC', [[7], [7], ['9007199254740993'], [1]]],
  [
    'WITH x AS (SELECT page, n FROM @ WHERE n > 0 AND n < 100) SELECT page, SUM(n) FROM x GROUP BY page ORDER BY 1',
    [
      ['a', 8],
      ['c', 7],
    ],
  ],
];

const ORDERED_JOIN = 'SELECT a.page, b.n FROM @ a JOIN @ b ON a.page = b.page WHERE a.n = 1 ORDER BY b.n';
const ORDERED_ROWS = [
  ['a', 1],
  ['a', 7],
];

/** Those whose answers depend on the version. */
function answersIn(version: ContractVersion): readonly Answer[] {
  const { averageOfIntegers, negationFindsNull, unorderable } = answersOf(version);
  return [
    ...ANSWERS,
    [
      'SELECT COUNT(*), SUM(n), AVG(n), MIN(n), MAX(n), COUNT(n) FROM @ WHERE n < 100',
      [[4, 10, averageOfIntegers.of10by4, -5, 7, 4]],
    ],
    [
      'SELECT n FROM @ WHERE "user" <> \'ann\' ORDER BY __time',
      [...(negationFindsNull ? [['9007199254740993'], [null]] : []), [-5], [7]],
    ],
    ...(unorderable('n', 'join') === undefined ? [[ORDERED_JOIN, ORDERED_ROWS] as const] : []),
  ];
}

/** Statements that Druid refuses, with the error code and a part of the message. */
const REFUSALS: readonly [statement: string, code: string, message: string | RegExp][] = [
  ['SELECT COUNT(*) FROM nope', 'invalidInput', "Object 'nope' not found (line [1], column [22])"],
  ['SELECT nope FROM @', 'invalidInput', "Column 'nope' not found in any table (line [1], column [8])"],
  [
    'SELECT Page FROM @',
    'invalidInput',
    "Column 'Page' not found in any table; did you mean 'page'? (line [1], column [8])",
  ],
  ['SELECT * FROM sys.nope', 'invalidInput', "Object 'nope' not found within 'sys' (line [1], column [15])"],
  ['SELECT * frm @', 'invalidInput', /^Received an unexpected token \[/],
  ['SELECT COUNT(*) FROM @;', 'invalidInput', /^Received an unexpected token \[;\]/],
  [
    'SELECT NO_SUCH_FUNCTION(n) FROM @',
    'invalidInput',
    /^No match found for function signature no_such_function\(<NUMERIC>\)/i,
  ],
  ['SELECT page, SUM(n) FROM @', 'invalidInput', /^Expression 'page' is not being grouped/],
  [
    'INSERT INTO @ SELECT * FROM @',
    'invalidInput',
    'INSERT operations are not supported by requested SQL engine [native], consider using MSQ.',
  ],
  ['SELECT MAX(page) FROM @', 'invalidInput', /^Aggregation \[MAX\] does not support type \[STRING\]/],
];

function refusalsIn(
  version: ContractVersion,
): readonly (readonly [statement: string, error: ExpectedError])[] {
  const { badTimestampLiteral, unorderable } = answersOf(version);
  const usual = { status: 400, persona: 'USER', category: 'INVALID_INPUT' };
  const statements: [string, ExpectedError | undefined][] = [
    ...REFUSALS.map(([statement, errorCode, message]): [string, ExpectedError] => [
      statement,
      { ...usual, errorCode, message },
    ]),
    ["SELECT TIMESTAMP '2024-01-01 25:00:00'", badTimestampLiteral],
    ['SELECT n FROM @ ORDER BY n', unorderable('n', 'scan')],
    [ORDERED_JOIN, unorderable('n', 'join')],
  ];
  return statements.flatMap(([statement, error]) =>
    error === undefined ? [] : [[statement, error] as const],
  );
}

export function sqlContract(context: ContractContext): void {
  const { averageOfIntegers, timestampParametersHaveMillis } = answersOf(context.version);
  const about = (statement: string): string => statement.replaceAll('@', `"${context.data.events}"`);

  describe('SQL answers', () => {
    it.each(answersIn(context.version))('%s', async (statement, rows) => {
      expect(await context.druid.rows(about(statement))).toEqual(rows);
    });

    it('names columns without alias EXPR$n and tells native and SQL types', async () => {
      const [names, native, sql] = await context.druid.rows(
        about(
          "SELECT COUNT(*), AVG(n), page, 7 / 2, n > 3 AS big, MAX(__time), 1.5, 'x' FROM @ GROUP BY page, n > 3",
        ),
        TYPED,
      );
      expect(names).toEqual(['EXPR$0', 'EXPR$1', 'page', 'EXPR$3', 'big', 'EXPR$5', 'EXPR$6', 'EXPR$7']);
      expect(native).toEqual([
        'LONG',
        averageOfIntegers.type,
        'STRING',
        'LONG',
        'LONG',
        'LONG',
        'DOUBLE',
        'STRING',
      ]);
      expect(sql).toEqual([
        'BIGINT',
        averageOfIntegers.sqlType,
        'VARCHAR',
        'INTEGER',
        'BOOLEAN',
        'TIMESTAMP',
        'DECIMAL',
        'CHAR',
      ]);
    });

    it('binds parameters by type, exactly beyond 2^53', async () => {
      const bound = (query: string, parameters: unknown[]): Promise<unknown[][]> =>
        context.druid.rows(about(query), { parameters });
      expect(
        await bound('SELECT n FROM @ WHERE page = ? AND n > ?', [
          { type: 'VARCHAR', value: 'a' },
          { type: 'BIGINT', value: 1 },
        ]),
      ).toEqual([[7]]);
      expect(
        await bound('SELECT COUNT(*) FROM @ WHERE __time >= ?', [
          { type: 'TIMESTAMP', value: '2024-01-02 00:00:00' },
        ]),
      ).toEqual([[2]]);
      expect(await bound('SELECT COUNT(*) FROM @ WHERE d > ?', [{ type: 'DOUBLE', value: 1.4 }])).toEqual([
        [3],
      ]);
      const exact = `{"query":${JSON.stringify(about('SELECT page FROM @ WHERE n = ?'))},"resultFormat":"array","parameters":[{"type":"BIGINT","value":9007199254740993}]}`;
      expect(JSON.parse((await context.druid.request('POST', '/druid/v2/sql', exact)).text)).toEqual([
        ['b,"q"'],
      ]);
    });

    it('binds a TIMESTAMP to the millisecond, where the version can', async () => {
      const value = Date.UTC(2024, 0, 1, 1, 0, 0, 123);
      const parameters = [{ type: 'TIMESTAMP', value }];
      const kept = timestampParametersHaveMillis ? value : value - 123;
      expect(await context.druid.rows('SELECT TIMESTAMP_TO_MILLIS(?)', { parameters })).toEqual([[kept]]);
      // The way that works everywhere.
      const exact = about('SELECT page FROM @ WHERE __time = MILLIS_TO_TIMESTAMP(?)');
      expect(await context.druid.rows(exact, { parameters: [{ type: 'BIGINT', value }] })).toEqual([['']]);
    });

    it('refuses a statement with a parameter that has no value', async () => {
      const answer = await context.druid.sql(about('SELECT n FROM @ WHERE page = ?'), { parameters: [] });
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toMatchObject({
        errorCode: 'invalidInput',
        errorMessage: 'No value bound for parameter (position [1])',
      });
    });
  });

  describe('SQL result formats', () => {
    const query = 'SELECT __time, page, "user", n, d FROM @ ORDER BY __time';
    const text = async (more: Record<string, unknown>): Promise<string> =>
      (await context.druid.sql(about(query), more)).text;

    it('object', async () => {
      expect(await text({})).toBe(
        '[{"__time":"2024-01-01T00:00:00.000Z","page":"a","user":"ann","n":1,"d":1.5},{"__time":"2024-01-01T00:30:00.000Z","page":"b,\\"q\\"","user":null,"n":9007199254740993,"d":-2.25},{"__time":"2024-01-01T01:00:00.123Z","page":"","user":null,"n":null,"d":null},{"__time":"2024-01-01T02:15:00.000Z","page":"ünï\\ncode","user":"bob","n":-5,"d":1.0E300},{"__time":"2024-01-02T05:00:00.000Z","page":"a","user":"ann","n":7,"d":0.1},{"__time":"2024-01-02T23:59:59.999Z","page":"c","user":"cat","n":7,"d":100.0}]\n',
      );
    });

    it('object with headers', async () => {
      const first = (answer: string): string => answer.slice(0, answer.indexOf('}}') + 2);
      expect(await text({ header: true })).toMatch(
        /^\[\{"__time":null,"page":null,"user":null,"n":null,"d":null\},\{/,
      );
      expect(first(await text({ header: true, typesHeader: true, sqlTypesHeader: true }))).toBe(
        '[{"__time":{"type":"LONG","sqlType":"TIMESTAMP"},"page":{"type":"STRING","sqlType":"VARCHAR"},"user":{"type":"STRING","sqlType":"VARCHAR"},"n":{"type":"LONG","sqlType":"BIGINT"},"d":{"type":"DOUBLE","sqlType":"DOUBLE"}}',
      );
    });

    it('arrayLines ends with an empty line', async () => {
      expect(await text({ resultFormat: 'arrayLines', header: true })).toBe(
        '["__time","page","user","n","d"]\n["2024-01-01T00:00:00.000Z","a","ann",1,1.5]\n["2024-01-01T00:30:00.000Z","b,\\"q\\"",null,9007199254740993,-2.25]\n["2024-01-01T01:00:00.123Z","",null,null,null]\n["2024-01-01T02:15:00.000Z","ünï\\ncode","bob",-5,1.0E300]\n["2024-01-02T05:00:00.000Z","a","ann",7,0.1]\n["2024-01-02T23:59:59.999Z","c","cat",7,100.0]\n\n',
      );
    });

    it('objectLines ends with an empty line', async () => {
      expect(await text({ resultFormat: 'objectLines' })).toMatch(
        /^\{"__time":"2024-01-01T00:00:00.000Z".*\}\n\n$/s,
      );
    });

    it('csv quotes what needs it and leaves NULL and the empty string empty', async () => {
      expect(await text({ resultFormat: 'csv', header: true, typesHeader: true, sqlTypesHeader: true })).toBe(
        '__time,page,user,n,d\nLONG,STRING,STRING,LONG,DOUBLE\nTIMESTAMP,VARCHAR,VARCHAR,BIGINT,DOUBLE\n2024-01-01T00:00:00.000Z,a,ann,1,1.5\n2024-01-01T00:30:00.000Z,"b,""q""",,9007199254740993,-2.25\n2024-01-01T01:00:00.123Z,,,,\n2024-01-01T02:15:00.000Z,"ünï\ncode",bob,-5,1.0E300\n2024-01-02T05:00:00.000Z,a,ann,7,0.1\n2024-01-02T23:59:59.999Z,c,cat,7,100.0\n\n',
      );
    });

    it.each([
      ['object', '[]\n', '[{"__time":null}]\n'],
      ['array', '[]\n', '[["__time"]]\n'],
      ['objectLines', '\n\n', '{"__time":null}\n\n'],
      ['arrayLines', '\n\n', '["__time"]\n\n'],
      ['csv', '\n', '__time\n\n'],
    ])('an empty result as %s', async (resultFormat, plain, withHeader) => {
      const empty = about("SELECT __time FROM @ WHERE page = 'zz'");
      expect((await context.druid.sql(empty, { resultFormat })).text).toBe(plain);
      expect((await context.druid.sql(empty, { resultFormat, header: true })).text).toBe(withHeader);
    });

    it('names and types the columns of LIMIT 0', async () => {
      const answer = await context.druid.sql(about("SELECT page, n, d, __time, 'x' FROM @ LIMIT 0"), {
        ...TYPED,
        resultFormat: 'arrayLines',
      });
      expect(answer.text).toBe(
        '["page","n","d","__time","EXPR$4"]\n["STRING","LONG","DOUBLE","LONG","STRING"]\n["VARCHAR","BIGINT","DOUBLE","TIMESTAMP","CHAR"]\n\n',
      );
    });

    it('gives the query id in the headers, and says when a header row is included', async () => {
      const sqlQueryId = context.unique('query');
      const { headers } = await context.druid.sql(about(query), { header: true, context: { sqlQueryId } });
      expect(headers.get('x-druid-sql-query-id')).toBe(sqlQueryId);
      expect(headers.get('x-druid-sql-header-included')).toBe('yes');
      expect(headers.get('content-type')).toBe('application/json');
    });
  });

  const explain = (): { query: string; context: object } => ({
    query: about('EXPLAIN PLAN FOR SELECT COUNT(*) FROM @ WHERE n > 1'),
    context: { useNativeQueryExplain: true },
  });
  describeFeature(
    context,
    'EXPLAIN',
    () => ({ method: 'POST', path: '/druid/v2/sql', body: explain() }),
    () => {
      it('gives the native query, what it reads and what it is', async () => {
        const { query, ...more } = explain();
        const [row] = await context.druid.rows(query, more);
        const [plan, resources, attributes] = (row ?? []).map((cell) => JSON.parse(String(cell)) as unknown);
        expect(plan).toMatchObject([
          { query: { queryType: 'timeseries', dataSource: { name: context.data.events } } },
        ]);
        expect(resources).toEqual([{ name: context.data.events, type: 'DATASOURCE' }]);
        expect(attributes).toEqual({ statementType: 'SELECT' });
      });
    },
  );

  describe('SQL refusals', () => {
    it.each(refusalsIn(context.version))('%s', async (statement, { status, message, ...error }) => {
      const answer = await context.druid.sql(about(statement));
      expect(answer.status).toBe(status);
      const body = JSON.parse(answer.text) as Record<string, unknown>;
      expect(body).toMatchObject({ error: 'druidException', ...error });
      if (typeof message === 'string') expect(body['errorMessage']).toBe(message);
      else expect(body['errorMessage']).toMatch(message);
    });

    it('points at the place of an error', async () => {
      const { text, headers } = await context.druid.sql('SELECT COUNT(*) FROM nope', {
        context: { sqlQueryId: 'placed' },
      });
      expect(text).toBe(
        '{"error":"druidException","errorCode":"invalidInput","persona":"USER","category":"INVALID_INPUT","errorMessage":"Object \'nope\' not found (line [1], column [22])","context":{"sourceType":"sql","line":"1","column":"22","endLine":"1","endColumn":"25"}}',
      );
      expect(headers.get('x-druid-sql-query-id')).toBe('placed');
    });

    it('fails with 500 on a division by zero', async () => {
      expect((await context.druid.sql(about('SELECT n / 0 FROM @'))).status).toBe(500);
    });

    it.each([
      '{',
      '',
      '[]',
      '{}',
      '{"query":"SELECT 1","resultFormat":"zip"}',
      '{"query":"SELECT 1","typesHeader":true}',
    ])('a body like %s', async (body) => {
      const answer = await context.druid.request('POST', '/druid/v2/sql', body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toMatchObject({ error: 'Unknown exception', host: null });
    });
  });
}
