import { beforeAll, describe, expect, it } from 'vitest';

import { sharedDruid, type SharedDruid } from '../../../tooling/shared-druid.js';
import { requireRealServers } from '../src/index.js';
import { druidHttp, until } from './druid-http.js';

describe.skipIf(!requireRealServers())('DruidCluster 27.0.0 with basic security', () => {
  let druid: SharedDruid;
  let http: ReturnType<typeof druidHttp>;
  let headers: { authorization: string };
  beforeAll(async () => {
    druid = await sharedDruid('27.0.0');
    headers = { authorization: druid.credentials?.authorization ?? '' };
    http = druidHttp(druid.url, headers);
  });

  it('answers 401 to strangers at every role, and knows the administrator', async () => {
    const wrong = { authorization: `Basic ${btoa('admin:wrong')}` };
    for (const url of Object.values(druid.urls)) {
      const statusWith = async (given: Record<string, string>): Promise<number> =>
        (await fetch(`${url}/status`, { headers: given })).status;
      const seen = [await statusWith({}), await statusWith(wrong), await statusWith(headers)];
      expect(seen).toEqual([401, 401, 200]);
    }
  });

  it('lets users be made, who may do only what a role allows them', async () => {
    const security = '/druid-ext/basic-security';
    const reader = { authorization: `Basic ${btoa('reader:secret')}` };
    for (const [path, body] of [
      [`${security}/authentication/db/Basic/users/reader`, {}],
      [`${security}/authentication/db/Basic/users/reader/credentials`, { password: 'secret' }],
      [`${security}/authorization/db/Authz/users/reader`, {}],
    ] as const) {
      const response = await fetch(`${druid.urls.coordinator}${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
    }
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(`${druid.url}${path}`, { headers: reader })).status;
    await until(async () => (await statusOf('/druid/coordinator/v1/config')) !== 401); // has not reached all roles
    expect(await statusOf('/druid/coordinator/v1/config')).toBe(403);
  });

  it('runs a multi-stage REPLACE, whose rows can be queried; its id is taken then', async () => {
    const rows = JSON.stringify({
      type: 'inline',
      data: '{"t":"2024-01-01","a":"x"}\n{"t":"2024-01-02","a":"y"}',
    });
    const task = {
      query:
        `REPLACE INTO "replaced" OVERWRITE ALL SELECT TIME_PARSE("t") AS __time, "a" ` +
        `FROM TABLE(EXTERN('${rows}', '{"type":"json"}')) EXTEND ("t" VARCHAR, "a" VARCHAR) PARTITIONED BY DAY`,
      context: { sqlQueryId: 'replace-1', maxNumTasks: 2 },
    };
    const first = await http.post('/druid/v2/sql/task', task);
    expect(first).toMatchObject({ status: 202, body: { taskId: 'query-replace-1' } });
    expect(await http.untilDone('query-replace-1')).toBe('SUCCESS');
    await http.untilRows('replaced', 2);
    expect(await http.sql('SELECT "a" FROM "replaced" ORDER BY __time')).toEqual([['x'], ['y']]);

    // Not the 400 of other tasks, so a client has to ask for the task's status.
    const again = await http.post('/druid/v2/sql/task', task);
    expect(again.status).toBe(500);
    expect(JSON.stringify(again.body)).toContain('already exists');
    expect(await http.taskState('query-replace-1')).toBe('SUCCESS');
  });

  it('runs a statement and gives its results by page', async () => {
    const { status, body } = await http.post('/druid/v2/sql/statements', {
      query: `SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t ("n", "s")`,
      context: { executionMode: 'ASYNC', maxNumTasks: 2 },
    });
    expect(status).toBe(200);
    const { queryId } = body as { queryId: string };
    const get = async (path: string): Promise<string> =>
      (await fetch(`${druid.url}/druid/v2/sql/statements/${queryId}${path}`, { headers })).text();
    const statement = async (): Promise<{ state: string }> => JSON.parse(await get('')) as { state: string };
    await until(async () => !['ACCEPTED', 'RUNNING'].includes((await statement()).state));
    expect(await statement()).toMatchObject({ state: 'SUCCESS', result: { numTotalRows: 2 } });
    // This version has one format here, whatever `resultFormat` says.
    expect(await get('/results?page=0&resultFormat=array')).toBe('{"n":1,"s":"a"}\n{"n":2,"s":"b"}\n\n');
  });
});
