import type { DruidCredentials } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidRemoteError } from '../src/errors.js';
import { DruidClient } from '../src/index.js';
import { sql } from '../src/sql-template.js';
import { collect, failure } from './fake-druid.js';

const table = `sql_${Math.random().toString(36).slice(2, 8)}`;

// Raw lines: JSON.stringify cannot write integers beyond 2^53.
const data = [
  `{"t":"2026-01-01T00:00:00.123Z","s":"plain","n":1,"d":1.5}`,
  `{"t":"2026-01-01T01:00:00.000Z","s":"x' OR 1=1 --","n":9007199254740993,"d":-2.25}`,
  `{"t":"2026-01-01T02:00:00.000Z","s":"\\"quoted\\", grün 𝒳\\n","n":-9007199254740993,"d":1e300}`,
  `{"t":"2026-01-01T03:00:00.000Z","s":"","n":null,"d":null}`,
  `{"t":"2026-01-01T04:00:00.000Z","s":null,"n":7,"d":0.1}`,
].join('\n');

/** A running Druid. */
interface SqlServer {
  readonly url: string;
  /** Absent: no login. */
  readonly credentials?: DruidCredentials | undefined;
  /** Absent: others use it too. */
  stop?(): Promise<void>;
}

/** What SQL must do on any Druid; `getClient` gives a client of one, and more tests can be added behind it. */
export function describeSql(
  name: string,
  start: () => Promise<SqlServer>,
  more?: (getClient: () => DruidClient, table: string) => void,
): void {
  describe(`SQL against ${name}`, () => {
    let server: SqlServer;
    let client: DruidClient;

    beforeAll(async () => {
      server = await start();
      const { url, credentials } = server;
      client = new DruidClient({ url, ...(credentials && { auth: credentials }) });
      const { taskId } = await client.tasks.submit({
        type: 'index_parallel',
        id: `load-${table}`,
        spec: {
          dataSchema: {
            dataSource: table,
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
      await client.datasources.waitUntilQueryable(table);
    }, 240_000);

    afterAll(async () => {
      client.close();
      await server.stop?.();
    });

    it('gives declared columns exactly', async () => {
      const columns = { __time: 'timestamp not null', s: 'string', n: 'long', d: 'double' } as const;
      const rows = await client.sql.query(
        sql`SELECT __time, s, n, d FROM ${sql.identifier(table)} ORDER BY __time`,
        { columns, int64: 'bigint' },
      );
      const hour = (n: number) => Date.UTC(2026, 0, 1, n);
      expect(rows).toEqual([
        { __time: hour(0) + 123, s: 'plain', n: 1n, d: 1.5 },
        { __time: hour(1), s: "x' OR 1=1 --", n: 9007199254740993n, d: -2.25 },
        { __time: hour(2), s: '"quoted", grün 𝒳\n', n: -9007199254740993n, d: 1e300 },
        { __time: hour(3), s: '', n: null, d: null },
        { __time: hour(4), s: null, n: 7n, d: 0.1 },
      ]);
    });

    it('binds what a template holds, and nothing else', async () => {
      const count = async (condition: ReturnType<typeof sql>): Promise<unknown> =>
        (
          await client.sql.query(sql`SELECT COUNT(*) FROM ${sql.identifier(table)} WHERE ${condition}`, {
            rowFormat: 'array',
          })
        )[0]?.[0];
      expect(await count(sql`s = ${"x' OR 1=1 --"}`)).toBe(1);
      expect(await count(sql`s = ${"' OR ''='"}`)).toBe(0);
      expect(await count(sql`s IN (${sql.list(['plain', '"quoted", grün 𝒳\n'])})`)).toBe(2);
      expect(await count(sql`n = ${-9007199254740993n} OR n = ${7}`)).toBe(2);
      expect(await count(sql`__time >= ${new Date('2026-01-01T02:00:00Z')}`)).toBe(3);
      expect(await count(sql.join([sql`d > ${0.05}`, sql`d < ${2.5}`], sql` AND `))).toBe(2);
    });

    it.each(['object', 'array', 'objectLines', 'arrayLines', 'csv'] as const)(
      'streams the bytes of %s to their end, with rows and without',
      async (resultFormat) => {
        for (const condition of [sql`n = ${7}`, sql`n = ${8}`]) {
          const query = sql`SELECT n, s FROM ${sql.identifier(table)} WHERE ${condition}`;
          for (const header of [true, false]) {
            const bytes = Buffer.concat(
              await collect(client.sql.streamBytes(query, { resultFormat, header })),
            ).toString();
            expect(bytes.includes('7')).toBe(condition.toStatement().parameters[0]?.value === 7);
            expect(bytes.startsWith('n,s\n')).toBe(resultFormat === 'csv' && header);
          }
        }
      },
    );

    it('really cancels on the server what is left early', async () => {
      const sqlQueryId = `${table}_left`;
      const name = sql.identifier(table);
      const more = sql.join(
        [...'bcdefghi'].map((alias) => sql`CROSS JOIN ${name} ${sql.identifier(alias)}`),
        sql` `,
      );
      const twoMillionRows = sql`SELECT a.s FROM ${name} a ${more}`;
      for await (const rows of client.sql.stream(twoMillionRows, { context: { sqlQueryId } })) {
        expect(rows.length).toBeGreaterThan(0);
        break;
      }
      // Nothing of this id runs any more.
      const answer = await fetch(`${client.url}/druid/v2/sql/${sqlQueryId}`, {
        method: 'DELETE',
        headers: server.credentials ? { authorization: server.credentials.authorization } : {},
      });
      expect(answer.status).toBe(404);
    });

    it('shows where a statement is wrong', async () => {
      const error = await failure(client.sql.query(`SELECT n,\n  nope FROM "${table}"`));
      expect(DruidRemoteError.is(error) && error.details.sqlPosition).toMatchObject({ line: 2, column: 3 });
      expect((error as Error).message).toContain('\n    |   ^^^^');
    });

    it('shows its own tables', async () => {
      const { system } = client.sql;
      expect(await system.tables()).toContainEqual(
        expect.objectContaining({ TABLE_SCHEMA: 'druid', TABLE_NAME: table, TABLE_TYPE: 'TABLE' }),
      );
      expect(
        (await system.columns(table)).map(({ COLUMN_NAME, DATA_TYPE }) => `${COLUMN_NAME} ${DATA_TYPE}`),
      ).toEqual(['__time TIMESTAMP', 's VARCHAR', 'n BIGINT', 'd DOUBLE']);
      expect(await system.columns('no such table')).toEqual([]);
      expect((await system.servers({ serverType: 'historical' })).length).toBeGreaterThan(0);
      const [segment] = await system.segments({ datasource: table });
      expect(segment).toMatchObject({
        datasource: table,
        num_rows: 5,
        is_published: true,
        is_overshadowed: false,
      });
      expect((await system.tasks({ datasource: table }))[0]).toMatchObject({
        task_id: `load-${table}`,
        status: 'SUCCESS',
      });
    });

    more?.(() => client, table);
  });
}
