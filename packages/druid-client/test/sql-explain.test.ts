import { describe, expect, it } from 'vitest';
import { sql } from '../src/sql-template.js';
import { arrayLines, failure, fakeDruid, inPieces, json } from './fake-druid.js';

const columns = [
  ['PLAN', 'STRING', 'VARCHAR'],
  ['RESOURCES', 'STRING', 'VARCHAR'],
  ['ATTRIBUTES', 'STRING', 'VARCHAR'],
] as const;

const answering = (row: readonly unknown[]) =>
  fakeDruid((request, response) =>
    request.method === 'DELETE'
      ? json(response, 202, {})
      : inPieces(response, arrayLines(columns.slice(0, row.length), [JSON.stringify(row)])),
  );

describe('sql.explain', () => {
  it('reads the native queries, the resources and the kind of statement', async () => {
    const plan = [
      {
        query: { queryType: 'timeseries', dataSource: { type: 'table', name: 't' }, context: {} },
        signature: [{ name: 'a0', type: 'LONG' }],
        columnMappings: [{ queryColumn: 'a0', outputColumn: 'EXPR$0' }],
      },
    ];
    const resources = [{ name: 't', type: 'DATASOURCE' }];
    const row = [plan, resources, { statementType: 'SELECT' }].map((value) => JSON.stringify(value));
    const druid = await answering(row);
    expect(await druid.client().sql.explain(sql`SELECT COUNT(*) FROM t WHERE a = ${1}`)).toEqual({
      queries: plan,
      resources,
      attributes: { statementType: 'SELECT' },
      text: row[0],
    });
    expect(druid.seen[0]?.body).toMatchObject({
      query: 'EXPLAIN PLAN FOR\nSELECT COUNT(*) FROM t WHERE a = ?',
      parameters: [{ type: 'BIGINT', value: 1 }],
      context: { useNativeQueryExplain: true },
    });
  });

  it('has no native queries for a plan in words, and no attributes from an old server', async () => {
    const druid = await answering(['BindableProject(a=[$0])', '[]']);
    expect(await druid.client().sql.explain('SELECT * FROM sys.servers')).toEqual({
      queries: undefined,
      resources: [],
      attributes: undefined,
      text: 'BindableProject(a=[$0])',
    });
  });

  it.each([[['[{]', '[]']], [['[{"query":7}]', '[]']], [[7, '[]']]])('refuses the answer %j', async (row) => {
    const druid = await answering(row);
    expect(await failure(druid.client().sql.explain('SELECT 1'))).toMatchObject({ code: 'DRUID_DECODE' });
  });
});
