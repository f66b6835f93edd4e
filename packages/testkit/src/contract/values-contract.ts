import { beforeAll, describe, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import type { ContractContext } from './describe-druid-contract.js';
import { parseExact } from './druid-http.js';
import { ingestionTask } from './fixtures.js';

/** Values at the edges of their types: signs of zero, what JSON has no numbers for, the ends of ranges. */
const SCALARS = [
  '{"__time":"0001-01-01T00:00:00Z","s":"\\ud835\\udcb3 zero\\u0000byte","n":9007199254740993,"d":-0.0,"f":0.1}',
  '{"__time":"1969-12-31T23:59:59.999Z","s":"","n":-9223372036854775808,"d":"NaN","f":"NaN"}',
  '{"__time":"1970-01-01T00:00:00Z","s":null,"n":9223372036854775807,"d":"Infinity","f":"-Infinity"}',
  '{"__time":"9999-12-31T23:59:59.999Z","s":"half a pair: \\ud800.","n":-0,"d":1.7976931348623157e308,"f":3.4028235e38}',
].join('\n');

const ARRAYS = [
  '{"__time":"2024-01-01T00:00:00Z","m":["x","y"],"t":["p",null,"q"],"n":[1,9007199254740993,null],"d":[1.5,null,-0.0],"j":{"a":9007199254740993,"b":[1,"x",null]}}',
  '{"__time":"2024-01-01T00:00:01Z","m":["z"],"t":[],"n":[],"d":[],"j":{}}',
  '{"__time":"2024-01-01T00:00:02Z","m":[],"t":null,"n":null,"d":null,"j":null}',
  '{"__time":"2024-01-01T00:00:03Z","m":"[\\"a\\"]","t":["",null],"n":[-1],"d":[1e300],"j":"text"}',
].join('\n');

export function valuesContract(context: ContractContext): void {
  const loaded = async (name: string, dimensions: unknown[], data: string, more = {}): Promise<string> => {
    const dataSource = context.unique(name);
    const tuningConfig = { maxParseExceptions: 0 };
    const task = ingestionTask({ dataSource, dimensions, data, tuningConfig, ...more });
    expect(await context.druid.run(task)).toMatchObject({ status: 'SUCCESS' });
    await context.druid.visible(dataSource, 4);
    return dataSource;
  };

  describe('values', () => {
    let dataSource: string;

    beforeAll(async () => {
      const dimensions = [
        's',
        { type: 'long', name: 'n' },
        { type: 'double', name: 'd' },
        { type: 'float', name: 'f' },
      ];
      dataSource = await loaded('scalars', dimensions, SCALARS, { segmentGranularity: 'YEAR' });
    });

    const times = [
      '0001-01-01T00:00:00.000Z',
      '1969-12-31T23:59:59.999Z',
      '1970-01-01T00:00:00.000Z',
      '9999-12-31T23:59:59.999Z',
    ];
    const rows = [
      ['𝒳 zero\0byte', '9007199254740993', -0, 0.1],
      ['', '-9223372036854775808', 'NaN', 'NaN'],
      [null, '9223372036854775807', 'Infinity', '-Infinity'],
      // Java has no half of a pair in UTF-8.
      ['half a pair: ?.', 0, 1.7976931348623157e308, 3.4028235e38],
    ];

    it.each(['array', 'arrayLines'])('come back as %s', async (resultFormat) => {
      const query = `SELECT __time, s, n, d, f FROM "${dataSource}" ORDER BY __time`;
      const { text } = await context.druid.sql(query, { resultFormat });
      const found = parsedRows(text, resultFormat === 'arrayLines');
      expect(found).toEqual(rows.map((row, i) => [times[i], ...row]));
      expect(text).toContain('-0.0');
    });

    it('come back as csv, where NULL is empty', async () => {
      const query = `SELECT s, n, d FROM "${dataSource}" WHERE n <> 0 ORDER BY __time`;
      expect((await context.druid.sql(query, { resultFormat: 'csv' })).text).toBe(
        '𝒳 zero\0byte,9007199254740993,-0.0\n,-9223372036854775808,NaN\n,9223372036854775807,Infinity\n\n',
      );
    });

    it('come back by a scan, the times as milliseconds', async () => {
      const batches = (await context.druid.native({
        queryType: 'scan',
        dataSource,
        intervals: ['0001-01-01/9999-12-31', '9999-12-31/P1D'],
        resultFormat: 'compactedList',
        columns: ['__time', 's', 'n', 'd', 'f'],
      })) as { events: unknown[][] }[];
      expect(batches.flatMap(({ events }) => events)).toEqual(
        rows.map((row, i) => [Date.parse(times[i] ?? ''), ...row]),
      );
    });

    it('are told apart: NULL, the empty string, NaN and infinities', async () => {
      const where = async (condition: string): Promise<unknown[]> =>
        (
          await context.druid.rows(`SELECT __time FROM "${dataSource}" WHERE ${condition} ORDER BY __time`)
        ).flat();
      expect(await where('s IS NULL')).toEqual([times[2]]);
      expect(await where("s = ''")).toEqual([times[1]]);
      expect(await where('d IS NULL')).toEqual([]);
      expect(await where('d > 1e308')).toEqual([times[1], times[2], times[3]]);
      expect(await where('n > 9007199254740992')).toEqual([times[0], times[2]]);
    });

    it('takes no bare NaN for JSON', async () => {
      const data = '{"__time":"2024-01-01T00:00:00Z","d":NaN}\n{"__time":"2024-01-01T00:00:00Z","d":1}';
      const id = context.unique('nan');
      const dimensions = [{ type: 'double', name: 'd' }];
      await context.druid.run(ingestionTask({ id, dataSource: id, dimensions, data }));
      const report = JSON.stringify(await context.druid.json(`/druid/indexer/v1/task/${id}/reports`));
      expect(report).toMatch(/"buildSegments":\{[^}]*"unparseable":1/);
    });

    it('takes any text for a parameter, and gives it back', async () => {
      const value = `x' OR 1=1 -- "; \\ \n\r\0 ? 𝒳 \u2028`;
      const parameters = [{ type: 'VARCHAR', value }];
      expect(await context.druid.rows('SELECT ?', { parameters })).toEqual([[value]]);
    });

    it('quotes a name with anything but a line break', async () => {
      const name = `a'b""c.*/--?\\\t𝒳`;
      const rowsOf = (alias: string): Promise<{ status: number; text: string }> =>
        context.druid.sql(`SELECT 1 AS "${alias}"`, { resultFormat: 'objectLines' });
      expect(JSON.parse((await rowsOf(name)).text)).toEqual({ [name.replace('""', '"')]: 1 });
      expect((await rowsOf('a\nb')).status).toBe(400);
    });
  });

  describeFeature(
    context,
    'arrays',
    () => ({ method: 'POST', path: '/druid/v2/sql', body: { query: "SELECT ARRAY['a']" } }),
    () => {
      let dataSource: string;

      beforeAll(async () => {
        const auto = ['t', 'n', 'd'].map((name) => ({ type: 'auto', name }));
        const dimensions = ['m', ...auto, { type: 'json', name: 'j' }];
        dataSource = await loaded('arrays', dimensions, ARRAYS);
      });

      const select = (): string => `SELECT m, t, n, d, j FROM "${dataSource}" ORDER BY __time`;

      it('are text, as multi-value strings and JSON columns are', async () => {
        const header = { resultFormat: 'array', header: true, typesHeader: true, sqlTypesHeader: true };
        expect(await context.druid.rows(select(), header)).toEqual([
          ['m', 't', 'n', 'd', 'j'],
          ['STRING', 'ARRAY<STRING>', 'ARRAY<LONG>', 'ARRAY<DOUBLE>', 'COMPLEX<json>'],
          ['VARCHAR', 'ARRAY', 'ARRAY', 'ARRAY', 'OTHER'],
          [
            '["x","y"]',
            '["p",null,"q"]',
            '[1,9007199254740993,null]',
            '[1.5,null,-0.0]',
            '{"a":9007199254740993,"b":[1,"x",null]}',
          ],
          ['z', '[]', '[]', '[]', '{}'],
          [null, null, null, null, null],
          ['["a"]', '["",null]', '[-1]', '[1.0E300]', '"text"'],
        ]);
      });

      it('are arrays where sqlStringifyArrays is false; multi-value strings and JSON stay text', async () => {
        const options = { context: { sqlStringifyArrays: false } };
        expect(await context.druid.rows(select(), options)).toEqual([
          [
            '["x","y"]',
            ['p', null, 'q'],
            [1, '9007199254740993', null],
            [1.5, null, -0],
            '{"a":9007199254740993,"b":[1,"x",null]}',
          ],
          ['z', [], [], [], '{}'],
          [null, null, null, null, null],
          ['["a"]', ['', null], [-1], [1e300], '"text"'],
        ]);
      });

      it('are arrays in a scan, and JSON is JSON', async () => {
        const batches = (await context.druid.native({
          queryType: 'scan',
          dataSource,
          intervals: ['2024/2025'],
          resultFormat: 'compactedList',
          columns: ['m', 't', 'n', 'j'],
        })) as { events: unknown[][] }[];
        expect(batches.flatMap(({ events }) => events)).toEqual([
          [
            ['x', 'y'],
            ['p', null, 'q'],
            [1, '9007199254740993', null],
            { a: '9007199254740993', b: [1, 'x', null] },
          ],
          ['z', [], [], {}],
          [null, null, null, null],
          ['["a"]', ['', null], [-1], 'text'],
        ]);
      });
    },
  );

  describeFeature(
    context,
    'sketches',
    ({ data }) => ({
      method: 'POST',
      path: '/druid/v2/sql',
      body: { query: `SELECT DS_HLL(page) FROM "${data.events}"` },
    }),
    () => {
      it('are base64 in quotes', async () => {
        const [row] = await context.druid.rows(
          `SELECT APPROX_COUNT_DISTINCT_DS_HLL(page), DS_HLL(page) FROM "${context.data.events}"`,
        );
        expect(row).toEqual([4, expect.stringMatching(/^"[A-Za-z0-9+/]+=*"$/)]);
      });
    },
  );

  describeFeature(
    context,
    'topN',
    ({ data }) => ({ method: 'POST', path: '/druid/v2', body: topN(data.events) }),
    () => {
      it('ranks the values of a dimension', async () => {
        expect(await context.druid.native(topN(context.data.events))).toEqual([
          {
            timestamp: '2024-01-01T00:00:00.000Z',
            result: [
              { page: 'a', c: 2 },
              { page: '', c: 1 },
            ],
          },
        ]);
      });
    },
  );

  describeFeature(
    context,
    'search',
    ({ data }) => ({ method: 'POST', path: '/druid/v2', body: search(data.events) }),
    () => {
      it('finds the values that hold a text', async () => {
        expect(await context.druid.native(search(context.data.events))).toEqual([
          {
            timestamp: '2024-01-01T00:00:00.000Z',
            result: [
              { dimension: 'user', value: 'ann', count: 2 },
              { dimension: 'user', value: 'cat', count: 1 },
            ],
          },
        ]);
      });
    },
  );

  describe('Smile', () => {
    it.each([['2024/2025'], ['2025/2026']])(
      'is what a scan of %s answers when asked for it',
      async (interval) => {
        const query = {
          queryType: 'scan',
          dataSource: context.data.events,
          intervals: [interval],
          columns: ['page'],
        };
        const accept = { accept: 'application/x-jackson-smile' };
        const { status, headers, text } = await context.druid.request('POST', '/druid/v2', query, accept);
        expect(status).toBe(200);
        expect(headers.get('content-type')).toBe('application/x-jackson-smile');
        expect(text.startsWith(':)\n')).toBe(true);
      },
    );
  });
}

const topN = (dataSource: string): Record<string, unknown> => ({
  queryType: 'topN',
  dataSource,
  intervals: ['2024/2025'],
  granularity: 'all',
  dimension: 'page',
  metric: 'c',
  threshold: 2,
  aggregations: [{ type: 'count', name: 'c' }],
});

const search = (dataSource: string): Record<string, unknown> => ({
  queryType: 'search',
  dataSource,
  intervals: ['2024/2025'],
  granularity: 'all',
  searchDimensions: ['user'],
  query: { type: 'insensitive_contains', value: 'A' },
});

/** Rows with integers beyond 2^53 as strings. */
function parsedRows(text: string, isLines: boolean): unknown[][] {
  const json = isLines ? `[${text.trim().replaceAll('\n', ',')}]` : text;
  return parseExact(json) as unknown[][];
}
