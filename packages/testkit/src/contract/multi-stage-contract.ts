import { beforeAll, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import { EVENTS } from './fixtures.js';
import type { ContractContext } from './describe-druid-contract.js';

const TASK = '/druid/v2/sql/task';
const STATEMENTS = '/druid/v2/sql/statements';

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

// EXTERN takes a column __time of milliseconds only.
const DATA = EVENTS.trimEnd().replaceAll('"__time"', '"at"');
const SOURCE = literal(JSON.stringify({ type: 'inline', data: DATA }));
const SIGNATURE = literal(
  JSON.stringify([
    { name: 'at', type: 'string' },
    { name: 'page', type: 'string' },
    { name: 'user', type: 'string' },
    { name: 'n', type: 'long' },
    { name: 'd', type: 'double' },
  ]),
);

export function multiStageContract(context: ContractContext): void {
  const replace = (dataSource: string, where: string): string =>
    `REPLACE INTO "${dataSource}" OVERWRITE ALL
     SELECT TIME_PARSE("at") AS __time, page, "user", n, d, ? AS mark
     FROM TABLE(EXTERN(${SOURCE}, '{"type":"json"}', ${SIGNATURE}))
     WHERE ${where} PARTITIONED BY DAY`;
  const post = async (
    path: string,
    body: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> => {
    const { status, text } = await context.druid.request('POST', path, body);
    return { status, body: JSON.parse(text) as Record<string, unknown> };
  };
  const context2 = { maxNumTasks: 2, sqlTimeZone: 'UTC' };

  describeFeature(
    context,
    'multi-stage queries',
    () => ({ method: 'POST', path: TASK, body: { query: 'SELECT 1' } }),
    () => {
      const id = context.unique('load');
      const dataSource = context.unique('multi_stage');

      beforeAll(async () => {
        const parameters = [
          { type: 'VARCHAR', value: "it's ?" },
          { type: 'BIGINT', value: 7 },
        ];
        const submitted = await post(TASK, {
          query: replace(dataSource, 'n IS NULL OR n <> ?'),
          context: { ...context2, sqlQueryId: id },
          parameters,
        });
        expect(submitted).toEqual({ status: 202, body: { taskId: `query-${id}`, state: 'RUNNING' } });
        expect(await context.druid.ended(`query-${id}`)).toMatchObject({
          id: `query-${id}`,
          type: 'query_controller',
          status: 'SUCCESS',
          dataSource,
        });
        await context.druid.visible(dataSource, 4);
      });

      it('loads rows by REPLACE … EXTERN, exactly, with typed parameters', async () => {
        expect(
          await context.druid.rows(`SELECT page, "user", n, d, mark FROM "${dataSource}" ORDER BY __time`),
        ).toEqual([
          ['a', 'ann', 1, 1.5, "it's ?"],
          ['b,"q"', null, '9007199254740993', -2.25, "it's ?"],
          ['', null, null, null, "it's ?"],
          ['ünï\ncode', 'bob', -5, 1e300, "it's ?"],
        ]);
      });

      it('reports the stages of a query, and what went through them', async () => {
        const report = await context.druid.json(`/druid/indexer/v1/task/query-${id}/reports`);
        expect(report).toMatchObject({
          multiStageQuery: {
            type: 'multiStageQuery',
            taskId: `query-${id}`,
            payload: { status: { status: 'SUCCESS' }, counters: { 0: {} } },
          },
        });
        const { payload } = (report as { multiStageQuery: { payload: { stages: unknown[] } } })
          .multiStageQuery;
        expect(payload.stages.length).toBeGreaterThan(1);
      });

      it('never runs an id twice', async () => {
        const { status, body } = await post(TASK, {
          query: 'SELECT 1',
          context: { ...context2, sqlQueryId: id },
        });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(JSON.stringify(body)).toMatch(/already exists/);
      });

      it('refuses what cannot be planned, with the place, inside an envelope', async () => {
        const query = `INSERT INTO "${dataSource}"\nSELECT nope FROM "${context.data.events}" PARTITIONED BY ALL`;
        const { status, body } = await post(TASK, {
          query,
          context: { ...context2, sqlQueryId: `${id}-bad` },
        });
        expect(status).toBe(400);
        expect(body).toMatchObject({
          taskId: `${id}-bad`,
          state: 'FAILED',
          error: {
            error: 'druidException',
            errorCode: 'invalidInput',
            errorMessage: "Column 'nope' not found in any table (line [2], column [8])",
            context: { sourceType: 'sql', line: '2', column: '8', endLine: '2', endColumn: '11' },
          },
        });
      });

      it('keeps the rows of a statement, by page', async () => {
        const sqlQueryId = context.unique('statement');
        const queryId = `query-${sqlQueryId}`;
        const submitted = await post(STATEMENTS, {
          query: `SELECT __time, n, d FROM "${dataSource}" WHERE n > ?`,
          parameters: [{ type: 'BIGINT', value: 100 }],
          context: { ...context2, executionMode: 'ASYNC', sqlQueryId },
        });
        expect(submitted.status).toBe(200);
        expect(submitted.body).toMatchObject({ queryId, state: 'ACCEPTED' });
        const ended = await context.druid.until(`statement ${queryId} to end`, async () => {
          const status = (await context.druid.json(`${STATEMENTS}/${queryId}`)) as { state: string };
          return ['ACCEPTED', 'RUNNING'].includes(status.state) ? undefined : status;
        });
        expect(ended).toMatchObject({
          queryId,
          state: 'SUCCESS',
          schema: [
            { name: '__time', type: 'TIMESTAMP', nativeType: 'LONG' },
            { name: 'n', type: 'BIGINT', nativeType: 'LONG' },
            { name: 'd', type: 'DOUBLE', nativeType: 'DOUBLE' },
          ],
          result: { numTotalRows: 1, pages: [{ id: 0, numRows: 1 }] },
        });
        const page = (query: string): Promise<{ status: number; text: string }> =>
          context.druid.get(`${STATEMENTS}/${queryId}/results?${query}`);
        // Times are raw here.
        const row = '{"__time":1704069000000,"n":9007199254740993,"d":-2.25}\n\n';
        expect((await page('page=0&resultFormat=objectLines')).text).toBe(row);
        expect((await page('page=7')).status).toBe(400);
        expect((await context.druid.request('DELETE', `${STATEMENTS}/${queryId}`)).status).toBeLessThan(300);
      });

      it('knows no statement that nobody posted, and takes only asynchronous ones', async () => {
        for (const [method, suffix] of [
          ['GET', ''],
          ['GET', '/results'],
          ['DELETE', ''],
        ] as const) {
          const answer = await context.druid.request(method, `${STATEMENTS}/nobody${suffix}`);
          expect([answer.status, JSON.parse(answer.text)]).toMatchObject([404, { errorCode: 'notFound' }]);
        }
        const { status, body } = await post(STATEMENTS, { query: 'SELECT 1' });
        expect([status, body['errorMessage']]).toEqual([
          400,
          'Execution mode is not provided to the sql statement api. Please set [executionMode] to [ASYNC] in the query context',
        ]);
      });
    },
  );
}
