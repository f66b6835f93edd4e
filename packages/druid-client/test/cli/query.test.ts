import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidClient } from '../../src/index.js';
import { arrayLines, fakeDruid, inPieces, json } from '../fake-druid.js';
import { runTool } from './run-tool.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-druid-query-'));
let druid: EmbeddedDruid;

beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  const client = new DruidClient({ url: druid.url });
  const data = [
    '{"t":"2026-01-01T00:00:00.123Z","s":"plain","n":1,"d":1.5}',
    '{"t":"2026-01-01T01:00:00Z","s":"x, \\"y\\"\\nz","n":9007199254740993,"d":-2.25}',
    '{"t":"2026-01-02T02:00:00Z","s":"日本語 \\u001b[31mred","n":-9007199254740993,"d":1e300}',
    '{"t":"2026-01-02T03:00:00Z","s":"","n":null,"d":null}',
    '{"t":"2026-01-03T04:00:00Z","s":null,"n":7,"d":0.1}',
  ].join('\n');
  const { taskId } = await client.tasks.submit({
    type: 'index_parallel',
    spec: {
      dataSchema: {
        dataSource: 'edits',
        timestampSpec: { column: 't', format: 'iso' },
        dimensionsSpec: { dimensions: ['s', { type: 'long', name: 'n' }, { type: 'double', name: 'd' }] },
        granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data },
        inputFormat: { type: 'json' },
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
    },
  });
  expect((await client.tasks.waitFor(taskId)).statusCode).toBe('SUCCESS');
  client.close();
});
afterAll(async () => {
  await druid.stop();
  rmSync(directory, { recursive: true, force: true });
});

const query = (sql: string, ...more: string[]) => runTool(['query', sql, '--url', druid.url, ...more]);
const all = 'SELECT __time, s, n, d FROM edits ORDER BY __time';

describe('millrace-druid query', () => {
  it('prints a table for people, in which data cannot steer the terminal', async () => {
    expect(await query(all)).toEqual({
      code: 0,
      err: '',
      out: [
        '__time                    s                                     n       d',
        '------------------------  --------------------  -----------------  ------',
        '2026-01-01T00:00:00.123Z  plain                                 1     1.5',
        '2026-01-01T01:00:00.000Z  x, "y"\\nz              9007199254740993   -2.25',
        '2026-01-02T02:00:00.000Z  日本語 \\u001b[31mred  -9007199254740993  1e+300',
        '2026-01-02T03:00:00.000Z                                     NULL    NULL',
        '2026-01-03T04:00:00.000Z  NULL                                  7     0.1',
        '(5 rows)',
        '',
      ].join('\n'),
    });
  });

  it('prints CSV that tells the empty text from null', async () => {
    const { out } = await query(all, '--format', 'csv');
    expect(out).toBe(
      [
        '__time,s,n,d',
        '2026-01-01T00:00:00.123Z,plain,1,1.5',
        '2026-01-01T01:00:00.000Z,"x, ""y""\nz",9007199254740993,-2.25',
        '2026-01-02T02:00:00.000Z,日本語 \u001b[31mred,-9007199254740993,1e+300',
        '2026-01-02T03:00:00.000Z,"",,',
        '2026-01-03T04:00:00.000Z,,7,0.1',
        '',
      ].join('\n'),
    );
  });

  it('prints an object a line, and an array of objects, with all digits', async () => {
    const lines = (await query(all, '--format', 'ndjson')).out.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[1]).toBe(
      '{"__time":"2026-01-01T01:00:00.000Z","s":"x, \\"y\\"\\nz","n":9007199254740993,"d":-2.25}',
    );
    expect((await query(all, '--format', 'json')).out).toBe(`[\n${lines.join(',\n')}\n]\n`);
  });

  it.each([
    ['table', '__time  s  n  d\n------  -  -  -\n(0 rows)\n'],
    ['records', ''],
    ['csv', '__time,s,n,d\n'],
    ['ndjson', ''],
    ['json', '[]\n'],
  ])('prints no rows as %s', async (format, expected) => {
    expect((await query('SELECT * FROM edits WHERE n = 12', '--format', format)).out).toBe(expected);
  });

  it('binds parameters by their types, and texts as texts', async () => {
    const count = async (condition: string, ...values: string[]) =>
      (
        await query(
          `SELECT COUNT(*) FROM edits WHERE ${condition}`,
          ...['--format', 'csv'],
          ...values.flatMap((value) => ['--param', value]),
        )
      ).out.split('\n')[1];
    expect(await count('s = ?', 'plain')).toBe('1');
    expect(await count('s = ?', "' OR ''='")).toBe('0');
    expect(await count('s = ?', 'VARCHAR:BIGINT:1')).toBe('0');
    expect(await count('n = ?', 'BIGINT:-9007199254740993')).toBe('1');
    expect(await count('d < ? AND n > ?', 'DOUBLE:1.5', 'BIGINT:1')).toBe('2');
    // Without a zone it is UTC, wherever the tool runs.
    expect(await count('__time >= ?', 'TIMESTAMP:2026-01-02 02:00:00')).toBe('3');
    expect(await count('__time >= ?', 'TIMESTAMP:2026-01-02T03:00:00+01:00')).toBe('3');
    expect(await count('__time >= ?', 'TIMESTAMP:2026-01-03')).toBe('1');
  });

  it('keeps the milliseconds of times, also where Druid cuts TIMESTAMP parameters (27)', async () => {
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines([['a', 'LONG']], [])));
    const text = `SELECT '?', "?" /* ? */ FROM t WHERE a = ? AND b >= ? AND c < ? -- ?`;
    const values = ['VARCHAR:x', 'TIMESTAMP:2026-01-01T00:00:00.123Z', 'TIMESTAMP:2026-01-02'];
    const parameters = values.flatMap((value) => ['--param', value]);
    for (const command of ['query', 'explain']) {
      await runTool([command, text, '--url', fake.url, ...parameters]);
      const sent = fake.seen.at(-1)!.body as { query: string; parameters: unknown };
      expect(sent.query).toContain(
        `SELECT '?', "?" /* ? */ FROM t WHERE a = ? AND b >= MILLIS_TO_TIMESTAMP(?) AND c < MILLIS_TO_TIMESTAMP(?) -- ?`,
      );
      expect(sent.parameters).toEqual([
        { type: 'VARCHAR', value: 'x' },
        { type: 'BIGINT', value: 1767225600123 },
        { type: 'BIGINT', value: 1767312000000 },
      ]);
    }
    const count = (time: string) =>
      query('SELECT COUNT(*) FROM edits WHERE __time <= ?', '--param', time, '--format', 'csv');
    expect((await count('TIMESTAMP:2026-01-01 00:00:00.122')).out).toBe('EXPR$0\n0\n');
    expect((await count('TIMESTAMP:2026-01-01 00:00:00.123')).out).toBe('EXPR$0\n1\n');
  });

  it('sends null, booleans and the context', async () => {
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines([['a', 'LONG']], [])));
    const options = ['--param', 'NULL:', '--param', 'BOOLEAN:true', '--param', 'DOUBLE:5', '--param', 'a:b'];
    const context = [
      '--context',
      'timeout=100',
      '--context',
      'sqlTimeZone=Europe/Paris',
      '--context',
      'sqlQueryId=7',
    ];
    const { code } = await runTool([
      'query',
      'SELECT ?, ?, ?, ?;\n',
      '--url',
      fake.url,
      ...options,
      ...context,
    ]);
    expect(code).toBe(0);
    expect(fake.seen[0]?.body).toMatchObject({
      query: 'SELECT ?, ?, ?, ?',
      parameters: [
        { type: 'VARCHAR', value: null },
        { type: 'BOOLEAN', value: true },
        { type: 'DOUBLE', value: 5 },
        { type: 'VARCHAR', value: 'a:b' },
      ],
      context: { timeout: 100, sqlTimeZone: 'Europe/Paris', sqlQueryId: '7', sqlStringifyArrays: false },
    });
  });

  it('takes SQL from a file and from standard input', async () => {
    const file = join(directory, 'count.sql');
    writeFileSync(file, '\ufeffSELECT COUNT(*) AS c\nFROM edits;\n');
    const csv = ['--url', druid.url, '--format', 'csv'];
    expect((await runTool(['query', '--file', file, ...csv])).out).toBe('c\n5\n');
    const readInput = async () => 'SELECT COUNT(*) AS c FROM edits';
    for (const argv of [[], ['-'], ['--file', '-']]) {
      expect((await runTool(['query', ...argv, ...csv], { readInput })).out).toBe('c\n5\n');
    }
  });

  it('shows the place of an error in the SQL', async () => {
    const { code, out, err } = await query('SELECT n,\n  nope FROM edits');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /^millrace-druid: POST .* Column 'nope' not found.*\n {2}2 \| {3}nope FROM edits\n {4}\| {3}\^\^\^\^\nNames are .*\n$/,
    );
    // The mistake of everybody who comes from another SQL, or from a shell's quotes.
    expect((await query('SELECT 1 FROM edits WHERE s = "plain"')).err).toContain("single quotes: 'text'.\n");
    expect((await query('SELECT 1 FROM nix')).err).toContain(
      '\nmillrace-druid datasources lists what there is.\n',
    );
  });

  it('shows arrays, JSON and special numbers', async () => {
    const columns = [
      ['a', 'ARRAY<LONG>', 'ARRAY'],
      ['j', 'COMPLEX<json>', 'OTHER'],
      ['d', 'DOUBLE'],
      ['f', 'ARRAY<DOUBLE>', 'ARRAY'],
    ] as const;
    const rows = ['[[1,9007199254740993,null],{"n":9007199254740993,"s":"x"},"NaN",["Infinity",-0.0]]'];
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, rows)));
    const run = async (format: string) =>
      (await runTool(['query', 'x', '--url', fake.url, '--format', format])).out;
    expect(await run('ndjson')).toBe(
      '{"a":[1,9007199254740993,null],"j":{"n":9007199254740993,"s":"x"},"d":"NaN","f":["Infinity",-0.0]}\n',
    );
    expect(await run('csv')).toContain(
      '\n"[1,9007199254740993,null]","{""n"":9007199254740993,""s"":""x""}",NaN,',
    );
  });

  it('keeps columns of one name apart, and refuses to lose one in an object', async () => {
    const columns = [
      ['a', 'LONG'],
      ['a', 'LONG'],
    ] as const;
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, ['[1,2]'])));
    const run = (format: string) => runTool(['query', 'x', '--url', fake.url, '--format', format]);
    expect((await run('csv')).out).toBe('a,a\n1,2\n');
    const refused = await run('ndjson');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain("Two columns are called 'a'");
  });

  it('says after how many rows a result broke off, and leaves an array open', async () => {
    const broken = arrayLines([['a', 'LONG']], ['[1]', '[2]']).trimEnd() + '\n';
    const fake = await fakeDruid((_, response) => inPieces(response, broken));
    const { code, out, err } = await runTool(['query', 'x', '--url', fake.url, '--format', 'json']);
    expect({ code, out }).toEqual({ code: 1, out: '[\n{"a":1},\n{"a":2}' });
    expect(err).toMatch(
      /broke off after 2 rows.*\nThe rows that were printed are genuine, but not all there are.\n$/,
    );
  });

  it('explains', async () => {
    const plan = '[{"query":{"queryType":"scan","limit":9007199254740993},"signature":[]}]';
    const row = JSON.stringify([
      plan,
      '[{"name":"edits","type":"DATASOURCE"}]',
      '{"statementType":"SELECT"}',
    ]);
    const columns = [
      ['PLAN', 'STRING'],
      ['RESOURCES', 'STRING'],
      ['ATTRIBUTES', 'STRING'],
    ] as const;
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, [row])));
    const { out } = await runTool(['explain', 'SELECT 1;', '--url', fake.url]);
    expect(fake.seen[0]?.body['query']).toBe('EXPLAIN PLAN FOR\nSELECT 1');
    expect(out).toContain('"limit": 9007199254740993\n');
    expect(JSON.parse(out)).toMatchObject({
      queries: [{ query: { queryType: 'scan' }, signature: [] }],
      resources: [{ name: 'edits', type: 'DATASOURCE' }],
      attributes: { statementType: 'SELECT' },
    });
  });

  it('explains what is no native query in the words of Druid', async () => {
    const columns = [
      ['PLAN', 'STRING'],
      ['RESOURCES', 'STRING'],
    ] as const;
    const row = JSON.stringify(['BindableTableScan\n', '[]']);
    const fake = await fakeDruid((_, response) => inPieces(response, arrayLines(columns, [row])));
    expect((await runTool(['explain', 'x', '--url', fake.url])).out).toBe('BindableTableScan\n');
  });

  it.each([
    [['query'], 'there is no SQL: give it as an argument, by --file, or through standard input'],
    [['query', ' ;'], 'there is no SQL: the statement is empty'],
    [['query', 'x', 'y'], 'there must be one statement (in quotes, for the shell), got 2'],
    [['query', 'x', '--file', 'y'], 'the SQL is an argument or in --file, not both'],
    [['query', 'x', '--format', 'xml'], '--format is one of table, records, csv, ndjson, json, got xml'],
    [['query', 'x', '--width', 'wide'], '--width is a whole number from 0 on, got wide'],
    [['query', 'x', '--param', 'a', '--param', 'BIGINT:1.5'], "--param 2 is no BIGINT: '1.5'"],
    [['query', 'x', '--param', 'DOUBLE:'], "--param 1 is no DOUBLE: ''"],
    [['query', 'x', '--param', 'BOOLEAN:yes'], "--param 1 is no BOOLEAN: 'yes'"],
    [['query', 'x', '--param', 'TIMESTAMP:5'], "--param 1 is no TIMESTAMP: '5'"],
    [['query', 'x', '--param', 'NULL:x'], "--param 1 is no NULL: 'x'"],
    [['query', 'x', '--context', 'timeout'], '--context takes NAME=VALUE, got timeout'],
    [['query', 'x', '--timeout', '0'], '--timeout is a whole number from 1 on, got 0'],
    [['query', 'x', '--format', 'csv', '--format', 'json'], '--format was given twice'],
    [['query', 'x', '--nothing'], "Unknown option '--nothing'\nSee"],
    [['explain', 'x', '--format', 'json'], '--format'],
  ])('ends with 2 for %j', async (argv, message) => {
    const { code, out, err } = await runTool(argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).toContain(`See millrace-druid ${argv[0]} --help.`);
  });

  it('ends with 2 for more parameters than places', async () => {
    const { code, out, err } = await runTool(['query', 'SELECT ?', '--param', 'a', '--param', 'b']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('There are 2 parameters for 1 places');
  });

  it('ends with 2 for a parameter beyond 64 bits', async () => {
    const { code, err } = await query('SELECT ?', '--param', 'BIGINT:9223372036854775808');
    expect(code).toBe(2);
    expect(err).toContain('64 bits cannot hold');
  });

  it('ends with 1, and a hint, where there is no file, no server, no right and no Router', async () => {
    const missing = await runTool(['query', '--file', join(directory, 'none.sql')]);
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.err).toContain('none.sql cannot be read: ENOENT');
    const dead = await runTool(['query', 'x', '--url', 'http://127.0.0.1:1']);
    expect(dead.code).toBe(1);
    expect(dead.err).toContain('\n--url or MILLRACE_DRUID_URL names another one.\n');
    const fake = await fakeDruid((request, response) =>
      json(response, request.headers.authorization === undefined ? 401 : 404, {}),
    );
    expect((await runTool(['query', 'x', '--url', fake.url])).err).toContain(
      '\nmillrace-druid --help says how',
    );
    const env = { MILLRACE_DRUID_TOKEN: 'secret-token' };
    expect((await runTool(['query', 'x', '--url', fake.url], { env })).err).toContain('\nIs this the Router');
  });
});
